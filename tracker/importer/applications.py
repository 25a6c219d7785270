"""What the pages have done about references, as the database tells."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, select
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.applications import UNDECIDED
from tracker.db.audit import Stamp
from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA
from tracker.importer.csv_schemas import OF_APPLICATION
from tracker.importer.lookups import CHUNK, Held, KnownRecords, rows_where
from tracker.importer.reader import Reading
from tracker.importer.rows import Row
from tracker.importer.upserts import TARGETS, Stored
from tracker.importer.vocabulary import Vocabulary
from tracker.services.applications import begin_endorsement

_WITHDRAWN = METADATA.tables["withdrawn_reference"]


class Withdrawn(NamedTuple):
    """A referee whom the applicant has removed from an application."""

    application_id: int
    email: str
    name: str
    role: str


def answered_by_link(references: Iterable[RowMapping]) -> set[int]:
    """The ids of the references that the referees answered with their link."""
    return {row["id"] for row in references if row["answered_by_link"]}


def withdrawn(session: Session, application_ids: Collection[int]) -> set[Withdrawn]:
    """Whom the applicants have removed from these applications, in each name and role."""
    removed = set[Withdrawn]()
    for row in rows_where(session, _WITHDRAWN, "application_id", application_ids):
        removed.add(Withdrawn(row["application_id"], row["email"], row["name"], row["role"]))
    return removed


_PERSON = METADATA.tables["person"]
_APPLICATION = METADATA.tables["application"]


class ApplicationRecord(NamedTuple):
    """An application, stored or as the files make it; a new one has the id 0."""

    id: int
    person_id: int
    association: str
    category: str
    opened_on: date
    submitted_on: date | None
    decided_on: date | None
    state: str

    @property
    def is_decided(self) -> bool:
        """Whether it was endorsed, declined, or withdrawn."""
        return self.state not in UNDECIDED


ByDay = dict[date, ApplicationRecord]


@dataclass
class Applications:
    """Applications by whose they are and by the day of opening; those of the files over ``stored``.

    A new one has the id 0.
    """

    stored: dict[Held, ByDay] = field(default_factory=lambda: defaultdict(dict))
    after: dict[Held, ByDay] = field(default_factory=lambda: defaultdict(dict))

    def before(self, row: Row) -> ApplicationRecord | None:
        """The application that a row of applications.csv changes; None if it is new."""
        return self.stored[held_of(row)].get(row.values["opened_on"])

    def became(self, row: Row) -> ApplicationRecord:
        """What a row of applications.csv makes of the application."""
        return self.after[held_of(row)][row.values["opened_on"]]

    def newest(self, held: Held) -> ApplicationRecord | None:
        """The application that was opened last; None if there is none."""
        own = self.after.get(held)
        return own[max(own)] if own else None


def held_of(row: Row) -> Held:
    """Whose application for what a row is about."""
    return (row.email, row.values["association"], row.values["category"])


def look_up_applications(session: Session, reading: Reading, known: KnownRecords) -> Applications:
    """The applications of everyone whose applications matter, those of the files among them.

    On PostgreSQL these people stay locked: who decides on a page meanwhile waits, so that
    nothing is lost.
    """
    kinds = ("applications", *OF_APPLICATION)
    emails = {row.email for kind in kinds for row in reading.rows.get(kind, ())}
    by_id = {known.person_ids[email]: email for email in emails & known.person_ids.keys()}
    found = Applications()
    for each in _stored(session, by_id):
        held = (by_id[each.person_id], each.association, each.category)
        found.stored[held][each.opened_on] = each
        found.after[held][each.opened_on] = each
    for row in reading.rows.get("applications", ()):
        merged = _merged(row, found.before(row), known.person_ids.get(row.email, 0))
        found.after[held_of(row)][merged.opened_on] = merged
    return found


def _stored(session: Session, person_ids: Collection[int]) -> Iterator[ApplicationRecord]:
    columns = [_APPLICATION.c[name] for name in ApplicationRecord._fields]
    for chunk in in_chunks(sorted(person_ids), CHUNK):
        locked = select(_PERSON.c.id).where(_PERSON.c.id.in_(chunk)).order_by(_PERSON.c.id)
        session.connection().execute(locked.with_for_update())
        query = select(*columns).where(_APPLICATION.c.person_id.in_(chunk))
        yield from (ApplicationRecord(*row) for row in session.connection().execute(query))


def _merged(row: Row, before: ApplicationRecord | None, person_id: int) -> ApplicationRecord:
    """What a row makes of an application. An empty cell tells nothing of what has happened since.

    So the file by which it was opened leaves alone what became of it on the pages.
    """
    given = row.values
    submitted_on = given.get("submitted_on") or (before and before.submitted_on)
    decided_on = given.get("decided_on") or (before and before.decided_on)
    state = given.get("state")
    if state is None and before and before.is_decided:
        state = before.state
    return ApplicationRecord(
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


def is_newly_endorsed(before: ApplicationRecord | None, after: ApplicationRecord) -> bool:
    """Whether an application is endorsed now, and was not before."""
    return after.state == "endorsed" and (before is None or before.state != "endorsed")


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

    def application(self, kind: str, row: Row) -> ApplicationRecord | None:
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

    def _own(self, row: Row) -> list[ApplicationRecord]:
        """The person's applications for the association and category, the newest first."""
        own = self.applications.after.get(held_of(row), {})
        return [own[day] for day in sorted(own, reverse=True)]

    def _has_answered(self, applied: ApplicationRecord, row: Row) -> bool:
        stored = self.stored.get(("references", applied.id, row.key[-1]))
        return stored is not None and (stored["received_at"] or stored["declined_at"]) is not None


def _is_open(applied: ApplicationRecord, day: date) -> bool:
    return applied.opened_on <= day <= (applied.decided_on or date.max)


def look_up_belongings(
    session: Session, reading: Reading, applications: Applications, vocabulary: Vocabulary
) -> Belongings:
    """What is stored with the applications of everyone whom the files' rows are about.

    On PostgreSQL it stays locked: who answers on a page meanwhile waits, so nothing is lost.
    """
    found = Belongings(applications)
    for kind in OF_APPLICATION:
        rows = reading.rows.get(kind, ())
        own = _stored_of(applications, rows)
        for row in _with_applications(session, kind, own):
            applied = own[row["application_id"]]
            place = (kind, applied.id, row[TARGETS[kind].keys[1]])
            found.stored[place] = row
            found.days[place] = _day_of(row, vocabulary.zones.get(applied.association, "UTC"))
        if kind == "references" and own:
            references = [row for place, row in found.stored.items() if place[0] == kind]
            found.answered = answered_by_link(references)
            found.withdrawn = withdrawn(session, own.keys())
    return found


def _stored_of(applications: Applications, rows: Iterable[Row]) -> dict[int, ApplicationRecord]:
    held = {held_of(row) for row in rows}
    return {each.id: each for h in held for each in applications.stored.get(h, {}).values()}


def _with_applications(
    session: Session, kind: str, application_ids: Iterable[int]
) -> Iterator[RowMapping]:
    table = METADATA.tables[TARGETS[kind].table]
    for chunk in in_chunks(sorted(application_ids), CHUNK):
        query = select(table).where(table.c.application_id.in_(chunk)).with_for_update()
        yield from session.connection().execute(query).mappings()


def _day_of(row: RowMapping, zone: str) -> date | None:
    if "received_at" in row:
        return local_day(row["received_at"], zone) if row["received_at"] else None
    day = row["signed_on"] if "signed_on" in row else row["taken_on"]
    return day if isinstance(day, date) else None


def application_ids(
    applications: Applications, known: KnownRecords, stored: Stored
) -> dict[tuple[Held, date], int]:
    """Ids by whose and for what and the day of opening, those just stored among them."""
    return {
        (held, day): each.id or stored.ids[known.person_ids[held[0]], *held[1:], day]
        for held, own in applications.after.items()
        for day, each in own.items()
    }


def begin_what_is_endorsed(
    session: Session, applications: Applications, stored: Stored, stamp: Stamp
) -> int:
    """Let an endorsement begin for each application that became endorsed; how many are new.

    It begins on the day of the decision, unless one covers that day.
    """
    before = {each.id: each for own in applications.stored.values() for each in own.values()}
    names = ApplicationRecord._fields
    moved = [ApplicationRecord(*(row[name] for name in names)) for _, row in stored.moved]
    endorsed = [
        each for each in moved if each.decided_on and is_newly_endorsed(before.get(each.id), each)
    ]
    count = 0
    for each in sorted(endorsed, key=lambda one: one.decided_on or date.max):
        key = (each.person_id, each.association, each.category)
        _, is_new = begin_endorsement(session, stamp, key, each.decided_on or date.max)
        count += is_new
    return count
