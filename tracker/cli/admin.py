"""`tracker config`: the settings in force, where each comes from, and no secret."""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import make_url

from tracker import clock
from tracker.cli.context import NotFound, check_association, open_app
from tracker.db.engine import migrate, newest_version, reading, schema_version, writing
from tracker.errors import hide_passwords
from tracker.services.api_tokens import SCOPES, list_tokens, make_token, revoke_token
from tracker.services.browser_sessions import end_all_access
from tracker.settings import configuration_folder, find_variable, load_settings


def run() -> None:
    """Print each setting as ``name = value``, with its source behind it."""
    settings = load_settings()
    file = configuration_folder() / "tracker.toml"
    written = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    rows = [(f"{name} = {value}", _source(path, written)) for name, value, path in _rows(settings)]
    width = max(len(row) for row, _ in rows)
    sys.stdout.writelines(f"{row:<{width}}  # {source}\n" for row, source in rows)
    found = "" if file.is_file() else " (which does not exist)"
    sys.stdout.write(f"\ntracker.toml is {file}{found}\n")


def _rows(part: BaseModel, above: tuple[str, ...] = ()) -> Iterator[tuple[str, str, list[str]]]:
    """Name, value and path of each setting, the parts of a part in place of the part."""
    for name, value in part:
        path = [*above, name]
        if isinstance(value, BaseModel):
            yield from _rows(value, tuple(path))
        elif isinstance(value, tuple):
            yield from _several(value, path)
        else:
            yield ".".join(path), _shown(value), path


def _several(
    values: tuple[BaseModel, ...], path: list[str]
) -> Iterator[tuple[str, str, list[str]]]:
    name = ".".join(path)
    if not values:
        yield name, "none", path
    for number, value in enumerate(values, 1):
        yield f"{name}[{number}]", ", ".join(f"{key} {text}" for key, text in value), path


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a setting can be
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return hide_passwords(text) if "://" in text else "***"
    if isinstance(value, dict):
        return ", ".join(f"{key} {text}" for key, text in value.items()) or "none"
    return str(value)


def _source(path: list[str], written: dict[str, Any]) -> str:
    variable = find_variable(path)
    if variable is not None:
        return variable
    part: Any = written
    for step in path:
        if not isinstance(part, dict) or step not in part:
            return "default"
        part = part[step]
    return "tracker.toml"


def run_migrate() -> None:
    """Migrate, and say from which version to which. Run it again, and it changes nothing."""
    url = load_settings().database_url.get_secret_value()
    shown = make_url(url).render_as_string(hide_password=True)
    _make_folder(url)
    # Before anything is written: tables of another program are refused here.
    before = schema_version(url)
    if before == newest_version():
        sys.stdout.write(f"{shown} has schema {before} already: nothing to do.\n")
        return
    migrate(url)
    was = f"from schema {before}" if before else "from empty"
    sys.stdout.write(f"{shown} was brought {was} to schema {newest_version()}.\n")


def _make_folder(url: str) -> None:
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and address.database not in {None, "", ":memory:"}:
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)


_LONGEST_NAME = 100


def make(association: str, name: str, scopes: Sequence[str], expires: date | None) -> None:
    """Make a token and print it: the only time that it is seen. ``expires`` is its last day."""
    wrong = [scope for scope in scopes if scope not in SCOPES]
    if wrong or not scopes:
        message = f"no scope is called {wrong[0]!r}" if wrong else "name at least one scope"
        raise NotFound(f"{message}: there are {', '.join(SCOPES)}")
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise NotFound(f"a name of 1 to {_LONGEST_NAME} letters, that says which program it is for")
    with open_app() as tracker:
        check_association(tracker, association)
        zone = tracker.rulebooks.associations[association].time_zone
        with writing(tracker.engine) as session:
            number, secret = make_token(
                session,
                association=association,
                name=name,
                scopes=scopes,
                now=clock.now(),
                expires_at=_end_of(expires, zone) if expires else None,
            )
    sys.stderr.write(f"Token {number} of {association} for {name}. It is shown only now:\n")
    sys.stdout.write(f"{secret}\n")


def show() -> None:
    """List the tokens; none of them can be read again."""
    with open_app() as tracker, reading(tracker.engine) as session:
        found = list_tokens(session, clock.now())
    if not found:
        Console().print("No token yet: `tracker token make` makes one.")
        return
    table = Table("Id", "Association", "For", "May", "Made", "Last used", "State")
    for one in found:
        table.add_row(
            str(one.id),
            one.association,
            escape(one.name),
            one.scopes.replace(" ", "\n"),
            one.created_at.date().isoformat(),
            one.last_used_on.isoformat() if one.last_used_on else "never",
            one.state,
        )
    Console().print(table)


def revoke(token_id: int) -> None:
    """Void a token at once."""
    with open_app() as tracker, writing(tracker.engine) as session:
        if not revoke_token(session, token_id, clock.now()):
            raise NotFound(f"no token has the id {token_id}: `tracker token list` shows them")
    sys.stdout.write(f"Token {token_id} is revoked.\n")


def _end_of(day: date, zone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))


_WHO = "tracker sessions"


def end_all(*, calendars: bool, tokens: bool) -> None:
    """Sign everybody out, void all codes and links, and say how many of each."""
    with open_app() as tracker, writing(tracker.engine) as session:
        now = clock.now()
        ended = end_all_access(session, _WHO, now, calendars=calendars, tokens=tokens)
    lines = [f"Signed-in browsers ended: {ended.sessions}", f"Sign-in codes voided: {ended.codes}"]
    lines += [f"Calendar addresses ended: {ended.calendars}"] if calendars else []
    lines += [f"API tokens revoked: {ended.tokens}"] if tokens else []
    sys.stdout.write("".join(f"{line}\n" for line in lines))
