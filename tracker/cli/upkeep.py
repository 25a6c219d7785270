"""Commands that keep an installation well: upgrade, health, maintenance, and purge."""

import json
import sys
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from operator import methodcaller
from pathlib import Path

import typer
from sqlalchemy.engine import make_url

from tracker import clock
from tracker.checks.copies import list_problems
from tracker.cli.context import open_database
from tracker.db.engine import is_sqlite_url, open_engine, reading, writing
from tracker.db.errors import SchemaError
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version
from tracker.errors import UserError, explain_error
from tracker.jobs.health import Health, read_health
from tracker.jobs.purge import purge
from tracker.rulebooks import RulebookError, check_own_settings, load_rulebooks
from tracker.services import maintenance
from tracker.services.upgrade import Installation, upgrade_database
from tracker.settings import SettingsError, load_settings

_PAGE_SECONDS = 4
_LONGEST_TEXT = 500


def upgrade(backups: Path | None) -> None:
    """Upgrade the database, and print from which schema to which, and where the backup is."""
    settings = load_settings()
    # A rulebook that the new version can't read is found before anything is changed.
    rulebooks = load_rulebooks(settings.config_dir)
    check_own_settings(settings, rulebooks.associations)
    now = clock.now()
    upgraded = upgrade_database(
        Installation(
            settings.database_url.get_secret_value(),
            settings.evidence_folder,
            settings.installation_key,
        ),
        backups,
        now,
        partial(list_problems, rulebooks=rulebooks, settings=settings, now=now),
    )
    if upgraded.before == upgraded.after:
        sys.stdout.write(f"The database already has schema {upgraded.after}. Nothing to do.\n")
        return
    if upgraded.backup is not None:
        sys.stdout.write(f"Backup: {upgraded.backup.path}\n")
        if upgraded.backup.missing:
            sys.stdout.write(
                f"Files missing or damaged in the evidence folder: {len(upgraded.backup.missing)}. "
                "Run `tracker check` for details; an older backup may have them.\n"
            )
    sys.stdout.write(
        f"Upgraded from schema {upgraded.before} to {upgraded.after}, and checked. Start "
        "`tracker serve` and timers again.\n"
    )


def check_health(*, as_json: bool, ask_pages: bool) -> None:
    """Print one line, or JSON; exit code 1 if something is late, stuck, or can't be reached."""
    problems: list[dict[str, object]] = []
    paused = None
    try:
        health = _read_health()
        problems = [problem._asdict() for problem in health.problems]
        paused, summary = health.maintenance, health.summary
    except Exception as error:  # noqa: BLE001 - explain_error raises our own bugs again
        summary = " ".join(explain_error(error).split())
        problems = [{"kind": _name_kind(error), "text": summary}]
    if ask_pages and not problems and (unreachable := _ask_pages()):
        summary, problems = unreachable, [{"kind": "pages", "text": unreachable}]
    if as_json:
        document = {
            "healthy": not problems,
            "summary": summary,
            "problems": problems,
            "maintenance_since": paused.since if paused else None,
            "maintenance_ends": paused.ends_at if paused else None,
        }
        sys.stdout.write(json.dumps(document, default=methodcaller("isoformat")) + "\n")
    else:
        sys.stdout.write(f"{summary}\n")
    if problems:
        raise typer.Exit(1)


def _name_kind(error: Exception) -> str:
    """The kind of problem that keeps health from being read."""
    return "settings" if isinstance(error, SettingsError | RulebookError) else "database"


def _read_health() -> Health:
    """The health of the installation; a missing database is not created."""
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    url = settings.database_url.get_secret_value()
    address = make_url(url)
    if is_sqlite_url(address) and not Path(str(address.database)).is_file():
        raise SchemaError(f"there is no database at {address.database}")
    version = schema_version(url)
    if version != newest_version():
        raise SchemaError(f"it has schema {version}, this program works with {newest_version()}")
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            return read_health(session, settings, rulebooks, clock.now())
    finally:
        engine.dispose()


def _ask_pages() -> str:
    """What keeps `tracker serve` on this machine from answering; empty if it answers."""
    web = load_settings().web
    host = "127.0.0.1" if web.host in {"0.0.0.0", "::"} else web.host  # noqa: S104 - compared
    connection = HTTPConnection(host, web.port, timeout=_PAGE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"pages: no answer at port {web.port} ({type(error).__name__})"
    finally:
        connection.close()
    return "" if status == HTTPStatus.OK else f"pages: the answer at port {web.port} is {status}"


def start_maintenance(until: datetime | None, text: str) -> None:
    """Turn maintenance mode on, or change it."""
    now = clock.now()
    if until is not None and until <= now:
        raise UserError(f"{until:%Y-%m-%d %H:%M} UTC is past: name an instant to come")
    if len(text) > _LONGEST_TEXT:
        raise UserError(f"the text has {len(text)} characters: write at most {_LONGEST_TEXT}")
    with open_database(load_settings()) as engine, writing(engine) as session:
        started = maintenance.start_maintenance(session, now, until, text)
        since = started.since
    end = f"until about {until:%Y-%m-%d %H:%M} UTC" if until else "until `tracker maintenance off`"
    sys.stdout.write(
        f"Maintenance mode is on since {since:%Y-%m-%d %H:%M} UTC, {end}. Within "
        "seconds all pages say so; jobs and mail wait, and what has begun is finished.\n"
    )


def end_maintenance() -> None:
    """Turn maintenance mode off."""
    with open_database(load_settings()) as engine, writing(engine) as session:
        was_on = maintenance.end_maintenance(session)
    state = "off" if was_on else "off already"
    sys.stdout.write(f"Maintenance mode is {state}. Jobs and mail go on at the next tick.\n")


def purge_old(*, dry_run: bool, as_json: bool) -> None:
    """Print how many rows of each kind were deleted, or would be."""
    with open_database(load_settings()) as engine, writing(engine) as session:
        step = session.begin_nested()
        counts = purge(session, clock.now())
        if dry_run:
            step.rollback()
        else:
            step.commit()
    if as_json:
        sys.stdout.write(json.dumps(counts, indent=1) + "\n")
        return
    for kind, count in counts.items():
        sys.stdout.write(f"{count:>8}  {kind}\n")
    if dry_run:
        sys.stdout.write("This was a dry run. Nothing was deleted.\n")
