"""Applications: those of the files over those of the database."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, select

from tracker.records.applying.applications import Applied
from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK
from tracker.transfer.known import Held, Known
from tracker.transfer.layouts import OF_APPLICATION
from tracker.transfer.reading import Reading
from tracker.transfer.rows import Row

_PERSON = METADATA.tables["person"]
_APPLICATION = METADATA.tables["application"]
ByDay = dict[date, Applied]


@dataclass
class Applications:
    """Applications by whose they are and by the day of opening; those of the files over ``stored``.

    A new one has the id 0.
    """

    stored: dict[Held, ByDay] = field(default_factory=lambda: defaultdict(dict))
    after: dict[Held, ByDay] = field(default_factory=lambda: defaultdict(dict))

    def before(self, row: Row) -> Applied | None:
        """The application that a row of applications.csv changes; None if it is new."""
        return self.stored[held_of(row)].get(row.values["opened_on"])

    def became(self, row: Row) -> Applied:
        """What a row of applications.csv makes of the application."""
        return self.after[held_of(row)][row.values["opened_on"]]

    def newest(self, held: Held) -> Applied | None:
        """The application that was opened last; None if there is none."""
        own = self.after.get(held)
        return own[max(own)] if own else None


def held_of(row: Row) -> Held:
    """Whose application for what a row is about."""
    return (row.email, row.values["association"], row.values["category"])


def look_up_applications(connection: Connection, reading: Reading, known: Known) -> Applications:
    """The applications of everyone whose applications matter, those of the files among them.

    On PostgreSQL these people stay locked: who decides on a page meanwhile waits, so that
    nothing is lost.
    """
    kinds = ("applications", *OF_APPLICATION)
    emails = {row.email for kind in kinds for row in reading.rows.get(kind, ())}
    by_id = {known.person_ids[email]: email for email in emails & known.person_ids.keys()}
    found = Applications()
    for each in _stored(connection, by_id):
        held = (by_id[each.person_id], each.association, each.category)
        found.stored[held][each.opened_on] = each
        found.after[held][each.opened_on] = each
    for row in reading.rows.get("applications", ()):
        merged = _merged(row, found.before(row), known.person_ids.get(row.email, 0))
        found.after[held_of(row)][merged.opened_on] = merged
    return found


def _stored(connection: Connection, person_ids: Collection[int]) -> Iterator[Applied]:
    columns = [_APPLICATION.c[name] for name in Applied._fields]
    for chunk in in_chunks(sorted(person_ids), CHUNK):
        locked = select(_PERSON.c.id).where(_PERSON.c.id.in_(chunk)).order_by(_PERSON.c.id)
        connection.execute(locked.with_for_update())
        query = select(*columns).where(_APPLICATION.c.person_id.in_(chunk))
        yield from (Applied(*row) for row in connection.execute(query))


def _merged(row: Row, before: Applied | None, person_id: int) -> Applied:
    """What a row makes of an application. An empty cell tells nothing of what has happened since.

    So the file by which it was opened leaves alone what became of it on the pages.
    """
    given = row.values
    submitted_on = given.get("submitted_on") or (before and before.submitted_on)
    decided_on = given.get("decided_on") or (before and before.decided_on)
    state = given.get("state")
    if state is None and before and before.decided:
        state = before.state
    return Applied(
        before.id if before else 0,
        person_id,
        given["association"],
        given["category"],
        given["opened_on"],
        submitted_on,
        decided_on,
        state or ("submitted" if submitted_on else "open"),
    )


def newly_endorsed(reading: Reading, applications: Applications) -> list[Row]:
    """The rows by which an application becomes endorsed, in the order of the decisions."""
    rows = [
        row
        for row in reading.rows.get("applications", ())
        if is_newly_endorsed(applications.before(row), applications.became(row))
    ]
    return sorted(rows, key=lambda row: applications.became(row).decided_on or date.max)


def is_newly_endorsed(before: Applied | None, after: Applied) -> bool:
    """Whether an application is endorsed now, and was not before."""
    return after.state == "endorsed" and (before is None or before.state != "endorsed")
