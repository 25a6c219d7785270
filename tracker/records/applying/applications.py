"""Applications for an endorsement: reading them, and what may become of one, each with its audit.

Every function that writes belongs into the caller's writing transaction.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, insert, select, update

from tracker.records.applying.endorsing import ImpossibleChange, begin_endorsements
from tracker.records.entries.entry_writes import lock_person
from tracker.records.judging.evaluation import evaluate_people
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, Stamp, record_changes
from tracker.records.store.quick import as_date, run
from tracker.rulebooks import Rulebooks

_APPLICATION = METADATA.tables["application"]
UNDECIDED = ("open", "submitted")
__all__ = [
    "UNDECIDED",
    "Applied",
    "ImpossibleChange",
    "application_by_id",
    "application_of",
    "applications_of",
    "decide",
    "endorse",
    "endorse_and_evaluate",
    "open_application",
    "submit",
    "why_not",
]


class Applied(NamedTuple):
    """An application as it is stored; ``decided_on`` is given exactly when it is decided."""

    id: int
    person_id: int
    association: str
    category: str
    opened_on: date
    submitted_on: date | None
    decided_on: date | None
    state: str

    @property
    def decided(self) -> bool:
        """Whether it was endorsed, declined or withdrawn."""
        return self.state not in UNDECIDED


def application_by_id(connection: Connection, application_id: int) -> Applied | None:
    """One application; None where there is none."""
    return _one(connection, _query().where(_APPLICATION.c.id == application_id))


def applications_of(connection: Connection, person_id: int) -> list[Applied]:
    """A person's applications: those that are undecided first, then the newest first."""
    rows = run(connection, _OF_PERSON, [person_id])
    days = [tuple(as_date(day) if day else None for day in row[4:7]) for row in rows]
    return [Applied._make((*row[:4], *of, row[7])) for row, of in zip(rows, days, strict=True)]


# In the words of the driver: nearly every page asks it.
_OF_PERSON = f"""
    SELECT id, person_id, association, category, opened_on, submitted_on, decided_on, state
    FROM application WHERE person_id = ?
    ORDER BY CASE WHEN state IN {UNDECIDED} THEN 0 ELSE 1 END, opened_on DESC, id DESC
"""


def application_of(connection: Connection, person_id: int) -> Applied | None:
    """The application that a person is busy with, else the newest one; None without any."""
    return next(iter(applications_of(connection, person_id)), None)


def open_application(
    connection: Connection,
    person_id: int,
    association: str,
    category: str,
    day: date,
    *,
    by: Stamp,
) -> int:
    """Open an application on ``day``; its id.

    Raises ImpossibleChange while another one for the same category is undecided, or where one
    was opened on the same day or later.
    """
    lock_person(connection, person_id)
    for other in applications_of(connection, person_id):
        if (other.association, other.category) == (association, category):
            _refuse_beside(other, day)
    opened = Applied(0, person_id, association, category, day, None, None, "open")
    statement = insert(_APPLICATION).values(_shape(opened)).returning(_APPLICATION.c.id)
    opened = opened._replace(id=int(connection.execute(statement).scalar_one()))
    _audit(connection, None, opened, by)
    return opened.id


def submit(connection: Connection, application_id: int, day: date, *, by: Stamp) -> None:
    """Hand an open application in. Raises ImpossibleChange."""
    applied = _locked(connection, application_id)
    _refuse_change(applied, "submitted", day)
    _change(connection, applied, applied._replace(state="submitted", submitted_on=day), by)


def decide(
    connection: Connection, application_id: int, state: str, decided_on: date, *, by: Stamp
) -> None:
    """Close an undecided application as ``declined`` or ``withdrawn``. Raises ImpossibleChange."""
    if state not in ("declined", "withdrawn"):
        message = f"an application is declined or withdrawn here, not {state!r}"
        raise ValueError(message)
    applied = _locked(connection, application_id)
    _refuse_change(applied, state, decided_on)
    _change(connection, applied, applied._replace(state=state, decided_on=decided_on), by)


def endorse(connection: Connection, application_id: int, decided_on: date, *, by: Stamp) -> int:
    """Endorse the applicant from ``decided_on`` (included) on; the id of the endorsement.

    One that covers that day already is kept. A second call for the same day changes nothing.
    The caller evaluates the person, or calls `endorse_and_evaluate`. Raises ImpossibleChange.
    """
    applied = _locked(connection, application_id)
    if (applied.state, applied.decided_on) != ("endorsed", decided_on):
        _refuse_change(applied, "endorsed", decided_on)
    held = (applied.person_id, applied.association, applied.category)
    # Refused before anything is written: who catches it has nothing to take back.
    begun = begin_endorsements(connection, [(held, decided_on)], by)
    after = applied._replace(state="endorsed", decided_on=decided_on)
    _change(connection, applied, after, by)
    return begun[held, decided_on].id


def endorse_and_evaluate(
    connection: Connection, books: Rulebooks, application_id: int, decided_on: date, *, by: Stamp
) -> int:
    """Endorse, and open the first renewal cycle: its standing is there when this returns."""
    endorsement_id = endorse(connection, application_id, decided_on, by=by)
    applied = _stored(connection, application_id)
    evaluate_people(connection, books, {applied.person_id}, by.at)
    return endorsement_id


def _refuse_beside(other: Applied, day: date) -> None:
    what = f"an application for {other.association} {other.category}"
    if not other.decided:
        raise ImpossibleChange(
            f"{what} was opened on {other.opened_on} and is still undecided: go on with that one"
        )
    if other.opened_on >= day:
        raise ImpossibleChange(f"{what} was opened on {other.opened_on}: open one after that day")


def why_not(applied: Applied, state: str, day: date) -> str | None:
    """Why an application cannot get ``state`` on ``day``; None if it can."""
    if applied.decided:
        return f"the application was {applied.state} on {applied.decided_on}, and stays so"
    if state == "submitted" and applied.state == state:
        return f"the application was submitted on {applied.submitted_on} already"
    if day < (applied.submitted_on or applied.opened_on):
        verb = "submitted" if applied.submitted_on else "opened"
        since = applied.submitted_on or applied.opened_on
        return f"the application was {verb} on {since}: it cannot be {state} on {day}, before that"
    return None


def _refuse_change(applied: Applied, state: str, day: date) -> None:
    if reason := why_not(applied, state, day):
        raise ImpossibleChange(reason)


def _query() -> Select[Any]:
    return select(*(_APPLICATION.c[name] for name in Applied._fields))


def _one(connection: Connection, query: Select[Any]) -> Applied | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else Applied(*row)


def _stored(connection: Connection, application_id: int) -> Applied:
    found = application_by_id(connection, application_id)
    if found is None:
        raise ImpossibleChange(f"there is no application {application_id}")
    return found


def _locked(connection: Connection, application_id: int) -> Applied:
    """The application as it is once nobody else is changing one of the person's."""
    lock_person(connection, _stored(connection, application_id).person_id)
    return _stored(connection, application_id)


def _change(connection: Connection, before: Applied, after: Applied, by: Stamp) -> None:
    if after != before:
        own = _APPLICATION.c.id == before.id
        connection.execute(update(_APPLICATION).where(own).values(_shape(after)))
        _audit(connection, before, after, by)


def _audit(connection: Connection, before: Applied | None, after: Applied, by: Stamp) -> None:
    shapes = [None if applied is None else _shape(applied) for applied in (before, after)]
    record_changes(connection, [Change(by.who, by.at, "application", after.id, *shapes)])


def _shape(applied: Applied) -> Mapping[str, Any]:
    return {name: value for name, value in applied._asdict().items() if name != "id"}
