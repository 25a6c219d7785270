"""Applications are opened, submitted, and decided; an endorsement begins with the decision."""

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from tracker.db.applications import APPLICATION, UNDECIDED, Application
from tracker.db.audit import Change, record_changes
from tracker.db.corrections import Removal
from tracker.db.ledgers import LAST_DAY
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.rules.application.wording import share_missing
from tracker.rules.standing import ApplicationStanding, Status
from tracker.services.application_facts import judge_applications
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.evaluation import evaluate_people
from tracker.services.undo import (
    UndoableDecision,
    UndoneDecision,
    find_obstacle,
    find_undoable,
    revert_decision,
    undoable,
)

# The statuses that the coordinator's page filters by: those that wait for a decision come first.
STATUSES = (Status.READY, Status.NEEDS_REVIEW, Status.NOT_READY)
_RANKS = (*STATUSES, Status.NO_RULES)
# The reason is personal, so the audit log does not repeat it.
APPLICATION_AUDITED = set(Application.model_fields) - {"id", "answer", "purpose"}
_ONE_DAY = timedelta(days=1)
# Whose endorsement (the person's id), at which association, in which category.
EndorsementKey = tuple[int, str, str]
# First day, and last day (None: no end), both included.
Terms = Mapping[date, date | None]


def get_application(session: Session, application_id: int) -> Application | None:
    """One application; None if there is none."""
    return session.get(Application, application_id)


def list_applications(session: Session, person_id: int) -> list[Application]:
    """A person's applications: the undecided first, then the newest first."""
    query = (
        select(Application)
        .where(Application.person_id == person_id)
        .order_by(
            col(Application.state).not_in(UNDECIDED),
            col(Application.opened_on).desc(),
            col(Application.id).desc(),
        )
    )
    return list(session.exec(query))


def list_undecided_applications(session: Session, person_id: int) -> list[Application]:
    """A person's undecided applications, the newest first."""
    return [one for one in list_applications(session, person_id) if not one.is_decided]


def find_applicant(
    session: Session, application_id: int, associations: Collection[str]
) -> tuple[Person, Application] | None:
    """One application at these associations, and its applicant; None if there is none."""
    query = (
        select(Person, Application)
        .join(Application)
        .where(Application.id == application_id, col(Application.association).in_(associations))
    )
    return session.exec(query).first()


def get_application_standings(
    session: Session,
    rulebooks: Rulebooks,
    day_of: Callable[[str], date],
    application_ids: Collection[int],
) -> dict[int, ApplicationStanding]:
    """How ready these applications are, by id; without those decided or not opened yet."""
    if not application_ids:
        return {}
    standings = judge_applications(session, rulebooks, day_of, application_ids=application_ids)
    return {standing.facts.subject_id: standing for standing in standings}


def list_applicants(
    session: Session, rulebooks: Rulebooks, association: str, day: date
) -> list[ApplicationStanding]:
    """An association's undecided applications as of ``day``, the nearest to a decision first.

    The ready ones come first, then those that lack least; among equals the earliest submitted.
    """
    standings = judge_applications(session, rulebooks, lambda _: day, association=association)
    return sorted(standings, key=_rank)


def open_application(
    context: ServiceContext,
    person_id: int,
    association: str,
    category: str,
    opened_on: date,
    *,
    purpose: str = APPLICATION,
) -> Application:
    """Open an application, or a reinstatement.

    Raises Refused while another one for the same category is undecided, or if one was opened on
    the same day or later.
    """
    lock_person(context.session, person_id)
    for other in list_applications(context.session, person_id):
        if (other.association, other.category) != (association, category):
            continue
        facts = {"association": association, "category": category, "opened_on": other.opened_on}
        if not other.is_decided:
            raise Refused(Refusal("day", "application-undecided", facts))
        if other.opened_on >= opened_on:
            raise Refused(Refusal("day", "application-opened-later", facts))
    application = Application(
        person_id=person_id,
        association=association,
        category=category,
        opened_on=opened_on,
        purpose=purpose,
    )
    audited = APPLICATION_AUDITED | {"purpose"} if purpose != APPLICATION else APPLICATION_AUDITED
    context.create_row(application, audited)
    return application


def submit_application(context: ServiceContext, application_id: int, submitted_on: date) -> None:
    """Submit an open application. Raises NotFound or Refused."""
    application = lock_application(context, application_id)
    _check_change(application, "submitted", submitted_on)
    values = {"state": "submitted", "submitted_on": submitted_on, "answer": None}
    context.update_row(application, APPLICATION_AUDITED, **values)


def withdraw_application(context: ServiceContext, application_id: int, decided_on: date) -> None:
    """Close an undecided application that the applicant withdraws. Raises NotFound or Refused."""
    application = lock_application(context, application_id)
    _check_change(application, "withdrawn", decided_on)
    context.update_row(application, APPLICATION_AUDITED, state="withdrawn", decided_on=decided_on)


def decline_application(
    context: ServiceContext, application_id: int, decided_on: date, answer: str
) -> None:
    """Close an undecided application as declined, by a coordinator of its association.

    ``answer`` is the reason for the applicant. Raises NotFound or Refused.
    """
    application = lock_applicant(context, application_id)
    _check_change(application, "declined", decided_on)
    if refusals := check_text("answer", answer):
        raise Refused(*refusals)
    with undoable(context, _decision(application, "declined")):
        context.update_row(
            application, APPLICATION_AUDITED, state="declined", decided_on=decided_on, answer=answer
        )


def endorse_applicant(context: ServiceContext, application_id: int, decided_on: date) -> int:
    """Endorse an applicant from ``decided_on`` (included); the id of the endorsement.

    An endorsement that covers that day already is kept. The first renewal cycle's standing is
    stored too. Endorsing again on the same day changes nothing. Raises NotFound or Refused.
    """
    application = lock_applicant(context, application_id)
    if (application.state, application.decided_on) != ("endorsed", decided_on):
        _check_change(application, "endorsed", decided_on)
    key = (application.person_id, application.association, application.category)
    with undoable(context, _decision(application, "endorsed")):
        endorsement, _ = begin_endorsement(
            context.session, key, decided_on, who=context.actor.label, at=context.now
        )
        context.update_row(
            application, APPLICATION_AUDITED, state="endorsed", decided_on=decided_on
        )
    evaluate_people(context.session, context.rulebooks, {application.person_id}, context.now)
    return endorsement.id


def undo_application_decision(context: ServiceContext, removal: Removal) -> UndoneDecision:
    """Take back an endorsement, or open a declined application again, as it was.

    ``removal`` comes from `get_decision`. Raises Refused if something came after the decision: a
    session that was logged on a day of the endorsement, another application, or any other change.
    """
    session = context.session
    application = get_application(session, removal.subject_id or 0)
    if application is None:
        raise NotFound
    session.refresh(application)
    if application.state == "endorsed" and application.decided_on is not None:
        _require_nothing_logged(session, removal, application.decided_on)
    undone = revert_decision(context, removal, _watch(application))
    evaluate_people(session, context.rulebooks, {removal.person_id}, context.now)
    return undone


def find_undoable_decision(
    session: Session, application_ids: Collection[int], now: datetime
) -> Removal | None:
    """The last decision about one of these applications, if it can be undone now."""
    removal = find_undoable(session, "application", application_ids, now)
    application = get_application(session, removal.subject_id or 0) if removal else None
    if removal is None or application is None:
        return None
    return None if find_obstacle(session, removal, _watch(application)) else removal


def _require_nothing_logged(session: Session, removal: Removal, day: date) -> None:
    """Raise Refused if a session of the endorsee, or one they provided, was logged since."""
    query = (
        select(col(Entry.held_on))
        .where(
            or_(Entry.person_id == removal.person_id, Entry.provider_id == removal.person_id),
            col(Entry.logged_at) >= removal.removed_at,
            col(Entry.held_on) >= day,
        )
        .order_by(col(Entry.held_on))
    )
    held_on = session.exec(query).first()
    if held_on is not None:
        raise Refused(Refusal("undo", "undo-logged-since", {"held_on": held_on}))


def _decision(application: Application, state: str) -> UndoableDecision:
    """A decision about an application, for `undoable`."""
    name = f"{application.association} {application.category}"
    return UndoableDecision(
        kind="application",
        subject_id=application.id,
        person_id=application.person_id,
        association=application.association,
        description=f"{name}, {state}",
        watched=_watch(application),
    )


def _watch(application: Application) -> dict[str, ColumnElement[bool]]:
    """The rows that a decision about an application may change, by table."""
    watched: dict[str, ColumnElement[bool]] = {}
    for model in (Application, Endorsement):
        watched[str(model.__tablename__)] = (
            (col(model.person_id) == application.person_id)
            & (col(model.association) == application.association)
            & (col(model.category) == application.category)
        )
    return watched


def covering(terms: Terms, day: date) -> date | None:
    """The first day of the term that holds on ``day``; None if none does."""
    for starts_on, ends_on in terms.items():
        if starts_on <= day and (ends_on is None or day <= ends_on):
            return starts_on
    return None


def later_term(terms: Terms, day: date) -> date | None:
    """The first day of a later term, which an endless one from ``day`` on would overlap."""
    return min((starts_on for starts_on in terms if starts_on > day), default=None)


def begin_endorsement(
    session: Session, key: EndorsementKey, day: date, *, who: str, at: datetime
) -> tuple[Endorsement, bool]:
    """Let an endorsement hold on ``day``; it, and whether it is new.

    If none covers the day, one without an end begins then, recorded in the audit log as done by
    ``who`` at the instant ``at``. Raises Refused if one begins later.
    """
    person_id, association, category = key
    query = select(Endorsement, LAST_DAY).where(
        Endorsement.person_id == person_id,
        Endorsement.association == association,
        Endorsement.category == category,
    )
    known, terms = {}, {}
    for held, last_day in session.exec(query):
        known[held.starts_on], terms[held.starts_on] = held, last_day
    starts_on = covering(terms, day)
    if starts_on is not None:
        return known[starts_on], False
    later = later_term(terms, day)
    if later is not None:
        raise Refused(Refusal("day", "endorsed-later", {"starts_on": later, "day": day}))
    endorsement = Endorsement(
        person_id=person_id, association=association, category=category, starts_on=day
    )
    session.add(endorsement)
    session.flush()
    after = endorsement.model_dump(exclude={"id", "ended_as"})
    record_changes(session, [Change(who, at, "endorsement", endorsement.id, None, after)])
    return endorsement, True


def _rank(standing: ApplicationStanding) -> tuple[int, float, date, str, int]:
    candidate = standing.facts.candidate
    return (
        _RANKS.index(standing.status),
        share_missing(standing),
        candidate.submitted_on or date.max,
        standing.facts.name.casefold(),
        standing.facts.subject_id,
    )


def lock_application(context: ServiceContext, application_id: int) -> Application:
    """The application as stored once nobody else changes one of the person's.

    Raises NotFound unless it is the actor's own, or at an association that they coordinate.
    """
    application = get_application(context.session, application_id)
    if application is None:
        raise NotFound
    is_own = application.person_id == context.actor.person_id
    if not is_own and application.association not in context.actor.coordinates:
        raise NotFound
    lock_person(context.session, application.person_id)
    # Someone else may have changed or removed it while this waited for the lock.
    current = context.session.get(Application, application_id, populate_existing=True)
    if current is None:
        raise NotFound
    return current


def lock_applicant(context: ServiceContext, application_id: int) -> Application:
    """As `lock_application`, for a coordinator of the association, and not about themselves."""
    application = lock_application(context, application_id)
    if application.association not in context.actor.coordinates:
        raise NotFound
    require_other_person(context, application.person_id)
    return application


def _check_change(application: Application, state: str, day: date) -> None:
    """Raise Refused if the application cannot get ``state`` on ``day``."""
    facts = {**application.model_dump(), "wanted": state, "day": day}
    if application.is_decided:
        raise Refused(Refusal("day", "application-decided", facts))
    if state == application.state:
        raise Refused(Refusal("day", "application-submitted", facts))
    if application.submitted_on and day < application.submitted_on:
        raise Refused(Refusal("day", "before-submission", facts))
    if day < application.opened_on:
        raise Refused(Refusal("day", "before-opening", facts))
