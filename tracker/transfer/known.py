"""What the database already knows of the people in the files."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK, rows_where
from tracker.transfer.layouts import OF_ENDORSEMENT
from tracker.transfer.reading import Reading

_PERSON = METADATA.tables["person"]
_ENDORSEMENT = METADATA.tables["endorsement"]
# Whose endorsement at which association in which category.
Held = tuple[str, str, str]
# A stored endorsement: its person's id, association, category, first day.
Term = tuple[int, str, str, date | None]


@dataclass
class Known:
    """Ids by address; and by endorsement the first days of its terms, with their last days."""

    person_ids: dict[str, int] = field(default_factory=dict)
    terms: dict[Held, dict[date, date | None]] = field(default_factory=dict)


def look_up(connection: Connection, reading: Reading) -> Known:
    """Look up everyone whom the files name, and the terms of those whose terms matter."""
    known = Known(person_ids(connection, _everyone(reading)))
    about_terms = ("endorsements", "applications", *OF_ENDORSEMENT)
    concerned = {row.email for kind in about_terms for row in reading.rows.get(kind, ())}
    by_id = {known.person_ids[email]: email for email in concerned & known.person_ids.keys()}
    for row in rows_where(connection, _ENDORSEMENT, "person_id", by_id):
        held = (by_id[row["person_id"]], row["association"], row["category"])
        known.terms.setdefault(held, {})[row["starts_on"]] = row["ends_on"]
    return known


def person_ids(connection: Connection, emails: Iterable[str]) -> dict[str, int]:
    """The ids of those of the addresses (lower case) that are known."""
    found = dict[str, int]()
    for chunk in in_chunks(emails, CHUNK):
        query = select(_PERSON.c.email, _PERSON.c.id).where(_PERSON.c.email.in_(chunk))
        found.update((row.email, row.id) for row in connection.execute(query))
    return found


def _everyone(reading: Reading) -> set[str]:
    emails = {row.email for rows in reading.rows.values() for row in rows}
    positions = reading.rows.get("positions", ())
    emails.update(filter(None, (row.values.get("supervisor_email") for row in positions)))
    emails.update(row.email for row in reading.entries)
    emails.update(row.provider_email for row in reading.entries if row.provider_email)
    emails.update(email for _, _, _, email in reading.mentioned)
    return emails


def endorsement_ids(connection: Connection, person_ids: Collection[int]) -> dict[Term, int]:
    """The ids of people's endorsements, by person, association, category and first day."""
    return {
        (row["person_id"], row["association"], row["category"], row["starts_on"]): row["id"]
        for row in rows_where(connection, _ENDORSEMENT, "person_id", person_ids)
    }
