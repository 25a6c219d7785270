"""Requests for leave or a later due date: endorsees submit them, coordinators decide.

The first and last day of a leave are included, and so is a due date.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, delete
from sqlmodel import Session, and_, col, func, select

from tracker.db.corrections import Removal
from tracker.db.ledgers import Notice, SettledCycle
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Leave, Person, Renewal, TimeRequest, Waiver
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.absences import read_terms
from tracker.rules.cycles import Cycle
from tracker.rules.standing import Absence, Standing, Status
from tracker.services.absence_limits import check_limits, is_ever_offered, list_absences
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.endorsements import (
    Endorsed,
    endorsement_within,
    endorsements_of,
    load_person_locks,
    refusal_of_lock,
)
from tracker.services.evaluation import days_at, evaluate_people, judge_current
from tracker.services.facts import parse_settlement
from tracker.services.message_subjects import About
from tracker.services.reopening import reopen_cycle
from tracker.services.undo import (
    UndoableDecision,
    UndoneDecision,
    find_obstacle,
    find_undoable,
    revert_decision,
    undoable,
)

LEAVE, INACTIVE, EXTENSION = "leave", "inactive", "extension"
PENDING, GRANTED, DECLINED, WITHDRAWN = "asked", "granted", "declined", "withdrawn"
_Row = TypeVar("_Row", Leave, Renewal)
_EXTENDABLE = (Status.OVERDUE, Status.OPEN, Status.LAPSED)


class RequestedDays(NamedTuple):
    """The first and last day of a leave; or the first day of a cycle and the new due date.

    ``ends_on`` is None for a leave whose last day is not known yet.
    """

    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class NewTimeRequest:
    """What an endorsee submits; a form that is submitted twice has the same ``form_key``."""

    endorsement_id: int
    days: RequestedDays
    reason: str
    form_key: str


class SubmittedRequest(NamedTuple):
    """A stored request, with the person who submitted it and the endorsement."""

    request: TimeRequest
    person: Person
    endorsement: Endorsement

    @property
    def days(self) -> RequestedDays:
        """The requested days; of a granted request the days that were granted."""
        return RequestedDays(self.request.starts_on, self.request.ends_on)

    @property
    def endorsement_name(self) -> str:
        """``NCIMHA IFS``."""
        return f"{self.endorsement.association} {self.endorsement.category}"

    @property
    def is_pending(self) -> bool:
        """Whether the request has been neither decided nor withdrawn."""
        return self.request.state == PENDING


class DecidedRequest(NamedTuple):
    """What a coordinator decided: the days that were requested and granted (None: declined).

    ``hours_until`` is the last day on which hours of an extended renewal may be held.
    """

    submitted: SubmittedRequest
    requested: RequestedDays
    granted: RequestedDays | None
    hours_until: date | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A waiver (of ``requirement``), an extension (to ``ends_on``), or else leave.

    Leave is of a ``kind``: inactive status is recorded like leave. ``starts_on`` is the first day
    of the cycle or of the leave; ``ends_on`` is the new due date or the last day of the leave
    (None: not known yet). ``occasion`` tells it from the same grant at
    another time; empty: there is one letter about it, ever.
    """

    endorsement_id: int
    starts_on: date
    ends_on: date | None = None
    requirement: str = ""
    is_extension: bool = False
    occasion: str = ""
    kind: AbsenceKind = "leave"

    @property
    def key(self) -> str:
        """Names the occasion of the letter."""
        what = self.requirement or ("extension" if self.is_extension else self.kind)
        key = f"granted:{self.endorsement_id}:{what}:{self.starts_on}:{self.ends_on}"
        return f"{key}:{self.occasion}" if self.occasion else key


def find_grant(session: Session, grant: Grant) -> About | None:
    """The row that holds a grant; None if there is none."""
    model: Any = Leave
    key: dict[str, Any] = {"endorsement_id": grant.endorsement_id, "starts_on": grant.starts_on}
    if grant.requirement or grant.is_extension:
        model = Renewal if grant.is_extension else Waiver
        key["cycle_starts_on"] = key.pop("starts_on")
    if model is Waiver:
        key["requirement"] = grant.requirement
    row = session.exec(select(model).filter_by(**key)).first()
    return None if row is None else About(str(model.__tablename__), row.id)


_SUBMITTED = (
    select(TimeRequest, Person, Endorsement)
    .join(Endorsement, col(Endorsement.id) == col(TimeRequest.endorsement_id))
    .join(Person, col(Person.id) == col(Endorsement.person_id))
)


def list_own_requests(session: Session, person_id: int) -> list[SubmittedRequest]:
    """All requests of a person, the newest first."""
    query = _SUBMITTED.where(Person.id == person_id).order_by(col(TimeRequest.id).desc())
    return [SubmittedRequest(*row) for row in session.exec(query)]


def list_requests(
    session: Session,
    association: str,
    *,
    undecided: bool,
    skip: int = 0,
    limit: int | None = None,
) -> list[SubmittedRequest]:
    """An association's undecided requests, oldest first; or its decided ones, newest first."""
    order = col(TimeRequest.asked_at) if undecided else col(TimeRequest.decided_at).desc()
    query = _SUBMITTED.where(_is_listed(association, undecided=undecided))
    query = query.order_by(order, col(TimeRequest.id)).offset(skip).limit(limit)
    return [SubmittedRequest(*row) for row in session.exec(query)]


def count_requests(session: Session, association: str, *, undecided: bool) -> int:
    """How many requests `list_requests` has in all."""
    query = (
        select(func.count())
        .select_from(TimeRequest)
        .join(Endorsement)
        .where(_is_listed(association, undecided=undecided))
    )
    return session.exec(query).one()


def get_request(
    session: Session, request_id: int, associations: Collection[str]
) -> SubmittedRequest:
    """A request at one of these associations. Raises NotFound for any other."""
    return _get(session, request_id, col(Endorsement.association).in_(associations))


def _get(
    session: Session, request_id: int | None, condition: ColumnElement[bool]
) -> SubmittedRequest:
    row = session.exec(_SUBMITTED.where(TimeRequest.id == request_id, condition)).first()
    if row is None:
        raise NotFound
    return SubmittedRequest(*row)


def list_current_endorsements(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> list[Endorsed]:
    """A person's endorsements that have not ended: those for which they can request leave.

    For inactive status see `list_with_inactive_status`.
    """
    today_at = days_at(rulebooks, now)
    return [
        one
        for one in endorsements_of(session, person_id)
        if one.association in rulebooks.associations
        and (one.ends_on is None or one.ends_on >= today_at(one.association))
    ]


def list_with_inactive_status(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> list[Endorsed]:
    """A person's endorsements for which inactive status can be requested."""
    today_at = days_at(rulebooks, now)
    offered = []
    for held in list_current_endorsements(session, rulebooks, person_id, now):
        rulebook = rulebooks.associations[held.association]
        if is_ever_offered(rulebook, "inactive", today_at(held.association)):
            offered.append(held)
    return offered


def list_extendable_renewals(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> list[tuple[Standing, Cycle, date]]:
    """A person's renewals that still miss something, each with its cycle and due date.

    Those that can be completed come first.
    """
    current = list_current_endorsements(session, rulebooks, person_id, now)
    ids = [endorsement.id for endorsement in current]
    renewals = []
    for standing in judge_current(session, rulebooks, days_at(rulebooks, now), endorsement_ids=ids):
        cycle, due_on = standing.plan.cycle, standing.due_on
        if standing.status in _EXTENDABLE and cycle is not None and due_on is not None:
            renewals.append((standing, cycle, due_on))
    return sorted(renewals, key=lambda r: (_EXTENDABLE.index(r[0].status), r[2]))


def find_extended_standing(
    session: Session, rulebooks: Rulebooks, submitted: SubmittedRequest, now: datetime
) -> Standing | None:
    """The standing in the cycle that an extension is requested for.

    None for a request for leave, and if the cycle is not the current or the previous one.
    """
    if submitted.request.kind != EXTENSION:
        return None
    endorsement = submitted.endorsement
    day_of = days_at(rulebooks, now)
    ids = [endorsement.id]
    for standing in list(judge_current(session, rulebooks, day_of, endorsement_ids=ids)):
        cycle = standing.plan.cycle
        if cycle is not None and cycle.starts_on == submitted.request.starts_on:
            return standing
    return None


def request_leave(context: ServiceContext, new: NewTimeRequest, kind: AbsenceKind = "leave") -> int:
    """Submit a request for leave, or for inactive status, and return its id."""
    lock_person(context.session, context.person_id)
    refusals = check_text("reason", new.reason)
    for endorsement in list_current_endorsements(
        context.session, context.rulebooks, context.person_id, context.now
    ):
        if endorsement.id == new.endorsement_id:
            refusals += _check_leave(context, endorsement, new.days, kind)
            break
    else:
        refusals.append(Refusal("endorsement_id", "endorsement-not-yours"))
    return _submit(context, kind, new, refusals)


def request_extension(context: ServiceContext, new: NewTimeRequest) -> int:
    """Submit a request for a later due date and return its id."""
    lock_person(context.session, context.person_id)
    refusals = check_text("reason", new.reason)
    requested = (new.endorsement_id, new.days.starts_on)
    for standing, cycle, due_on in list_extendable_renewals(
        context.session, context.rulebooks, context.person_id, context.now
    ):
        if (standing.facts.subject_id, cycle.starts_on) == requested:
            refusals += _check_due_date(new.days, due_on)
            break
    else:
        refusals.append(Refusal("endorsement_id", "renewal-not-yours"))
    return _submit(context, EXTENSION, new, refusals)


def withdraw_request(context: ServiceContext, request_id: int) -> None:
    """Withdraw a request of the actor's. Raises NotFound if it is no longer pending."""
    lock_person(context.session, context.person_id)
    submitted = _get(context.session, request_id, col(Person.id) == context.person_id)
    if not submitted.is_pending:
        raise NotFound
    _close(context, submitted.request, WITHDRAWN, None)


def grant_request(
    context: ServiceContext, request_id: int, days: RequestedDays, answer: str
) -> DecidedRequest:
    """Grant a request with these days, and evaluate the endorsee again.

    Of an extension only ``days.ends_on`` counts. A leave that begins on the same day is replaced,
    and so is an earlier extension of the same cycle.
    """
    submitted = _lock_pending(context, request_id)
    request, requested = submitted.request, submitted.days
    standing = find_extended_standing(context.session, context.rulebooks, submitted, context.now)
    refusals = check_text("answer", answer, required=False)
    hours_until = None
    if request.kind != EXTENSION:
        refusals += _check_order(days) or _check_limits_again(context, submitted, days)
    else:
        days = RequestedDays(request.starts_on, days.ends_on)
        if standing is not None and standing.due_on is not None and standing.plan.cycle is not None:
            refusals += _check_due_date(days, standing.due_on)
            hours_until = standing.plan.cycle.ends_on
    if refusals:
        raise Refused(*refusals)
    with undoable(context, _decision(submitted, GRANTED)):
        _grant(context, request, days, answer)
    evaluate_people(context.session, context.rulebooks, {submitted.person.id}, context.now)
    return DecidedRequest(submitted, requested, days, hours_until)


def _grant(context: ServiceContext, request: TimeRequest, days: RequestedDays, answer: str) -> None:
    request.starts_on, request.ends_on = days
    _close(context, request, GRANTED, answer or None)
    key: dict[str, Any] = {"endorsement_id": request.endorsement_id}
    if request.kind != EXTENSION:
        key["starts_on"] = days.starts_on
        values = {"kind": request.kind, "ends_on": days.ends_on}
        _store(context, Leave, key, **values, reason=request.reason)
    else:
        key["cycle_starts_on"] = days.starts_on
        _store(context, Renewal, key, extended_due_on=days.ends_on, reason=request.reason)
    _reopen_settled(context, request)


def _reopen_settled(context: ServiceContext, request: TimeRequest) -> None:
    """Let what is granted count for cycles that were settled while the request waited."""
    query = select(SettledCycle).where(SettledCycle.endorsement_id == request.endorsement_id)
    for settled in context.session.exec(query).all():
        due_on = parse_settlement(settled.content).due_on
        if request.kind == EXTENSION:
            is_meant = settled.cycle_starts_on == request.starts_on
        else:
            is_meant = _may_excuse(context, request, settled, due_on)
        if is_meant:
            key = (request.endorsement_id, settled.cycle_starts_on)
            reopen_cycle(context, *key, f"{request.kind} granted")


def _may_excuse(
    context: ServiceContext, request: TimeRequest, settled: SettledCycle, due_on: date
) -> bool:
    """Whether the days of a granted leave can change what a settled cycle requires."""
    last_day = request.ends_on or date.max
    if request.starts_on <= due_on <= last_day:
        return True
    endorsement = context.session.get_one(Endorsement, request.endorsement_id)
    if endorsement.association not in context.rulebooks.associations:
        return False
    triple = (endorsement.association, endorsement.category, endorsement.starts_on)
    plan = context.rulebooks.plan(*triple, settled.cycle_starts_on)
    if plan is None or plan.cycle is None:
        return False
    terms = read_terms(plan, plan.cycle, absence_kind(request.kind))
    is_within = request.starts_on <= plan.cycle.ends_on and last_day >= plan.cycle.starts_on
    return is_within and terms.excuses == "hours in proportion"


def decline_request(context: ServiceContext, request_id: int, answer: str) -> DecidedRequest:
    """Decline a request, with the reason for the endorsee."""
    submitted = _lock_pending(context, request_id)
    if refusals := check_text("answer", answer):
        raise Refused(*refusals)
    with undoable(context, _decision(submitted, DECLINED)):
        _close(context, submitted.request, DECLINED, answer)
    return DecidedRequest(submitted, submitted.days, granted=None)


def undo_request_decision(
    context: ServiceContext, removal: Removal
) -> tuple[UndoneDecision, SubmittedRequest]:
    """Let a request wait for a decision again, and take back what was granted.

    ``removal`` comes from `get_decision`. Raises Refused if something came after the decision:
    another request, a settled cycle, or a session that only the later due date allowed.
    """
    session = context.session
    submitted = _get(
        session, removal.subject_id, col(Endorsement.association) == removal.association
    )
    undone = revert_decision(context, removal, _list_watched(submitted))
    _require_open_days(context, removal)
    _forget_skipped_notices(context, submitted.endorsement, removal)
    evaluate_people(session, context.rulebooks, {removal.person_id}, context.now)
    return undone, submitted


def find_undoable_decision(
    session: Session, submitted: SubmittedRequest, now: datetime
) -> Removal | None:
    """The last decision about a request, if it can be undone now."""
    removal = find_undoable(session, "time_request", [submitted.request.id], now)
    if removal is None:
        return None
    return None if find_obstacle(session, removal, _list_watched(submitted)) else removal


def _forget_skipped_notices(
    context: ServiceContext, endorsement: Endorsement, removal: Removal
) -> None:
    """Let the next run decide again about notices that were skipped since the decision."""
    today_at = days_at(context.rulebooks, removal.removed_at)
    skipped = delete(Notice).where(
        col(Notice.endorsement_id) == endorsement.id,
        col(Notice.outcome) == "skipped",
        col(Notice.decided_on) >= today_at(endorsement.association),
    )
    context.session.exec(skipped)


def _require_open_days(context: ServiceContext, removal: Removal) -> None:
    """Raise Refused if an entry was logged since the decision on a day that is closed now."""
    query = select(col(Entry.held_on)).where(
        Entry.person_id == removal.person_id, col(Entry.logged_at) >= removal.removed_at
    )
    locks = load_person_locks(context.session, context.rulebooks, removal.person_id, context.now)
    for held_on in context.session.exec(query.order_by(col(Entry.held_on))):
        if locks.closed_on(held_on) is not None:
            raise Refused(Refusal("undo", "undo-logged-since", {"held_on": held_on}))


def _decision(submitted: SubmittedRequest, state: str) -> UndoableDecision:
    """A decision about a request, for `undoable`."""
    return UndoableDecision(
        kind="time_request",
        subject_id=submitted.request.id,
        person_id=submitted.person.id,
        association=submitted.endorsement.association,
        description=f"{submitted.endorsement_name}, {submitted.request.kind} {state}",
        watched=_list_watched(submitted),
    )


def _list_watched(submitted: SubmittedRequest) -> dict[str, ColumnElement[bool]]:
    """The rows that a decision about a request may change, by table."""
    kind, endorsement_id = submitted.request.kind, submitted.endorsement.id
    granted: type[Leave | Renewal] = Renewal if kind == EXTENSION else Leave
    same_kind = (col(TimeRequest.endorsement_id) == endorsement_id) & (
        col(TimeRequest.kind) == kind
    )
    return {
        "time_request": same_kind,
        str(granted.__tablename__): col(granted.endorsement_id) == endorsement_id,
        "settled_cycle": col(SettledCycle.endorsement_id) == endorsement_id,
    }


def _check_order(days: RequestedDays) -> list[Refusal]:
    if days.ends_on is not None and days.ends_on < days.starts_on:
        return [Refusal("ends_on", "ends-before-start", {"starts_on": days.starts_on})]
    return []


def _check_leave(
    context: ServiceContext, endorsement: Endorsed, days: RequestedDays, kind: AbsenceKind
) -> list[Refusal]:
    """Why a leave cannot be taken, or can no longer excuse a renewal."""
    if refusals := _check_order(days):
        return refusals
    others = list_absences(context.session, endorsement.id)
    absence = Absence(days.starts_on, days.ends_on or date.max, kind)
    rulebook = context.rulebooks.associations[endorsement.association]
    if refusals := check_limits(rulebook, endorsement, absence, others):
        return refusals
    if days.ends_on is None:
        return []
    if days.ends_on < endorsement.starts_on:
        facts = {"starts_on": endorsement.starts_on}
        return [Refusal("ends_on", "leave-before-endorsement", facts)]
    locks = load_person_locks(context.session, context.rulebooks, context.person_id, context.now)
    lock = locks.cycle_of(endorsement, days.ends_on)
    if lock is None or lock.grace_ends_on >= locks.day_of(endorsement.association):
        return []
    return [replace(refusal_of_lock("ends_on", lock), code="leave-in-closed-cycle")]


def _check_limits_again(
    context: ServiceContext, submitted: SubmittedRequest, days: RequestedDays
) -> list[Refusal]:
    """Why the days that a coordinator grants are not possible; a leave on the first is replaced."""
    request, _, endorsement = submitted
    held = endorsement_within(context.session, endorsement.id, {endorsement.association})
    rulebook = context.rulebooks.associations.get(endorsement.association)
    if held is None or rulebook is None:
        return []
    others = list_absences(context.session, endorsement.id)
    others = [each for each in others if each.starts_on != days.starts_on]
    absence = Absence(days.starts_on, days.ends_on or date.max, absence_kind(request.kind))
    return check_limits(rulebook, held, absence, others)


def absence_kind(kind: str) -> AbsenceKind:
    """The kind of days away that a request for leave or inactive status is about."""
    return "inactive" if kind == INACTIVE else "leave"


def _check_due_date(days: RequestedDays, due_on: date) -> list[Refusal]:
    """Why a renewal that is due on ``due_on`` cannot be extended to another day."""
    if days.ends_on is None or days.ends_on <= due_on:
        return [Refusal("ends_on", "due-date-not-later", {"due_on": due_on})]
    return []


def _submit(
    context: ServiceContext, kind: str, new: NewTimeRequest, refusals: Sequence[Refusal]
) -> int:
    if refusals:
        raise Refused(*refusals)
    values: dict[str, Any] = {
        "endorsement_id": new.endorsement_id,
        "kind": kind,
        "starts_on": new.days.starts_on,
        "ends_on": new.days.ends_on,
    }
    of_endorsement = select(TimeRequest).where(TimeRequest.endorsement_id == new.endorsement_id)
    # What was sent with a form's key may be decided; the same form, changed, is another request.
    changed_key = uuid.uuid5(uuid.NAMESPACE_OID, f"{new.form_key} {values} {new.reason}").hex
    same = of_endorsement.filter_by(reason=new.reason, **values)
    same = same.where(col(TimeRequest.form_key).in_([new.form_key, changed_key]))
    if (known := context.session.exec(same).first()) is not None:
        return known.id
    pending = of_endorsement.filter_by(kind=kind, state=PENDING)
    if context.session.exec(pending).first() is not None:
        raise Refused(Refusal("endorsement_id", "request-open"))
    sent_before = context.session.exec(of_endorsement.filter_by(form_key=new.form_key)).first()
    request = TimeRequest(
        **values,
        reason=new.reason,
        form_key=new.form_key if sent_before is None else changed_key,
        asked_at=context.now,
    )
    # The reason is personal, so the audit log does not repeat it.
    context.create_row(request, values)
    return request.id


def _lock_pending(context: ServiceContext, request_id: int) -> SubmittedRequest:
    """A pending request at one of the actor's associations; nobody else can decide it now."""
    submitted = get_request(context.session, request_id, context.actor.coordinates)
    require_other_person(context, submitted.person.id)
    lock_person(context.session, submitted.person.id)
    context.session.refresh(submitted.request)
    if not submitted.is_pending:
        raise Refused(Refusal("state", "request-decided"))
    return submitted


def _close(context: ServiceContext, request: TimeRequest, state: str, answer: str | None) -> None:
    values = {"answer": answer, "decided_at": context.now, "decided_by": context.actor.label}
    context.update_row(request, {"state"}, state=state, **values)


def _store(
    context: ServiceContext,
    model: type[_Row],
    key: Mapping[str, Any],
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    """Update the row that ``key`` names, or insert it, with its audit event."""
    row = context.session.exec(select(model).filter_by(**key)).first()
    audited = {*key, *values} - {"reason"}
    if row is None:
        context.create_row(model(**key, **values), audited)
    else:
        context.update_row(row, audited, **values)


def _is_listed(association: str, *, undecided: bool) -> ColumnElement[bool]:
    states = [PENDING] if undecided else [GRANTED, DECLINED]
    return and_(Endorsement.association == association, col(TimeRequest.state).in_(states))
