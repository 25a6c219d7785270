"""Applications: what rows of applications.csv make of them, and whether that is possible."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.people import Person
from tracker.importer.known_records import Held, KnownRecords
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import ApplicationRow, EndorsementRow, OfApplication
from tracker.importer.table_rows import chunked
from tracker.refusal_text import format_refusal
from tracker.services.applications import covering, later_term

ByOpening = dict[date, Application]


@dataclass
class Applications:
    """Applications by the day of opening: as ``stored``, and as they are ``after`` the import.

    None of them belongs to the session: they stay as they are. A new one has no ids yet.
    """

    stored: dict[Held, ByOpening] = field(default_factory=lambda: defaultdict(dict))
    after: dict[Held, ByOpening] = field(default_factory=lambda: defaultdict(dict))

    def before(self, row: ApplicationRow) -> Application | None:
        """The application that a row changes; None if it is new."""
        return self.stored[row.held].get(row.opened_on)

    def result(self, row: ApplicationRow) -> Application:
        """The application after the import of a row."""
        return self.after[row.held][row.opened_on]

    def newest_first(self, held: Held) -> list[Application]:
        """A person's applications for one category, as they are after the import."""
        return sorted(self.after[held].values(), key=lambda each: each.opened_on, reverse=True)

    def new_endorsements(self, rows: Iterable[ApplicationRow]) -> list[tuple[ApplicationRow, date]]:
        """The rows by which applications become endorsed, in the order of the decisions."""
        endorsed = []
        for row in rows:
            before, after = self.before(row), self.result(row)
            is_new = before is None or before.state != "endorsed"
            if is_new and after.state == "endorsed" and after.decided_on:
                endorsed.append((row, after.decided_on))
        return sorted(endorsed, key=lambda each: each[1])

    def newly_declined(self, rows: Iterable[ApplicationRow]) -> list[ApplicationRow]:
        """The rows by which applications become declined."""
        declined = []
        for row in rows:
            before = self.before(row)
            is_new = before is None or not before.is_decided
            if is_new and self.result(row).state == "declined":
                declined.append(row)
        return declined


def load_applications(session: Session, known: KnownRecords) -> Applications:
    """Load the applications of everyone whose applications the files mention.

    On PostgreSQL these people stay locked until the import ends, so that nobody decides on an
    application meanwhile.
    """
    rows = known.files.rows_of(ApplicationRow)
    by_id = known.ids_of(row.email for row in (*rows, *known.files.rows_of(OfApplication)))
    applications = Applications()
    for ids in chunked(by_id):
        people = select(Person.id).where(col(Person.id).in_(ids)).order_by(col(Person.id))
        session.exec(people.with_for_update()).all()
        query = select(Application).where(col(Application.person_id).in_(ids))
        for stored in session.exec(query):
            session.expunge(stored)
            held = (by_id[stored.person_id], stored.association, stored.category)
            applications.stored[held][stored.opened_on] = stored
            applications.after[held][stored.opened_on] = stored
    for row in rows:
        applications.after[row.held][row.opened_on] = _merge(row, applications.before(row))
    return applications


def _merge(row: ApplicationRow, before: Application | None) -> Application:
    """The application as a row says it is. An empty cell changes nothing.

    So the file that opened it does not undo what happened to it on the pages.
    """
    if before is None:
        _, association, category = row.held
        before = Application(
            person_id=0, association=association, category=category, opened_on=row.opened_on
        )
    submitted_on = row.submitted_on or before.submitted_on
    decided_on, state = row.decided_on or before.decided_on, row.state
    if state is None and before.is_decided:
        state = before.state
    elif state is None:
        state = "submitted" if submitted_on else "open"
    values: dict[str, Any] = {"submitted_on": submitted_on, "decided_on": decided_on}
    values |= {"state": state, "answer": row.answer or before.answer}
    return Application(**{**before.model_dump(), **values})


def check_applications(known: KnownRecords, applications: Applications) -> Iterator[ImportProblem]:
    """Check what each row makes of its application."""
    for row in known.files.rows_of(ApplicationRow):
        before, after = applications.before(row), applications.result(row)
        if before is not None and before.is_decided:
            yield from _change_problems(row, before, after)
        else:
            yield from _state_problems(row, after)
            yield from _order_problems(row, after)
        if row.answer and after.state != "declined":
            yield row.problem("answer", "is the reason for declining: leave it empty otherwise")
        is_unchanged = before is not None and before.model_dump() == after.model_dump()
        if after.is_decided and not is_unchanged:
            yield from _duplicate_problems(row, after, applications)


def _change_problems(
    row: ApplicationRow, before: Application, after: Application
) -> Iterator[ImportProblem]:
    """A decision is final; only the date of one that led to no endorsement can be corrected."""
    final = f"the application was {before.state} on {before.decided_on}, which can't be changed"
    if after.state != before.state:
        yield row.problem("state", final)
    elif before.state == "endorsed" and after.decided_on != before.decided_on:
        yield row.problem("decided_on", final)
    else:
        yield from _order_problems(row, after)


def _state_problems(row: ApplicationRow, after: Application) -> Iterator[ImportProblem]:
    if after.is_decided and after.decided_on is None:
        yield row.problem("decided_on", f"must not be empty if the state is {after.state}")
    if not after.is_decided and after.decided_on is not None:
        message = "a date needs a decision: give the state endorsed, declined, or withdrawn"
        yield row.problem("decided_on", message)
    if after.state == "submitted" and after.submitted_on is None:
        yield row.problem("submitted_on", "must not be empty if the state is submitted")
    if after.state == "open" and after.submitted_on is not None:
        message = f"the application was submitted on {after.submitted_on}, so it cannot be open"
        yield row.problem("state", message)


def _order_problems(row: ApplicationRow, after: Application) -> Iterator[ImportProblem]:
    if after.submitted_on and after.submitted_on < after.opened_on:
        message = f"must be {after.opened_on} (the day of opening) or later"
        yield row.problem("submitted_on", message)
    elif after.decided_on and after.decided_on < (after.submitted_on or after.opened_on):
        event = "submission" if after.submitted_on else "opening"
        first = after.submitted_on or after.opened_on
        yield row.problem("decided_on", f"must be {first} (the day of {event}) or later")


def _duplicate_problems(
    row: ApplicationRow, after: Application, applications: Applications
) -> Iterator[ImportProblem]:
    """Two applications with one decision are one, with a mistake in the day of opening."""
    for other in sorted(applications.after[row.held].values(), key=lambda each: each.opened_on):
        same_decision = (other.state, other.decided_on) == (after.state, after.decided_on)
        if same_decision and other.opened_on != after.opened_on:
            message = (
                f"the application opened on {other.opened_on} was also {after.state} on "
                f"{after.decided_on}: write {other.opened_on} if it is the same application"
            )
            yield row.problem("opened_on", message)
            return


def check_undecided_applications(
    known: KnownRecords, applications: Applications
) -> Iterator[ImportProblem]:
    """The files must not open an application while another one is undecided."""
    rows = known.files.rows_of(ApplicationRow)
    by_key = {(row.held, row.opened_on): row for row in rows}
    for held in dict.fromkeys(row.held for row in rows):
        own = applications.after[held]
        undecided = sorted(day for day, applied in own.items() if not applied.is_decided)
        for first, second in pairwise(undecided):
            row = by_key.get((held, second)) or by_key.get((held, first))
            if row is not None:
                other = first if row.opened_on == second else second
                message = f"the application opened on {other} is undecided too: decide one of them"
                yield row.problem("opened_on", message)


def check_new_endorsements(
    known: KnownRecords, applications: Applications
) -> Iterator[ImportProblem]:
    """Endorsements that begin with decisions must not overlap others. Adds them to ``known``."""
    for row, day in applications.new_endorsements(known.files.rows_of(ApplicationRow)):
        terms = known.terms.setdefault(row.held, {})
        if covering(terms, day):
            continue
        later = later_term(terms, day)
        if later is not None and EndorsementRow not in known.files.incomplete:
            facts = {"starts_on": later, "day": day}
            yield row.problem("decided_on", format_refusal("endorsed-later", facts))
        else:
            terms[day] = None
