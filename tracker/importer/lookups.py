"""Many rows at once: looking them up, giving them ids, updating them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, Table, and_, bindparam, select, text, update
from sqlmodel import Session

from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA
from tracker.importer.csv_schemas import OF_ENDORSEMENT
from tracker.importer.reader import Reading

# Far below the number of parameters that either database allows in one statement.
CHUNK = 1_000
_BATCH = 5_000
Values = Mapping[str, Any]


def rows_where(
    session: Session, table: Table, column: str, values: Collection[Any]
) -> Iterator[RowMapping]:
    """The table's rows whose ``column`` is among ``values``."""
    for chunk in in_chunks(values, CHUNK):
        yield from (
            session.connection().execute(select(table).where(table.c[column].in_(chunk))).mappings()
        )


def update_rows(
    session: Session,
    table: Table,
    keys: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Values],
) -> None:
    """Set ``columns`` in the rows that the columns ``keys`` name; the others stay."""
    same = and_(*(table.c[key] == bindparam(f"old_{key}") for key in keys))
    statement = update(table).where(same).values({each: bindparam(each) for each in columns})
    for batch in in_chunks(rows, _BATCH):
        named = [
            {**{f"old_{key}": row[key] for key in keys}, **{each: row[each] for each in columns}}
            for row in batch
        ]
        session.connection().execute(statement, named)


def refresh_statistics(session: Session, tables: Iterable[str]) -> None:
    """Tell PostgreSQL's planner of the rows that this transaction has added.

    What it learnt of empty tables (say, after an import that failed) makes it go through full
    ones row by row: the evaluation of a hundred thousand new entries then takes minutes.
    SQLite's planner keeps no such count.
    """
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(text(f"ANALYZE {', '.join(tables)}"))


def one_import_at_a_time(session: Session) -> None:
    """Wait until no other import is under way, until this transaction ends.

    Two imports of one file at once would both find that its rows are new. On SQLite the
    transaction's own lock does this already.
    """
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(
            text("SELECT pg_advisory_xact_lock(hashtext('tracker import'))")
        )


_PERSON = METADATA.tables["person"]
_ENDORSEMENT = METADATA.tables["endorsement"]
# Whose endorsement at which association in which category.
Held = tuple[str, str, str]
# A stored endorsement: its person's id, association, category, first day.
Term = tuple[int, str, str, date | None]


@dataclass
class KnownRecords:
    """Ids by address; and by endorsement the first days of its terms, with their last days."""

    person_ids: dict[str, int] = field(default_factory=dict)
    terms: dict[Held, dict[date, date | None]] = field(default_factory=dict)


def look_up(session: Session, reading: Reading) -> KnownRecords:
    """Look up everyone whom the files name, and the terms of those whose terms matter."""
    known = KnownRecords(person_ids(session, _everyone(reading)))
    about_terms = ("endorsements", "applications", *OF_ENDORSEMENT)
    concerned = {row.email for kind in about_terms for row in reading.rows.get(kind, ())}
    by_id = {known.person_ids[email]: email for email in concerned & known.person_ids.keys()}
    for row in rows_where(session, _ENDORSEMENT, "person_id", by_id):
        held = (by_id[row["person_id"]], row["association"], row["category"])
        known.terms.setdefault(held, {})[row["starts_on"]] = row["ends_on"]
    return known


def person_ids(session: Session, emails: Iterable[str]) -> dict[str, int]:
    """The ids of those of the addresses (lower case) that are known."""
    found = dict[str, int]()
    for chunk in in_chunks(emails, CHUNK):
        query = select(_PERSON.c.email, _PERSON.c.id).where(_PERSON.c.email.in_(chunk))
        found.update((row.email, row.id) for row in session.connection().execute(query))
    return found


def _everyone(reading: Reading) -> set[str]:
    emails = {row.email for rows in reading.rows.values() for row in rows}
    positions = reading.rows.get("positions", ())
    emails.update(filter(None, (row.values.get("supervisor_email") for row in positions)))
    emails.update(row.email for row in reading.entries)
    emails.update(row.provider_email for row in reading.entries if row.provider_email)
    emails.update(email for _, _, _, email in reading.mentioned)
    return emails


def endorsement_ids(session: Session, person_ids: Collection[int]) -> dict[Term, int]:
    """The ids of people's endorsements, by person, association, category and first day."""
    return {
        (row["person_id"], row["association"], row["category"], row["starts_on"]): row["id"]
        for row in rows_where(session, _ENDORSEMENT, "person_id", person_ids)
    }
