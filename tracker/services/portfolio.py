"""What applicants enter for an application themselves: degrees, positions, signatures, exams.

Degrees and positions belong to the person, so that each of their applications can use them; what
the association has entered or confirmed, only the association changes. While an application is
submitted, reviewers read the portfolio: something can be added to it, and nothing taken away.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, TypeVar

from sqlmodel import Session, SQLModel, col, select

from tracker.db.applications import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
)
from tracker.rules.model import Rulebook
from tracker.rules.requirement import AGES, LEVELS, PAY, RSC_SERVICE
from tracker.services.applications import list_applications
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.evaluation import days_at
from tracker.services.portfolio_terms import PortfolioTerms, find_terms, load_portfolio
from tracker.services.removals import get_own_deletion, keep_for_undo, restore
from tracker.services.rsc_providers import ProviderChoice, provider_choices

TITLE_LIMIT = 200
MOST_FAMILIES = 9_999
# More than anyone has, and few enough to list on a page.
MOST_ROWS = 100
# An official one goes from the school to the association, which records it.
APPLICANT_TRANSCRIPTS = ("none", "unofficial")
Row = TypeVar("Row", Degree, Position)


@dataclass(frozen=True, slots=True)
class DegreeInput:
    """A degree or other education as entered; ``level`` is one of `LEVELS`.

    ``awarded_on`` None: what was typed is no day.
    """

    level: str
    title: str
    awarded_on: date | None
    transcript: str = "none"


@dataclass(frozen=True, slots=True)
class PositionInput:
    """Work as entered; the fields are those of `Position`, with lists of keys.

    ``starts_on`` or ``families`` None: what was typed is no day, or no number.
    """

    title: str
    employer: str
    pay: str
    services: tuple[str, ...]
    ages: tuple[str, ...]
    families: int | None
    supervised: bool
    trained: bool
    statements: tuple[str, ...]
    supervisor_id: int | None
    starts_on: date | None
    ends_on: date | None

    def values(self) -> dict[str, Any]:
        """The values of the columns."""
        return {
            **asdict(self),
            "services": "; ".join(self.services),
            "statements": "; ".join(self.statements),
            "ages": "; ".join(self.ages) or None,
            "gives_rsc": RSC_SERVICE in self.services,
        }


def save_degree(
    context: ServiceContext, application_id: int, degree: DegreeInput, degree_id: int | None
) -> int:
    """Add a degree, or change the one with ``degree_id``; its id. Raises NotFound or Refused.

    One that was added before (a double click) is not added again.
    """
    application = _lock_own(context, application_id)
    refusals = list(_check_degree(degree, _day_at(context, application)))
    values = {**asdict(degree), "recorded_by": context.actor.label}
    for other in _list_rows(context, Degree):
        if other.id == degree_id or (other.level, other.title) != (degree.level, degree.title):
            continue
        if degree_id is None and _has_values(other, values):
            return other.id
        refusals.append(Refusal("title", "degree-on-record", {"awarded_on": other.awarded_on}))
    if refusals:
        raise Refused(*refusals)
    return _save(context, Degree, degree_id, values)


def save_position(
    context: ServiceContext, application_id: int, position: PositionInput, position_id: int | None
) -> int:
    """Add work, or change the position with ``position_id``; its id. Raises NotFound or Refused.

    One that was added before (a double click) is not added again.
    """
    application = _lock_own(context, application_id)
    refusals = list(_check_position(context, application, position))
    values = {**position.values(), "recorded_by": context.actor.label}
    key = (position.title, position.employer, position.starts_on)
    for other in _list_rows(context, Position):
        if other.id == position_id or (other.title, other.employer, other.starts_on) != key:
            continue
        if position_id is None and _has_values(other, values):
            return other.id
        refusals.append(Refusal("title", "position-on-record", {"starts_on": other.starts_on}))
    if refusals:
        raise Refused(*refusals)
    return _save(context, Position, position_id, values)


def remove_degree(context: ServiceContext, application_id: int, degree_id: int) -> None:
    """Remove a degree that the actor entered; for a day `restore_removed` brings it back.

    Raises NotFound or Refused.
    """
    _lock_own(context, application_id)
    degree = _get_changeable(context, Degree, degree_id)
    keep_for_undo(context, "degree", degree_id, degree.title)
    context.delete_row(degree, _audited(Degree))


def remove_position(context: ServiceContext, application_id: int, position_id: int) -> None:
    """Remove a position that the actor entered; for a day `restore_removed` brings it back.

    Raises NotFound or Refused.
    """
    _lock_own(context, application_id)
    position = _get_changeable(context, Position, position_id)
    keep_for_undo(context, "position", position_id, position.title)
    context.delete_row(position, _audited(Position))


def restore_removed(
    context: ServiceContext, application_id: int, kind: str, removal_id: int
) -> None:
    """Bring back a degree or position (``kind``) that the actor removed; twice is like once.

    Raises NotFound if that was more than a day ago, and Refused if something like it is on record
    by now.
    """
    _lock_own(context, application_id)
    removal = get_own_deletion(context, kind, removal_id)
    if removal.undone_at is None:
        restore(context, removal)


def get_own_degree(session: Session, person_id: int, degree_id: int) -> Degree:
    """A degree that the person entered. Raises NotFound for any other."""
    return _get_own(session, person_id, Degree, degree_id)


def get_own_position(session: Session, person_id: int, position_id: int) -> Position:
    """A position that the person entered. Raises NotFound for any other."""
    return _get_own(session, person_id, Position, position_id)


def list_supervisors(session: Session, rulebook: Rulebook, person_id: int) -> list[ProviderChoice]:
    """Who may be named as the supervisor of work: the RSC providers whom the person may name."""
    return provider_choices(session, person_id, [f"{rulebook.id}/{r}" for r in rulebook.providers])


def sign_statements(context: ServiceContext, application_id: int, signed: Collection[str]) -> None:
    """Sign, today, these of the application's statements, and none of the others.

    What was signed before keeps its day, and what the association entered stays. Raises NotFound
    or Refused: for a statement that the application does not ask for, or one taken back after the
    application was submitted.
    """
    application = _lock_own(context, application_id)
    today = _day_at(context, application)
    terms = _terms_of(context, application)
    if not terms.attestations.keys() >= set(signed):
        raise Refused(Refusal("signed", "choice-unknown"))
    stored = load_portfolio(context.session, application).attestations
    for what, attestation in stored.items():
        is_own = attestation.recorded_by is not None and what in terms.attestations
        if is_own and what not in signed:
            _check_open([application])
            context.delete_row(attestation, _audited(Attestation))
    for what in terms.attestations:
        if what in signed and what not in stored:
            attestation = Attestation(
                application_id=application.id,
                what=what,
                signed_on=today,
                recorded_by=context.actor.label,
            )
            context.create_row(attestation, _audited(Attestation))


def report_exam(
    context: ServiceContext, application_id: int, taken_on: date, *, passed: bool
) -> None:
    """Record an exam by the applicant's word, which the association confirms.

    Raises NotFound or Refused.
    """
    application = _lock_own(context, application_id)
    if not _terms_of(context, application).asks_exam:
        raise Refused(Refusal("day", "exam-not-required"))
    if taken_on > _day_at(context, application):
        raise Refused(Refusal("day", "exam-in-future"))
    for other in load_portfolio(context.session, application).exams:
        if other.taken_on == taken_on and other.passed == passed:
            return
        if other.taken_on == taken_on:
            raise Refused(Refusal("day", "exam-on-record", {"taken_on": taken_on}))
    exam = ExamResult(
        application_id=application.id,
        taken_on=taken_on,
        passed=passed,
        recorded_by=context.actor.label,
    )
    context.create_row(exam, _audited(ExamResult))


def remove_exam(context: ServiceContext, application_id: int, exam_id: int) -> None:
    """Remove an exam that the actor reported. Raises NotFound or Refused."""
    application = _lock_own(context, application_id)
    exam = context.session.get(ExamResult, exam_id)
    if exam is None or exam.application_id != application.id or exam.recorded_by is None:
        raise NotFound
    _check_open([application])
    context.delete_row(exam, _audited(ExamResult))


def _lock_own(context: ServiceContext, application_id: int) -> Application:
    """The actor's own undecided application; nobody else writes for them meanwhile."""
    lock_person(context.session, context.person_id)
    application = context.session.get(Application, application_id, populate_existing=True)
    if application is None or application.person_id != context.person_id:
        raise NotFound
    if application.is_decided:
        facts = {"state": application.state, "decided_on": application.decided_on}
        raise Refused(Refusal("", "application-decided", facts))
    if application.association not in context.rulebooks.associations:
        raise NotFound
    return application


def _day_at(context: ServiceContext, application: Application) -> date:
    return days_at(context.rulebooks, context.now)(application.association)


def _terms_of(context: ServiceContext, application: Application) -> PortfolioTerms:
    rulebook = context.rulebooks.associations[application.association]
    day = _day_at(context, application)
    return find_terms(rulebook, application.category, day, application.plan_purpose)


def _list_rows(context: ServiceContext, model: type[Row]) -> list[Row]:
    query = select(model).where(col(model.person_id) == context.person_id)
    return list(context.session.exec(query))


def _has_values(row: Row, values: Mapping[str, Any]) -> bool:
    return all(getattr(row, column) == value for column, value in values.items())


def _get_own(session: Session, person_id: int, model: type[Row], row_id: int) -> Row:
    row = session.get(model, row_id)
    if row is None or row.person_id != person_id or row.recorded_by is None:
        raise NotFound
    return row


def _get_changeable(context: ServiceContext, model: type[Row], row_id: int) -> Row:
    row = _get_own(context.session, context.person_id, model, row_id)
    _check_open(list_applications(context.session, context.person_id))
    return row


def _check_open(applications: Iterable[Application]) -> None:
    """Raise Refused if reviewers have one of the applications."""
    for application in applications:
        if application.state == "submitted":
            facts = {name: getattr(application, name) for name in ("association", "category")}
            raise Refused(Refusal("", "portfolio-submitted", facts))


def _save(
    context: ServiceContext, model: type[Row], row_id: int | None, values: Mapping[str, Any]
) -> int:
    if row_id is not None:
        row = _get_changeable(context, model, row_id)
        context.update_row(row, _audited(model), **values)
        return row.id
    if len(_list_rows(context, model)) >= MOST_ROWS:
        raise Refused(Refusal("title", "portfolio-full", {"limit": MOST_ROWS}))
    row = model(person_id=context.person_id, **values)
    context.create_row(row, _audited(model))
    return row.id


def _audited(model: type[SQLModel]) -> set[str]:
    return set(model.model_fields) - {"id"}


def _check_title(title: str, missing: str) -> Iterator[Refusal]:
    if not title:
        yield Refusal("title", missing)
    if len(title) > TITLE_LIMIT:
        yield Refusal("title", "text-too-long", {"limit": TITLE_LIMIT})


def _check_degree(degree: DegreeInput, today: date) -> Iterator[Refusal]:
    if degree.level not in LEVELS:
        yield Refusal("level", "level-required")
    yield from _check_title(degree.title, "degree-title-missing")
    if degree.awarded_on is None:
        yield Refusal("awarded_on", "day-required")
    elif degree.awarded_on > today:
        yield Refusal("awarded_on", "degree-in-future")
    if degree.transcript not in APPLICANT_TRANSCRIPTS:
        yield Refusal("transcript", "transcript-for-association")


def _check_position(
    context: ServiceContext, application: Application, position: PositionInput
) -> Iterator[Refusal]:
    terms = _terms_of(context, application)
    yield from _check_answers(position)
    known = {"services": terms.services, "statements": terms.statements, "ages": AGES}
    for field, keys in known.items():
        if not set(keys) >= set(getattr(position, field)):
            yield Refusal(field, "choice-unknown")
    if position.supervisor_id is not None:
        choices = list_supervisors(context.session, terms.rulebook, context.person_id)
        if position.supervisor_id not in {choice.id for choice in choices}:
            yield Refusal("supervisor", "choice-unknown")
    yield from _check_days(position, _day_at(context, application))


def _check_answers(position: PositionInput) -> Iterator[Refusal]:
    """Why the answers that no rulebook names can't be stored."""
    yield from _check_title(position.title, "position-title-missing")
    if len(position.employer) > TITLE_LIMIT:
        yield Refusal("employer", "text-too-long", {"limit": TITLE_LIMIT})
    if position.pay not in PAY:
        yield Refusal("pay", "pay-required")
    if not position.services:
        yield Refusal("services", "services-required")
    if position.families is None:
        yield Refusal("families", "families-required")
    elif not 0 <= position.families <= MOST_FAMILIES:
        yield Refusal("families", "families-out-of-range", {"limit": MOST_FAMILIES})


def _check_days(position: PositionInput, today: date) -> Iterator[Refusal]:
    if position.starts_on is None:
        yield Refusal("starts_on", "day-required")
    elif position.starts_on > today:
        yield Refusal("starts_on", "position-in-future")
    if position.ends_on and position.ends_on > today:
        yield Refusal("ends_on", "position-ends-in-future")
    elif position.starts_on and position.ends_on and position.ends_on < position.starts_on:
        yield Refusal("ends_on", "ends-before-start", {"starts_on": position.starts_on})
