"""To which application references, attestations and exams belong, and what is stored of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from tracker.clock import local_day
from tracker.records.applying.applications import Applied
from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.applied import Applications, held_of
from tracker.transfer.bulk import CHUNK
from tracker.transfer.catalogue import Catalogue
from tracker.transfer.layouts import OF_APPLICATION
from tracker.transfer.reading import Reading
from tracker.transfer.reference_events import Withdrawn, answered_by_link, withdrawn
from tracker.transfer.rows import Row
from tracker.transfer.upserts import TARGETS

# The day of each kind of row, in the file; a reference that has not come has none.
DAYS = {"references": "received_on", "attestations": "signed_on", "exams": "taken_on"}
# Kind, application, and what the row is about: referee, what was signed, or the exam's day.
_Place = tuple[str, int, Any]


@dataclass
class Belongings:
    """What is stored with applications, each with its day at the association.

    ``answered`` are the references that came by the link; ``withdrawn`` those that applicants
    removed.
    """

    applications: Applications
    stored: dict[_Place, RowMapping] = field(default_factory=dict)
    days: dict[_Place, date | None] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    withdrawn: set[Withdrawn] = field(default_factory=set)

    def application(self, kind: str, row: Row) -> Applied | None:
        """The application that a row belongs to; None if none was open on the row's day.

        It stays with the one that holds it already. Else it is the newest one, or before
        that was opened the newest that was undecided on that day (both ends included).
        """
        own = self._own(row)
        day = row.values.get(DAYS[kind])
        if day is None or not own:
            return own[0] if own else None
        newest, *earlier = own
        for each in (newest, *earlier):
            ended = each is not newest and each.decided_on is not None and each.decided_on < day
            if self.days.get((kind, each.id, row.key[-1])) == day and not ended:
                return each
        open_by_then = (each for each in earlier if _is_open(each, day))
        return newest if day >= newest.opened_on else next(open_by_then, None)

    def is_settled(self, kind: str, row: Row) -> bool:
        """Whether a row says nothing new of a reference that is done with, so that it stays so.

        The referee answered by the link, or answered or declined for an earlier application;
        or the applicant has removed this referee.
        """
        if kind != "references":
            return False
        stored = self.reference(row)
        if stored is not None:
            return stored["id"] in self.answered
        if row.values.get("received_on"):
            return False
        names = row.values["referee_email"], row.values["referee_name"], row.values["role"]
        return any(
            Withdrawn(each.id, *names) in self.withdrawn or self._has_answered(each, row)
            for each in self._own(row)
        )

    def reference(self, row: Row) -> RowMapping | None:
        """The stored reference that a row of references.csv changes; None if it is new."""
        applied = self.application("references", row)
        return self.stored.get(("references", applied.id if applied else 0, row.key[-1]))

    def days_that_fit(self, row: Row) -> str:
        """On which days something may have been signed, taken or received, in words."""
        newest, *earlier = self._own(row)
        spans = [f"from {each.opened_on} to {each.decided_on}" for each in reversed(earlier)]
        return " or ".join([*spans, f"on {newest.opened_on} or later"])

    def _own(self, row: Row) -> list[Applied]:
        """The person's applications for the association and category, the newest first."""
        own = self.applications.after.get(held_of(row), {})
        return [own[day] for day in sorted(own, reverse=True)]

    def _has_answered(self, applied: Applied, row: Row) -> bool:
        stored = self.stored.get(("references", applied.id, row.key[-1]))
        return stored is not None and (stored["received_at"] or stored["declined_at"]) is not None


def _is_open(applied: Applied, day: date) -> bool:
    return applied.opened_on <= day <= (applied.decided_on or date.max)


def look_up_belongings(
    connection: Connection, reading: Reading, applications: Applications, catalogue: Catalogue
) -> Belongings:
    """What is stored with the applications of everyone whom the files' rows are about.

    On PostgreSQL it stays locked: who answers on a page meanwhile waits, so nothing is lost.
    """
    found = Belongings(applications)
    for kind in OF_APPLICATION:
        rows = reading.rows.get(kind, ())
        own = _stored_of(applications, rows)
        for row in _with_applications(connection, kind, own):
            applied = own[row["application_id"]]
            place = (kind, applied.id, row[TARGETS[kind].keys[1]])
            found.stored[place] = row
            found.days[place] = _day_of(row, catalogue.zones.get(applied.association, "UTC"))
        if kind == "references" and own:
            references = [row for place, row in found.stored.items() if place[0] == kind]
            found.answered = answered_by_link(connection, references)
            found.withdrawn = withdrawn(connection, own.keys())
    return found


def _stored_of(applications: Applications, rows: Iterable[Row]) -> dict[int, Applied]:
    held = {held_of(row) for row in rows}
    return {each.id: each for h in held for each in applications.stored.get(h, {}).values()}


def _with_applications(
    connection: Connection, kind: str, application_ids: Iterable[int]
) -> Iterator[RowMapping]:
    table = METADATA.tables[TARGETS[kind].table]
    for chunk in in_chunks(sorted(application_ids), CHUNK):
        query = select(table).where(table.c.application_id.in_(chunk)).with_for_update()
        yield from connection.execute(query).mappings()


def _day_of(row: RowMapping, zone: str) -> date | None:
    if "received_at" in row:
        return local_day(row["received_at"], zone) if row["received_at"] else None
    day = row["signed_on"] if "signed_on" in row else row["taken_on"]
    return day if isinstance(day, date) else None
