"""The commands of an operator: settings, schema, API tokens, sessions, and backups."""

import json
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel, SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker import clock
from tracker.cli.context import UnknownName, open_app, open_database, print_json_list
from tracker.database_urls import find_sqlite_file
from tracker.db.access import ApiToken
from tracker.db.badge_keys import delete_badge_keys
from tracker.db.engine import reading, writing
from tracker.db.migrate import migrate
from tracker.db.schema import refuse_newer_schema, schema_version
from tracker.db.schema_versions import newest_version
from tracker.db.signing_keys import prepare_keys
from tracker.errors import HIDDEN, format_url
from tracker.services import api_tokens
from tracker.services.backup import make_backup
from tracker.services.browser_sessions import revoke_all_access, sign_out_everywhere
from tracker.services.restore import restore_backup
from tracker.services.sign_in import normalize_email
from tracker.settings import (
    ENVIRONMENT_PREFIX,
    Settings,
    configuration_folder,
    find_variable,
    load_settings,
)

_LONGEST_TOKEN_NAME = 100
_RIGHT_KEY = (
    "If you have the other key, put it in place, remove the restored database, and restore again."
)
_LINKS_VOIDED = (
    "Links in emails sent until now (referees, email settings) no longer work. Emails from now on "
    "have new ones."
)


def print_settings() -> None:
    """Print each setting as ``name = value`` with its source, and no secret."""
    settings = load_settings()
    file = configuration_folder() / "tracker.toml"
    written = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    lines = []
    for path, name, value in _list_settings(settings):
        lines.append((f"{name} = {value}", _find_source(path, written)))
    width = max(len(setting) for setting, _ in lines)
    for setting, source in lines:
        sys.stdout.write(f"{setting:<{width}}  # {source}\n")
    missing = "" if file.is_file() else " (which does not exist)"
    sys.stdout.write(f"\ntracker.toml is {file}{missing}\n")


_Listed = Iterator[tuple[list[str], str, str]]


def _list_settings(part: BaseModel, parents: tuple[str, ...] = ()) -> _Listed:
    """Path, name, and value of each setting; the settings of a table in place of the table."""
    for key, value in part:
        yield from _list_setting((*parents, key), value)


def _list_setting(path: tuple[str, ...], value: Any) -> _Listed:  # noqa: ANN401 - of any type
    name = ".".join(path)
    if isinstance(value, BaseModel):
        yield from _list_settings(value, path)
    elif isinstance(value, dict) and _holds_tables(value.values()):
        for association, own in value.items():
            yield from _list_given(own, (*path, association))
    elif isinstance(value, tuple) and _holds_tables(value):
        for number, item in enumerate(value, 1):
            fields = ", ".join(f"{field} {text}" for field, text in item)
            yield [*path], f"{name}[{number}]", fields
    else:
        yield [*path], name, _format_value(value)


def _holds_tables(items: Iterable[Any]) -> bool:
    return any(isinstance(item, BaseModel) for item in items)


def _list_given(part: BaseModel, parents: tuple[str, ...]) -> _Listed:
    """Path, name, and value of each setting that an association has of its own."""
    for key in sorted(part.model_fields_set):
        value, path = getattr(part, key), (*parents, key)
        if isinstance(value, BaseModel):
            yield from _list_given(value, path)
        else:
            yield from _list_setting(path, value)


def _format_value(value: Any) -> str:  # noqa: ANN401 - a setting can have any type
    if isinstance(value, SecretStr):
        return format_url(value.get_secret_value())
    if isinstance(value, dict):
        return ", ".join(f"{key} {text}" for key, text in value.items()) or "none"
    if isinstance(value, tuple) and value:
        return ", ".join(map(str, value))
    if value == ():
        return "none"
    return str(value)


def _find_source(path: list[str], written: dict[str, Any]) -> str:
    """The environment variable, ``tracker.toml``, or ``default``."""
    variable = find_variable(path)
    if variable is not None and _is_in_variable(path, variable):
        return variable
    return "tracker.toml" if _is_in(path, written) else "default"


def _is_in_variable(path: list[str], variable: str) -> bool:
    """Whether a variable that holds a setting, or a table as JSON, has the setting at ``path``.

    A table is merged with that of the file.
    """
    steps = len(variable.removeprefix(ENVIRONMENT_PREFIX).split("__"))
    return steps == len(path) or _is_in(path[steps:], json.loads(os.environ[variable]))


def _is_in(path: list[str], part: Any) -> bool:  # noqa: ANN401 - of a file, or of JSON
    for step in path:
        if not isinstance(part, dict) or step not in part:
            return False
        part = part[step]
    return True


def migrate_database() -> None:
    """Migrate, and print from which version to which. A second run changes nothing.

    Raises MasterKeyError if the master key is missing or wrong while the database needs it.
    """
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    shown = format_url(url)
    if shown == HIDDEN:
        shown = "The database"
    if file := find_sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    # Before anything is written: another program's tables are refused here.
    before = schema_version(url)
    if before is not None:
        refuse_newer_schema(before)
    if before == newest_version():
        _prepare_keys(settings)
        sys.stdout.write(f"{shown} already has schema {before}. Nothing to do.\n")
        return
    if not settings.installation_key.is_there and settings.installation_key.file is None:
        settings.installation_key.create()
    migrate(url)
    _prepare_keys(settings)
    source = f"from schema {before}" if before else "from an empty database"
    sys.stdout.write(f"{shown} was migrated {source} to schema {newest_version()}.\n")


def _prepare_keys(settings: Settings) -> None:
    """Make the keys, and say where a new master key is."""
    key = settings.installation_key
    was_there = key.is_there
    with open_database(settings) as engine, writing(engine) as session:
        prepare_keys(session)
    if not was_there:
        sys.stdout.write(
            f"{key.place} was created: the master key. Keep a copy of it, but not with the "
            "backups of the database.\n"
        )


def create_token(association: str, name: str, scopes: Sequence[str], expires: date | None) -> None:
    """Create a token and print it, the only time it can be read. ``expires`` is its last day."""
    unknown = [scope for scope in scopes if scope not in api_tokens.SCOPES]
    if unknown or not scopes:
        problem = f"There is no scope {unknown[0]!r}." if unknown else "Name at least one scope."
        raise UnknownName(f"{problem} The scopes are {', '.join(api_tokens.SCOPES)}.")
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_TOKEN_NAME:
        raise UnknownName(
            f"The name says which program it is for, in 1 to {_LONGEST_TOKEN_NAME} characters."
        )
    with open_app() as tracker:
        tracker.check_association(association)
        expires_at = None
        if expires is not None:
            zone = ZoneInfo(tracker.rulebooks.associations[association].time_zone)
            expires_at = datetime.combine(expires + timedelta(days=1), time(), zone)
            if expires_at <= clock.now():
                raise typer.BadParameter(f"--expires: {expires} is over already")
        with writing(tracker.engine) as session:
            token_id, secret = api_tokens.create_token(
                session,
                association=association,
                name=name,
                scopes=scopes,
                now=clock.now(),
                expires_at=expires_at,
            )
    sys.stderr.write(f"Token {token_id} of {association} for {name}. It is shown only this once:\n")
    sys.stdout.write(f"{secret}\n")


def list_tokens(*, as_json: bool) -> None:
    """List the tokens. None of them can be read again."""
    with open_app() as tracker, reading(tracker.engine) as session:
        tokens = api_tokens.list_tokens(session)
    if as_json:
        print_json_list(map(_token_to_json, tokens))
        return
    if not tokens:
        Console().print("There are no tokens. Create one with `tracker token make`.")
        return
    table = Table("ID", "Association", "For", "Scopes", "Created", "Last used", "State")
    for token in tokens:
        table.add_row(
            str(token.id),
            token.association,
            escape(token.name),
            token.scopes.replace(" ", "\n"),
            token.created_at.date().isoformat(),
            token.last_used_on.isoformat() if token.last_used_on else "never",
            api_tokens.state_of(token, clock.now()),
        )
    Console().print(table)


def _token_to_json(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "association": token.association,
        "name": token.name,
        "scopes": token.scopes.split(),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_on": token.last_used_on,
        "state": api_tokens.state_of(token, clock.now()),
    }


def revoke_token(token_id: int) -> None:
    """Revoke a token at once."""
    with open_app() as tracker, writing(tracker.engine) as session:
        if not api_tokens.revoke_token(session, token_id, clock.now()):
            raise UnknownName(f"There is no token {token_id}. `tracker token list` lists them.")
    sys.stdout.write(f"Token {token_id} is revoked.\n")


def end_all_sessions(*, calendars: bool, tokens: bool, badges: bool, lost_key: bool) -> None:
    """Sign everyone out, void all codes and links, and print how many of each."""
    with open_app() as tracker, writing(tracker.engine) as session:
        ended = revoke_all_access(
            session,
            "tracker sessions",
            clock.now(),
            calendars=calendars,
            tokens=tokens,
            may_be_lost=lost_key,
        )
        keys = delete_badge_keys(session) if badges else 0
    sys.stdout.write(f"Signed-in browsers ended: {ended.sessions}\n")
    sys.stdout.write(f"Sign-in codes voided: {ended.codes}\n")
    if calendars:
        sys.stdout.write(f"Calendar addresses revoked: {ended.calendars}\n")
    if tokens:
        sys.stdout.write(f"API tokens revoked: {ended.tokens}\n")
    if badges:
        sys.stdout.write(f"Keys of badges deleted: {keys}\n")
    sys.stdout.write(f"{_LINKS_VOIDED}\n")
    if ended.lost_messages is not None:
        sys.stdout.write(f"{_format_lost(ended.lost_messages)}\n")


def _format_lost(messages: int) -> str:
    return (
        "The master key was missing, or not the one of this database. From now on the present one "
        f"is used. Emails that waited and can't be decrypted without the other one: {messages}. "
        "They are marked as failed; `tracker outbox` lists them."
    )


def end_sessions(email: str) -> None:
    """Sign one person out everywhere, void their codes, and print how many of each."""
    with open_app() as tracker, writing(tracker.engine) as session:
        address = normalize_email(email)
        ended = sign_out_everywhere(session, address, "tracker sessions", clock.now())
    if ended is None:
        raise UnknownName(f"Nobody has the address {email}, and nobody is signed in with it.")
    sys.stdout.write(f"Signed-in browsers ended: {ended[0]}\n")
    sys.stdout.write(f"Sign-in codes voided: {ended[1]}\n")


def backup(folder: Path) -> None:
    """Make a backup and print where it is; also of an older schema, before it is migrated."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    made = make_backup(url, settings.evidence_folder, folder, clock.now())
    sys.stdout.write(f"{made.path}: schema {made.schema}, uploaded files: {made.files}\n")
    if made.missing:
        sys.stdout.write(
            f"Files missing or damaged in the evidence folder: {len(made.missing)}. "
            "Run `tracker check` for details; an older backup may have them.\n"
        )


def restore(folder: Path, *, end_sessions: bool) -> None:
    """Restore a backup and print what was restored, what was revoked, and what is left to do."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    restored = restore_backup(
        folder,
        url,
        settings.evidence_folder,
        clock.now(),
        revoke_access=end_sessions,
        master_key=settings.installation_key,
    )
    note, revoked = restored.note, restored.revoked
    lines = [f"Restored as of {note.begun_at}, with {note.files} uploaded files."]
    if note.schema != newest_version():
        lines.append(f"The schema was migrated from {note.schema} to {newest_version()}.")
    if revoked is None:
        lines.append(
            "Every session, sign-in code, calendar address and API token of that time works "
            "again: `tracker sessions end-all` ends them."
        )
    else:
        lines.append(
            f"Browser sessions ended: {revoked.sessions}, sign-in codes voided: {revoked.codes}. "
            "Everyone signs in again."
        )
        lines.append(_LINKS_VOIDED)
        if revoked.lost_messages is not None:
            lines += [_format_lost(revoked.lost_messages), _RIGHT_KEY]
        lines.append(
            "Calendar addresses and API tokens of that time work again: "
            "`tracker sessions end-all --calendars --tokens` ends them."
        )
    if restored.missing:
        lines.append(f"Files missing or damaged: {len(restored.missing)} (see `tracker check`).")
    sys.stdout.write("\n".join(lines) + "\n")
