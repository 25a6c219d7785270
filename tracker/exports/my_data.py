"""A person's own rows in the layouts that an import reads, so that they can be taken in elsewhere.

No cell holds an address of somebody else, but for those that the person typed: a provider is told
by name, and of a reference only whom the person asked.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import ColumnElement, RowMapping, Select, Table, or_, select
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.formatting import format_hours
from tracker.importer.csv_schemas import LAYOUTS, OF_ENDORSEMENT
from tracker.importer.rows import reference_key
from tracker.importer.upserts import TARGETS
from tracker.rules.explain import LoggedEntry
from tracker.rules.providers import Credential, Provider
from tracker.services.entries import list_entries
from tracker.services.rsc_providers import load_providers
from tracker.spreadsheet_csv import csv_lines

_T = METADATA.tables
_PERSON, _ENDORSEMENT, _APPLICATION = _T["person"], _T["endorsement"], _T["application"]
_IMPORTED = _T["imported_row"]
# What only the referee says, or another's address: not told here.
_UNTOLD = {
    "references": {
        "received_on",
        "relationship",
        "signed_as",
        "role_confirmed",
        "endorsed_by",
        "endorsed_as",
        "vetted",
    },
    "positions": {"supervisor_email"},
    "entries": {"provider_email"},
}
_NAMES = {"referee_email": "email", "referee_name": "name"}
Row = Mapping[str, Any]
Of = Callable[[Session, int], Iterator[Row]]


def export_csv(session: Session, kind: str, person_id: int, email: str) -> Iterator[bytes]:
    """One file, line by line; the columns that are not told are left out."""
    columns = [c for c in LAYOUTS[kind].columns if c not in _UNTOLD.get(kind, ())]
    rows = _entries(session, person_id) if kind == "entries" else _rows(session, kind, person_id)
    told = ([_cell({**row, "email": email}.get(c)) for c in columns] for row in rows)
    return csv_lines(columns, told)


def _rows(session: Session, kind: str, person_id: int) -> Iterator[Row]:
    for row in session.connection().execute(_query(kind, person_id)).mappings():
        yield {**row, **_renamed(kind, row)}


def _renamed(kind: str, row: RowMapping) -> Row:
    if kind != "references":
        return {}
    return {column: row[f"reference_{name}"] for column, name in _NAMES.items()}


def _query(kind: str, person_id: int) -> Select[Any]:
    if kind == "people":
        return select(_PERSON).where(_PERSON.c.id == person_id)
    if kind in OF_ENDORSEMENT:
        since = _ENDORSEMENT.c.starts_on.label("endorsed_on")
        return _of(_T[TARGETS[kind].table], _ENDORSEMENT, person_id).add_columns(since)
    if kind in ("attestations", "exams"):
        table = _T["attestation" if kind == "attestations" else "exam_result"]
        return _of(table, _APPLICATION, person_id)
    if kind == "references":
        return _references(person_id)
    table = _T[kind.removesuffix("s") if kind != "vetting" else kind]
    return select(table).where(table.c.person_id == person_id).order_by(table.c.id)


def _of(table: Any, whole: Any, person_id: int) -> Select[Any]:  # noqa: ANN401 - two tables
    """The rows of a table that belongs to an endorsement or application, with its names."""
    own: ColumnElement[bool] = whole.c.person_id == person_id
    columns = [whole.c.association, whole.c.category, *table.c]
    return select(*columns).join_from(table, whole).where(own).order_by(table.c.id)


def _references(person_id: int) -> Select[Any]:
    table = _T["reference"]
    return (
        select(
            _APPLICATION.c.association,
            _APPLICATION.c.category,
            table.c.role,
            table.c.email.label("reference_email"),
            table.c.name.label("reference_name"),
        )
        .join_from(table, _APPLICATION)
        .where(_APPLICATION.c.person_id == person_id)
        .order_by(table.c.id)
    )


def _entries(session: Session, person_id: int) -> Iterator[Row]:
    entries = sorted(
        list_entries(session, person_id, date.min, date.max), key=lambda e: (e.held_on, e.id)
    )
    known = load_providers(session, {e.provider_id for e in entries if e.provider_id})
    unique = _known_by_reference(session, person_id, entries)
    for entry in entries:
        provider = known[entry.provider_id].name if entry.provider_id else entry.provider_name
        column = "reference" if entry.id in unique else "shared_reference"
        yield {**_entry(entry, provider), column: entry.reference}


def _known_by_reference(
    session: Session, person_id: int, entries: Collection[LoggedEntry]
) -> set[int]:
    """The ids of the entries that an import may know by their reference.

    Not where several have the same, as people may type it; nor where an import has taken that
    reference for another entry, which a row with it would change, or for one that was deleted.
    """
    query = select(_IMPORTED.c.key, _IMPORTED.c.entry_id).where(_IMPORTED.c.person_id == person_id)
    remembered = {row.key: row.entry_id for row in session.connection().execute(query)}
    times = Counter(entry.reference for entry in entries)
    return {
        entry.id
        for entry in entries
        if times[entry.reference] == 1
        and remembered.get(reference_key(entry.reference), entry.id) == entry.id
    }


def _entry(entry: LoggedEntry, provider: str | None) -> Row:
    return {
        "activity": entry.activity,
        "date": entry.held_on,
        "hours": format_hours(entry.minutes),
        "title": entry.title,
        "topics": "; ".join(f"{t}:{format_hours(m)}" for t, m in sorted(entry.topics.items())),
        "provider_name": provider,
        "format": entry.format,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)


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


def own_records(session: Session, person_id: int, typed: Collection[str]) -> dict[str, Any]:
    """Rows by table; ``typed`` are the addresses that may stand in them, in lower case."""
    person = _T["person"]
    mine = {name: _ids(session, name, person_id) for name in ("endorsement", "application")}
    found = {"person": _rows_own_records(session, person, person.c.id == person_id)}
    found |= {n: _rows_own_records(session, _T[n], _T[n].c.person_id == person_id) for n in _OWN}
    for name in _OF_ENDORSEMENT:
        table = _T[name]
        found[name] = _rows_own_records(
            session, table, table.c.endorsement_id.in_(mine["endorsement"])
        )
    notice = _T["notice"]
    about = [notice.c[f"{n}_id"].in_(ids) for n, ids in mine.items()]
    found["notice"] = _rows_own_records(session, notice, or_(*about))
    found["mail"] = _mails(session, person_id)
    found["group_session"] = _sessions(session, person_id)
    found["history"] = [*_history(session, person_id, mine)]
    scrubbed: dict[str, Any] = _scrub(json.loads(json.dumps(found, default=_iso)), typed)
    return scrubbed


def _ids(session: Session, name: str, person_id: int) -> list[int]:
    table = _T[name]
    return list(session.scalars(select(table.c.id).where(table.c.person_id == person_id)))


def _rows_own_records(
    session: Session, table: Table, where: ColumnElement[bool]
) -> list[dict[str, Any]]:
    query = select(table).where(where).order_by(*table.primary_key)
    return [_told(row) for row in session.connection().execute(query).mappings()]


def _told(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SECRET}


def _mails(session: Session, person_id: int) -> list[dict[str, Any]]:
    """What was sent; the texts stay out, for a mail to sign in with holds a key."""
    outbox = _T["outbox"]
    names = ("kind", "association", "recipient", "subject", "state", "created_at", "finished_at")
    query = select(*(outbox.c[name] for name in names)).where(outbox.c.person_id == person_id)
    return [
        dict(row) for row in session.connection().execute(query.order_by(outbox.c.id)).mappings()
    ]


def _sessions(session: Session, person_id: int) -> list[dict[str, Any]]:
    """Group sessions: those that the person gave, and the own part in those of others."""
    given, member = _T["group_session"], _T["group_member"]
    gave = _rows_own_records(session, given, given.c.provider_id == person_id)
    took = _rows_own_records(session, member, member.c.person_id == person_id)
    return [*gave, *took]


def _history(
    session: Session, person_id: int, mine: Mapping[str, list[int]]
) -> Iterator[dict[str, Any]]:
    """Who changed what of the person's, from what to what; also what is no longer there."""
    ids = {
        "person": [person_id],
        "calendar_feed": [person_id],
        **mine,
        **{n: _ids(session, n, person_id) for n in ("entry", "membership", "degree", "position")},
    }
    own = [(_AUDIT.c.table_name == n) & _AUDIT.c.row_id.in_(each) for n, each in ids.items()]
    # A deleted row is found by the person whom it tells of; the text is looked at again below.
    named = [_AUDIT.c.before.contains(f'"person_id": {person_id}')]
    query = select(_AUDIT).where(or_(*own, *named)).order_by(_AUDIT.c.id)
    for row in session.connection().execute(query).mappings():
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


COLUMNS = ("provider_name", "association", "held", "starts_on", "ends_on")
_VETTED = "vetted"


def providers_csv(session: Session, person_id: int) -> Iterator[bytes]:
    """One row for each endorsement or vetting of a provider that held on such a day.

    Both ends are included; without an end the last cell is empty.
    """
    days: defaultdict[int, set[date]] = defaultdict(set)
    for entry in list_entries(session, person_id, date.min, date.max):
        if entry.provider_id:
            days[entry.provider_id].add(entry.held_on)
    known = load_providers(session, set(days))
    rows = {row for one, on in days.items() for row in _rows_provider_rows(known[one], on)}
    return csv_lines(COLUMNS, sorted(rows))


def _rows_provider_rows(provider: Provider, days: set[date]) -> Iterator[tuple[str, ...]]:
    for held in provider.credentials:
        if any(_holds(held, day) for day in days):
            ends = held.ends_on.isoformat() if held.ends_on else ""
            what = held.category or _VETTED
            yield provider.name, held.association, what, held.starts_on.isoformat(), ends


def _holds(held: Credential, day: date) -> bool:
    return held.starts_on <= day <= (held.ends_on or date.max)


_PERSON_MY_DATA = METADATA.tables["person"]
_REFERENCE = METADATA.tables["reference"]
_APPLICATION_MY_DATA = METADATA.tables["application"]
# Readable by its owner alone, once unpacked.
_MODE = 0o600 << 16
_CHUNK = 64 * 1024
# A stored file: the name that it gets in the archive, and how to open its bytes.
Evidence = Iterable[tuple[str, Callable[[], IO[bytes]]]]

_README = """\
This is all that is stored about {name} ({email}), as of {at}.

import/   Tables that any spreadsheet opens, in the layout that `tracker import` reads, so that
          another association can take them in: leave, waivers and later due dates come along.
          Providers stand there by name: a coordinator confirms who that is, and then those
          sessions count again. Whoever takes the files in may write the providers' addresses
          into a column provider_email instead. Of references
          there is only whom you asked: what they wrote is for the association alone. A cell that
          begins with an apostrophe and = + - or @ is written so that no spreadsheet calculates
          with it; the import leaves the apostrophe out. A reference that several of your sessions
          have stands in the column shared_reference. Where it is all stored already, an
          import of it changes nothing.
providers.csv
          What your providers held on the days of your sessions, as Why shows it: for whoever
          confirms who they are. No import reads it, so until then your standing elsewhere lacks
          those sessions: a name is nobody for sure, the address that would be is the provider's
          to give, and each association looks itself whom it accepts.
other.json
          The rest: standings, notices and mail that you got, requests, browsers in which you are
          signed in, and who changed what and when. Keys and addresses of other people are left
          out.
evidence/ The files that you added to your entries, under the names that you gave them and the
          number of the entry.

Keep it where only you can read it.
"""


def write_my_data(
    session: Session, person_id: int, target: IO[bytes], at: datetime, evidence: Evidence = ()
) -> None:
    """Write the archive into ``target``, file by file; the same data gives the same bytes."""
    whose = _PERSON_MY_DATA.c.id == person_id
    person = session.connection().execute(select(_PERSON_MY_DATA).where(whose)).mappings().one()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        words = _README.format(name=person["name"], email=person["email"], at=f"{at:%Y-%m-%d}")
        _add(archive, "README.txt", at, [words.encode()])
        for kind in LAYOUTS:
            lines = export_csv(session, kind, person_id, person["email"])
            _add(archive, f"import/{kind}.csv", at, lines)
        _add(archive, "providers.csv", at, providers_csv(session, person_id))
        rest = own_records(session, person_id, _typed(session, person_id))
        text = json.dumps(rest, ensure_ascii=False, indent=1, sort_keys=True)
        _add(archive, "other.json", at, [text.encode()])
        for name, opened in evidence:
            _add(archive, f"evidence/{name}", at, _pieces(opened), packed=False)


def _typed(session: Session, person_id: int) -> set[str]:
    """The addresses that a person typed: the own ones, and those of referees."""
    own = select(_PERSON_MY_DATA.c.email, _PERSON_MY_DATA.c.second_email).where(
        _PERSON_MY_DATA.c.id == person_id
    )
    mine = {each.lower() for each in session.connection().execute(own).one() if each}
    asked = (
        select(_REFERENCE.c.email)
        .join_from(_REFERENCE, _APPLICATION_MY_DATA)
        .where(_APPLICATION_MY_DATA.c.person_id == person_id)
    )
    return mine | {each.lower() for each in session.scalars(asked)}


def _add(
    archive: ZipFile, name: str, at: datetime, pieces: Iterable[bytes], *, packed: bool = True
) -> None:
    """Put a file into the archive, piece by piece."""
    about = ZipInfo(name, at.timetuple()[:6])
    about.compress_type = ZIP_DEFLATED if packed else ZIP_STORED
    about.external_attr = _MODE
    with archive.open(about, "w", force_zip64=True) as file:
        for piece in pieces:
            file.write(piece)


def _pieces(opened: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    with opened() as file:
        while piece := file.read(_CHUNK):
            yield piece
