"""The rest of what is stored of a person, as JSON: what no file of an import tells of.

Addresses of other people are left out, wherever they stand, but for those that the person typed.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, or_, select

from tracker.records.schema.tables import METADATA

_T = METADATA.tables
# Secrets, and what only makes a form be saved once.
_SECRET = {"token_hash", "code_hash", "nonce", "form_key", "stored_as", "dedupe_key", "person_id"}
_OWN = (
    "membership",
    "web_session",
    "calendar_feed",
    "mail_off",
    "imported_row",
    "evidence",
)
_OF_ENDORSEMENT = ("waiver", "renewal", "standing", "time_request")
_ADDRESS = re.compile(r"[^\s@<>\"',;:]+@[^\s@<>\"',;:]+")
_LEFT_OUT = "(somebody else)"
_AUDIT = _T["audit_event"]


def own_records(connection: Connection, person_id: int, typed: Collection[str]) -> dict[str, Any]:
    """Rows by table; ``typed`` are the addresses that may stand in them, in lower case."""
    person = _T["person"]
    mine = {name: _ids(connection, name, person_id) for name in ("endorsement", "application")}
    found = {"person": _rows(connection, person, person.c.id == person_id)}
    found |= {n: _rows(connection, _T[n], _T[n].c.person_id == person_id) for n in _OWN}
    for name in _OF_ENDORSEMENT:
        table = _T[name]
        found[name] = _rows(connection, table, table.c.endorsement_id.in_(mine["endorsement"]))
    notice = _T["notice"]
    about = [notice.c[f"{n}_id"].in_(ids) for n, ids in mine.items()]
    found["notice"] = _rows(connection, notice, or_(*about))
    found["mail"] = _mails(connection, person_id)
    found["group_session"] = _sessions(connection, person_id)
    found["history"] = [*_history(connection, person_id, mine)]
    scrubbed: dict[str, Any] = _scrub(json.loads(json.dumps(found, default=_iso)), typed)
    return scrubbed


def _ids(connection: Connection, name: str, person_id: int) -> list[int]:
    table = _T[name]
    return list(connection.scalars(select(table.c.id).where(table.c.person_id == person_id)))


def _rows(connection: Connection, table: Table, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    query = select(table).where(where).order_by(*table.primary_key)
    return [_told(row) for row in connection.execute(query).mappings()]


def _told(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SECRET}


def _mails(connection: Connection, person_id: int) -> list[dict[str, Any]]:
    """What was sent; the texts stay out, for a mail to sign in with holds a key."""
    outbox = _T["outbox"]
    names = ("kind", "association", "recipient", "subject", "state", "created_at", "finished_at")
    query = select(*(outbox.c[name] for name in names)).where(outbox.c.person_id == person_id)
    return [dict(row) for row in connection.execute(query.order_by(outbox.c.id)).mappings()]


def _sessions(connection: Connection, person_id: int) -> list[dict[str, Any]]:
    """Group sessions: those that the person gave, and the own part in those of others."""
    given, member = _T["group_session"], _T["group_member"]
    gave = _rows(connection, given, given.c.provider_id == person_id)
    took = _rows(connection, member, member.c.person_id == person_id)
    return [*gave, *took]


def _history(
    connection: Connection, person_id: int, mine: Mapping[str, list[int]]
) -> Iterator[dict[str, Any]]:
    """Who changed what of the person's, from what to what; also what is no longer there."""
    ids = {
        "person": [person_id],
        "calendar_feed": [person_id],
        **mine,
        **{
            n: _ids(connection, n, person_id) for n in ("entry", "membership", "degree", "position")
        },
    }
    own = [(_AUDIT.c.table_name == n) & _AUDIT.c.row_id.in_(each) for n, each in ids.items()]
    # A deleted row is found by the person whom it tells of; the text is looked at again below.
    named = [_AUDIT.c.before.contains(f'"person_id": {person_id}')]
    query = select(_AUDIT).where(or_(*own, *named)).order_by(_AUDIT.c.id)
    for row in connection.execute(query).mappings():
        before, after = (json.loads(row[n]) if row[n] else None for n in ("before", "after"))
        told = (before or {}).get("person_id", (after or {}).get("person_id", person_id))
        if told == person_id:
            yield {**_told(row), "before": before, "after": after}


def _scrub(value: Any, typed: Collection[str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _scrub(each, typed) for name, each in value.items()}
    if isinstance(value, list):
        return [_scrub(each, typed) for each in value]
    if not isinstance(value, str):
        return value
    return _ADDRESS.sub(lambda m: m[0] if m[0].lower() in typed else _LEFT_OUT, value)


def _iso(value: object) -> str:
    if isinstance(value, date):  # an instant is a date too
        return value.isoformat()
    message = f"this cannot be told in JSON: {value!r}"
    raise TypeError(message)
