"""Endorsements that come of applications: each begins on the day of the decision."""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Select, insert, select, update
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.statements import as_date, in_chunks, run
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.application.wording import share_missing
from tracker.rules.standing import Standing, Status
from tracker.services.application_facts import judge_applications
from tracker.services.context import lock_person
from tracker.services.evaluation import evaluate_people
from tracker.services.facts import make_id_table

_ENDORSEMENT = METADATA.tables["endorsement"]
_CHUNK = 1_000
# Whose endorsement (the person's id), at which association, in which category.
Held = tuple[int, str, str]
# First day, and last day (None: no end), both included.
Terms = Mapping[date, date | None]


class Begun(NamedTuple):
    """An endorsement that holds on the wanted day; not ``new`` if it did so already."""

    id: int
    new: bool


class ImpossibleChange(Exception):  # noqa: N818 - reads as the sentence it prints
    """What is asked cannot become of an application; says why."""


def covering(terms: Terms, day: date) -> date | None:
    """The first day of the term that holds on ``day``; None if none does."""
    for starts_on, ends_on in terms.items():
        if starts_on <= day and (ends_on is None or day <= ends_on):
            return starts_on
    return None


def in_the_way(terms: Terms, day: date) -> str | None:
    """Why no endless term may begin on ``day``, which none covers; None if it may."""
    later = min((starts_on for starts_on in terms if starts_on > day), default=None)
    if later is None:
        return None
    return (
        f"the same endorsement is held from {later} on, and one from {day} on would overlap it: "
        "enter that time as an endorsement with its end first"
    )


def begin_endorsements(
    session: Session, wanted: Collection[tuple[Held, date]], by: Stamp
) -> dict[tuple[Held, date], Begun]:
    """Let each wanted endorsement hold on its day.

    Where none covers the day, one that begins then, without an end, is stored with its audit
    event. Raises ImpossibleChange where one that begins later is in the way.
    """
    terms = _terms(session, {held[0] for held, _ in wanted})
    found = dict[tuple[Held, date], Begun]()
    for held, day in sorted(wanted, key=lambda each: each[1]):
        own = terms.setdefault(held, {})
        ends = {starts_on: ends_on for starts_on, (_, ends_on) in own.items()}
        since = covering(ends, day)
        if since is None:
            if reason := in_the_way(ends, day):
                raise ImpossibleChange(reason)
            own[day] = (_begin(session, held, day, by), None)
        found[held, day] = Begun(own[since or day][0], new=since is None)
    return found


def _terms(
    session: Session, person_ids: Collection[int]
) -> dict[Held, dict[date, tuple[int, date | None]]]:
    """People's endorsements: id and last day by the first day."""
    found = dict[Held, dict[date, tuple[int, date | None]]]()
    for chunk in in_chunks(person_ids, _CHUNK):
        query = select(_ENDORSEMENT).where(_ENDORSEMENT.c.person_id.in_(chunk))
        for row in session.connection().execute(query):
            held = (row.person_id, row.association, row.category)
            found.setdefault(held, {})[row.starts_on] = (row.id, row.ends_on)
    return found


def _begin(session: Session, held: Held, day: date, by: Stamp) -> int:
    values = {
        "person_id": held[0],
        "association": held[1],
        "category": held[2],
        "starts_on": day,
        "ends_on": None,
    }
    statement = insert(_ENDORSEMENT).values(values).returning(_ENDORSEMENT.c.id)
    new = int(session.connection().execute(statement).scalar_one())
    record_changes(session, [Change(by.who, by.at, "endorsement", new, None, values)])
    return new


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


def application_by_id(session: Session, application_id: int) -> Applied | None:
    """One application; None where there is none."""
    return _one(session, _query().where(_APPLICATION.c.id == application_id))


def applications_of(session: Session, person_id: int) -> list[Applied]:
    """A person's applications: those that are undecided first, then the newest first."""
    rows = run(session, _OF_PERSON, [person_id])
    days = [tuple(as_date(day) if day else None for day in row[4:7]) for row in rows]
    return [Applied._make((*row[:4], *of, row[7])) for row, of in zip(rows, days, strict=True)]


# In the words of the driver: nearly every page asks it.
_OF_PERSON = f"""
    SELECT id, person_id, association, category, opened_on, submitted_on, decided_on, state
    FROM application WHERE person_id = ?
    ORDER BY CASE WHEN state IN {UNDECIDED} THEN 0 ELSE 1 END, opened_on DESC, id DESC
"""


def application_of(session: Session, person_id: int) -> Applied | None:
    """The application that a person is busy with, else the newest one; None without any."""
    return next(iter(applications_of(session, person_id)), None)


def open_application(
    session: Session,
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
    lock_person(session, person_id)
    for other in applications_of(session, person_id):
        if (other.association, other.category) == (association, category):
            _refuse_beside(other, day)
    opened = Applied(0, person_id, association, category, day, None, None, "open")
    statement = insert(_APPLICATION).values(_shape(opened)).returning(_APPLICATION.c.id)
    opened = opened._replace(id=int(session.connection().execute(statement).scalar_one()))
    _audit(session, None, opened, by)
    return opened.id


def submit(session: Session, application_id: int, day: date, *, by: Stamp) -> None:
    """Hand an open application in. Raises ImpossibleChange."""
    applied = _locked(session, application_id)
    _refuse_change(applied, "submitted", day)
    _change(session, applied, applied._replace(state="submitted", submitted_on=day), by)


def decide(
    session: Session, application_id: int, state: str, decided_on: date, *, by: Stamp
) -> None:
    """Close an undecided application as ``declined`` or ``withdrawn``. Raises ImpossibleChange."""
    if state not in ("declined", "withdrawn"):
        message = f"an application is declined or withdrawn here, not {state!r}"
        raise ValueError(message)
    applied = _locked(session, application_id)
    _refuse_change(applied, state, decided_on)
    _change(session, applied, applied._replace(state=state, decided_on=decided_on), by)


def endorse(session: Session, application_id: int, decided_on: date, *, by: Stamp) -> int:
    """Endorse the applicant from ``decided_on`` (included) on; the id of the endorsement.

    One that covers that day already is kept. A second call for the same day changes nothing.
    The caller evaluates the person, or calls `endorse_and_evaluate`. Raises ImpossibleChange.
    """
    applied = _locked(session, application_id)
    if (applied.state, applied.decided_on) != ("endorsed", decided_on):
        _refuse_change(applied, "endorsed", decided_on)
    held = (applied.person_id, applied.association, applied.category)
    # Refused before anything is written: who catches it has nothing to take back.
    begun = begin_endorsements(session, [(held, decided_on)], by)
    after = applied._replace(state="endorsed", decided_on=decided_on)
    _change(session, applied, after, by)
    return begun[held, decided_on].id


def endorse_and_evaluate(
    session: Session, rulebooks: Rulebooks, application_id: int, decided_on: date, *, by: Stamp
) -> int:
    """Endorse, and open the first renewal cycle: its standing is there when this returns."""
    endorsement_id = endorse(session, application_id, decided_on, by=by)
    applied = _stored(session, application_id)
    evaluate_people(session, rulebooks, {applied.person_id}, by.at)
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


def _one(session: Session, query: Select[Any]) -> Applied | None:
    row = session.connection().execute(query).one_or_none()
    return None if row is None else Applied(*row)


def _stored(session: Session, application_id: int) -> Applied:
    found = application_by_id(session, application_id)
    if found is None:
        raise ImpossibleChange(f"there is no application {application_id}")
    return found


def _locked(session: Session, application_id: int) -> Applied:
    """The application as it is once nobody else is changing one of the person's."""
    lock_person(session, _stored(session, application_id).person_id)
    return _stored(session, application_id)


def _change(session: Session, before: Applied, after: Applied, by: Stamp) -> None:
    if after != before:
        own = _APPLICATION.c.id == before.id
        session.connection().execute(update(_APPLICATION).where(own).values(_shape(after)))
        _audit(session, before, after, by)


def _audit(session: Session, before: Applied | None, after: Applied, by: Stamp) -> None:
    shapes = [None if applied is None else _shape(applied) for applied in (before, after)]
    record_changes(session, [Change(by.who, by.at, "application", after.id, *shapes)])


def _shape(applied: Applied) -> Mapping[str, Any]:
    return {name: value for name, value in applied._asdict().items() if name != "id"}


_PERSON = METADATA.tables["person"]
_SHOWN = "shown_application"
# Whoever waits for a decision first.
STATUSES = (Status.READY, Status.NEEDS_REVIEW, Status.NOT_READY)
_RANKS = (*STATUSES, Status.NO_RULES)


class Applicant(NamedTuple):
    """An application and whose it is."""

    name: str
    email: str
    application: Applied


def standings_of(
    session: Session,
    rulebooks: Rulebooks,
    day_of: Callable[[str], date],
    application_ids: Collection[int],
) -> dict[int, Standing]:
    """How ready these applications are, by id; those decided, or not opened yet, are absent."""
    if not application_ids:
        return {}
    make_id_table(session, _SHOWN, application_ids)
    found = judge_applications(session, rulebooks, day_of, only=_SHOWN)
    return {standing.facts.subject_id: standing for standing in found}


def applicants(
    session: Session, rulebooks: Rulebooks, association: str, day: date
) -> list[Standing]:
    """An association's undecided applications as of ``day``: the ready first, then by what lacks.

    Among equals whoever submitted first comes first.
    """
    found = judge_applications(session, rulebooks, lambda _: day, association=association)
    return sorted(found, key=_place)


def applicant_within(
    session: Session, application_id: int, associations: Collection[str]
) -> Applicant | None:
    """One application at these associations; None where it is absent or another one's."""
    application = application_by_id(session, application_id)
    if application is None or application.association not in associations:
        return None
    whose = _PERSON.c.id == application.person_id
    name, email = (
        session.connection().execute(select(_PERSON.c.name, _PERSON.c.email).where(whose)).one()
    )
    return Applicant(name, email, application)


def has_applied(session: Session, person_id: int) -> bool:
    """Whether a person has an application, decided or not."""
    own = select(_APPLICATION.c.id).where(_APPLICATION.c.person_id == person_id).limit(1)
    return session.scalar(own) is not None


def undecided_of(session: Session, person_id: int) -> list[Applied]:
    """A person's applications that are not decided, the newest first."""
    return [a for a in applications_of(session, person_id) if not a.decided]


def _place(standing: Standing) -> tuple[int, float, date, str, int]:
    candidate = standing.facts.candidate
    return (
        _RANKS.index(standing.status),
        share_missing(standing),
        (candidate and candidate.submitted_on) or date.max,
        standing.facts.name.casefold(),
        standing.facts.subject_id,
    )
