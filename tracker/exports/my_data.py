"""A person's own data: CSV files that another installation can import, and everything else.

No cell contains another person's address, except those that the person typed: a provider is named,
and of a reference only whom the person asked.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.log import ImportedRow
from tracker.db.people import Endorsement, Person
from tracker.exports.other_records import collect_other_records
from tracker.formatting import format_date
from tracker.importer.csv_row import CsvRow, format_cell
from tracker.importer.entry_plan import reference_key
from tracker.importer.schemas import (
    SCHEMAS,
    EntryRow,
    PersonRow,
    PositionRow,
    ReferenceRow,
)
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import list_entries
from tracker.services.rsc_providers import load_providers
from tracker.spreadsheet_csv import csv_lines

# What only the referee says, and other people's addresses.
_HIDDEN: dict[type[CsvRow], set[str]] = {
    ReferenceRow: {
        "received_on",
        "relationship",
        "signed_as",
        "role_confirmed",
        "endorsed_by",
        "endorsed_as",
        "vetted",
    },
    PositionRow: {"supervisor_email"},
    EntryRow: {"provider_email"},
}
_PROVIDER_COLUMNS = ("provider_name", "association", "held", "starts_on", "ends_on")
# Readable by its owner alone, once unpacked.
_MODE = 0o600 << 16
_CHUNK = 64 * 1024
# A file: its name in the archive, and where it is stored.
EvidenceFiles = Iterable[tuple[str, Path]]

_README = """\
Everything that is stored about {name} ({email}), as of {today}.

import/   CSV files, which any spreadsheet opens and `tracker import` reads, so that another
          association can import them. RSC providers are listed by name: a coordinator confirms
          who they are, and then those sessions count again. To save that step, the coordinator
          can add a column provider_email with the providers' addresses before the import.
          Of references there is only whom you asked: what they wrote is for the association.
          A cell that starts with an apostrophe and = + - or @ is written that way so that
          spreadsheets don't calculate with it; the import removes the apostrophe. If several of
          your sessions have the same reference, it is in the column shared_reference.
          Importing the files where this data came from changes nothing.
providers.csv
          The endorsements and vetting that your RSC providers had on the days of your sessions,
          for the coordinator who confirms them. It is not imported: each association decides
          itself which providers it accepts.
other.json
          Everything else: standings, the notices and emails that you got, requests, the browsers
          in which you are signed in, and who changed what and when. Keys and other people's
          addresses are left out.
evidence/ The files that you added to your entries. Each name starts with the number of the entry.

Keep this file where only you can read it.
"""


def write_my_data(
    session: Session,
    person_id: int,
    target: IO[bytes],
    now: datetime,
    evidence: EvidenceFiles = (),
) -> None:
    """Write a ZIP file into ``target``. The same data gives the same bytes."""
    person = session.exec(select(Person).where(Person.id == person_id)).one()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:

        def add(name: str, pieces: Iterable[bytes], compression: int = ZIP_DEFLATED) -> None:
            info = ZipInfo(name, now.timetuple()[:6])
            info.compress_type = compression
            info.external_attr = _MODE
            with archive.open(info, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)

        today = format_date(now.date())
        readme = _README.format(name=person.name, email=person.email, today=today)
        add("README.txt", [readme.encode()])
        for kind, schema in SCHEMAS.items():
            add(f"import/{kind}.csv", export_csv(session, schema, person))
        add("providers.csv", providers_csv(session, person_id))
        records = collect_other_records(session, person)
        text = json.dumps(records, ensure_ascii=False, indent=1, sort_keys=True)
        add("other.json", [text.encode()])
        for name, path in evidence:
            with path.open("rb") as file:
                add(f"evidence/{name}", iter(partial(file.read, _CHUNK), b""), ZIP_STORED)


def export_csv(session: Session, schema: type[CsvRow], person: Person) -> Iterator[bytes]:
    """A person's rows in the file that an import reads, line by line."""
    hidden = _HIDDEN.get(schema, set())
    columns = [column for column in schema.columns() if column not in hidden]
    lines = []
    if schema is EntryRow:
        rows = _list_entry_rows(session, person.id)
    else:
        rows = _list_rows(session, schema, person.id)
    for row in rows:
        row["email"] = person.email
        lines.append([format_cell(column, row.get(column)) for column in columns])
    return csv_lines(columns, lines)


def _list_rows(session: Session, schema: type[CsvRow], person_id: int) -> Iterator[dict[str, Any]]:
    """The rows of a file that is not about entries, by column, without the person's address."""
    model: Any = schema.table
    for owner in (Endorsement, Application):
        link = f"{owner.__tablename__}_id"
        if link in model.model_fields:
            own = (getattr(model, link) == owner.id) & (col(owner.person_id) == person_id)
            query = select(model, owner).where(own).order_by(model.id)
            for row, owned_by in session.exec(query):
                values = {**owned_by.model_dump(), **row.model_dump()}
                values["endorsed_on"] = getattr(owned_by, "starts_on", None)
                if schema is ReferenceRow:
                    values.update(referee_email=row.email, referee_name=row.name)
                yield values
            return
    own = model.id if schema is PersonRow else model.person_id
    for row in session.exec(select(model).where(own == person_id).order_by(model.id)):
        yield row.model_dump()


def _list_entry_rows(session: Session, person_id: int) -> Iterator[dict[str, Any]]:
    entries = list_entries(session, person_id, date.min, date.max)
    entries.sort(key=lambda entry: (entry.held_on, entry.id))
    providers = load_providers(session, {e.provider_id for e in entries if e.provider_id})
    with_own_reference = _find_own_references(session, person_id, entries)
    for entry in entries:
        known = providers.get(entry.provider_id) if entry.provider_id else None
        column = "reference" if entry.id in with_own_reference else "shared_reference"
        yield {
            "activity": entry.activity,
            "date": entry.held_on,
            "hours": entry.minutes,
            "title": entry.title,
            "topics": tuple(sorted(entry.topics.items())),
            "provider_name": known.name if known else entry.provider_name,
            "format": entry.format,
            column: entry.reference,
        }


def _find_own_references(
    session: Session, person_id: int, entries: Sequence[LoggedEntry]
) -> set[int]:
    """The ids of the entries that an import can recognize by their reference.

    Not if several entries have the same one. Nor if an import has used it for another entry,
    which a row with it would change, or for an entry that was deleted.
    """
    query = select(ImportedRow.key, ImportedRow.entry_id)
    imported = dict(session.exec(query.where(ImportedRow.person_id == person_id)).all())
    uses = Counter(entry.reference for entry in entries)
    own = set()
    for entry in entries:
        is_free = imported.get(reference_key(entry.reference), entry.id) == entry.id
        if uses[entry.reference] == 1 and is_free:
            own.add(entry.id)
    return own


def providers_csv(session: Session, person_id: int) -> Iterator[bytes]:
    """The endorsements and vetting that a person's providers held on the days of sessions.

    Both days are included; without an end the last cell is empty.
    """
    days = defaultdict[int, set[date]](set)
    for entry in list_entries(session, person_id, date.min, date.max):
        if entry.provider_id:
            days[entry.provider_id].add(entry.held_on)
    rows = set()
    for provider_id, provider in load_providers(session, set(days)).items():
        for held in provider.credentials:
            last = held.ends_on or date.max
            if any(held.starts_on <= day <= last for day in days[provider_id]):
                starts_on = held.starts_on.isoformat()
                ends_on = held.ends_on.isoformat() if held.ends_on else ""
                what = held.category or "vetted"
                rows.add((provider.name, held.association, what, starts_on, ends_on))
    return csv_lines(_PROVIDER_COLUMNS, sorted(rows))
