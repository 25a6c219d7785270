"""`tracker restore --drill`: tries the newest backup, and records whether it can be restored."""

import sys
from functools import partial
from pathlib import Path

import typer
from sqlalchemy.engine import make_url

from tracker import clock
from tracker.checks.copies import list_problems
from tracker.cli.context import open_database
from tracker.db.engine import is_sqlite_url, writing
from tracker.db.operations import RestoreDrill
from tracker.errors import explain_error
from tracker.rulebooks import load_rulebooks
from tracker.services.restore_drill import (
    DrillError,
    describe_undone,
    find_newest_backup,
    format_backup_age,
    is_outdated,
    try_backup,
)
from tracker.settings import Settings, load_settings


def run(folder: Path) -> None:
    """Print and record the outcome; exit code 1 if the backup can't be restored.

    A drill that can't be done is recorded too, and leaves the last verdict about a backup alone.
    """
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    url, now = settings.database_url.get_secret_value(), clock.now()
    check = partial(list_problems, rulebooks=rulebooks, settings=settings, now=now)
    try:
        drill = try_backup(find_newest_backup(folder), url, settings.installation_key, now, check)
    except DrillError as error:
        sys.stderr.write(explain_error(error))
        _record(describe_undone(error, now), settings)
        raise typer.Exit(1) from error
    outcome = "was restored and checked" if drill.is_proven else "could NOT be restored"
    sys.stdout.write(f"{drill.backup} {outcome}: {drill.detail}\n")
    if age := format_backup_age(drill):
        sys.stdout.write(f"The backup is {age} old.\n")
    if is_outdated(drill):
        sys.stdout.write("Nothing newer can be restored: see why no backups are made.\n")
    is_proven = drill.is_proven
    _record(drill, settings)
    if not is_proven:
        raise typer.Exit(1)


def _record(drill: RestoreDrill, settings: Settings) -> None:
    address = make_url(settings.database_url.get_secret_value())
    if is_sqlite_url(address) and not Path(str(address.database)).is_file():
        # On a machine that only keeps backups.
        sys.stdout.write(f"This is not recorded: there is no database at {address.database}.\n")
        return
    with open_database(settings) as engine, writing(engine) as session:
        session.add(drill)
