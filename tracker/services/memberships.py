"""Membership terms: what people record themselves, and what coordinators record for them.

Both days of a term are included.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

from tracker.db.people import Membership
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import end_of_years
from tracker.rules.requirement import INDIVIDUAL, MEMBERSHIP_KINDS
from tracker.services.applications import list_undecided_applications
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_person,
    require_other_person,
)
from tracker.services.desk_access import get_desk_person
from tracker.services.endorsements import (
    CycleLock,
    endorsements_of,
    load_person_locks,
    refusal_of_lock,
)
from tracker.services.evaluation import evaluate_people
from tracker.services.removals import get_first_row, get_own_deletion, keep_for_undo, restore

# No membership that has a last day is longer; a day beyond is a typing error.
MAX_TERM_YEARS = 50
_ONE_DAY = timedelta(days=1)
_AUDITED = {"person_id", "organization", "kind", "starts_on", "ends_on"}


@dataclass(frozen=True, slots=True)
class MembershipTerm:
    """An organization, and the first and last day (None: for life) of a membership in it.

    ``kind`` is whether it is the person's own, or that of their agency.
    """

    organization: str
    starts_on: date
    ends_on: date | None
    kind: str = INDIVIDUAL

    @property
    def last_day(self) -> date:
        """The last day; ``date.max`` if there is none."""
        return self.ends_on or date.max


def list_memberships(session: Session, person_id: int) -> Sequence[Membership]:
    """A person's terms by organization, the latest term first."""
    query = (
        select(Membership)
        .where(Membership.person_id == person_id)
        .order_by(col(Membership.organization), col(Membership.starts_on).desc())
    )
    return session.exec(query).all()


def get_own_membership(session: Session, person_id: int, membership_id: int) -> Membership:
    """A term that the person recorded.

    Raises NotFound for any other term, including those that the association recorded.
    """
    membership = session.get(Membership, membership_id)
    if membership is None or membership.person_id != person_id or not membership.recorded_by:
        raise NotFound
    return membership


def list_accepted_organizations(
    session: Session, rulebooks: Rulebooks, person_id: int
) -> list[str]:
    """Whose membership a person's associations accept; the associations themselves come first."""
    associations = [one.association for one in endorsements_of(session, person_id)]
    associations += [one.association for one in list_undecided_applications(session, person_id)]
    return _list_accepted_by(rulebooks, associations)


def find_membership_lock(
    session: Session, rulebooks: Rulebooks, membership: Membership, now: datetime
) -> CycleLock | None:
    """The closed cycle that keeps a term from being changed or deleted, if there is one.

    A term belongs to the cycles that hold its last day, however early it began. One for life
    belongs to none that is closed.
    """
    if membership.ends_on is None:
        return None
    locks = load_person_locks(session, rulebooks, membership.person_id, now)
    return locks.closed_on(membership.ends_on)


def create_membership(context: ServiceContext, term: MembershipTerm) -> int:
    """Record a term for the actor and return its id.

    A term that the actor has recorded before (a double click) is not stored again.
    """
    lock_person(context.session, context.person_id)
    for known in list_memberships(context.session, context.person_id):
        if known.recorded_by and _term_of(known) == term:
            return known.id
    _check_term(context, term, replaced=None)
    membership = Membership(
        person_id=context.person_id, recorded_by=context.actor.label, **asdict(term)
    )
    context.create_row(membership, _AUDITED)
    evaluate_people(context.session, context.rulebooks, {context.person_id}, context.now)
    return membership.id


def record_membership(context: ServiceContext, person_id: int, term: MembershipTerm) -> int:
    """Record a term for an endorsee or applicant, as the association's word; return its id.

    The days may be in a closed cycle, which stays as it was settled. Raises NotFound for somebody
    who is not the actor's to see, and Refused for an organization that none of the actor's
    associations accepts, or a term that overlaps another one.
    """
    get_desk_person(context.session, context.actor, person_id)
    require_other_person(context, person_id)
    lock_person(context.session, person_id)
    refusals = [*_validate_kind(term), *_validate_length(term)]
    if term.organization not in list_recordable_organizations(context):
        refusals.append(Refusal("organization", "organization-not-accepted"))
    overlaps = _find_overlaps(term, list_memberships(context.session, person_id))
    refusals += [replace(one, code=f"recorded-{one.code}") for one in overlaps]
    if refusals:
        raise Refused(*refusals)
    membership = Membership(person_id=person_id, **asdict(term))
    context.create_row(membership, _AUDITED)
    evaluate_people(context.session, context.rulebooks, {person_id}, context.now)
    return membership.id


def list_recordable_organizations(context: ServiceContext) -> list[str]:
    """Whose membership the actor's associations accept; the associations themselves come first."""
    return _list_accepted_by(context.rulebooks, context.associations)


def update_membership(context: ServiceContext, membership_id: int, term: MembershipTerm) -> None:
    """Change a term that the actor recorded."""
    lock_person(context.session, context.person_id)
    membership = get_own_membership(context.session, context.person_id, membership_id)
    _check_term(context, term, replaced=membership)
    context.update_row(membership, _AUDITED, **asdict(term))
    evaluate_people(context.session, context.rulebooks, {context.person_id}, context.now)


def delete_membership(context: ServiceContext, membership_id: int) -> None:
    """Delete a term that the actor recorded; for a day `restore_membership` brings it back."""
    lock_person(context.session, context.person_id)
    membership = get_own_membership(context.session, context.person_id, membership_id)
    lock = find_membership_lock(context.session, context.rulebooks, membership, context.now)
    if lock is not None:
        raise Refused(refusal_of_lock("ends_on", lock))
    description = f"{membership.organization}, {membership.starts_on}"
    keep_for_undo(context, "membership", membership_id, description)
    context.delete_row(membership, _AUDITED)
    evaluate_people(context.session, context.rulebooks, {context.person_id}, context.now)


def restore_membership(context: ServiceContext, removal_id: int) -> None:
    """Bring back a term that the actor deleted; twice is like once.

    Raises NotFound if it was deleted more than a day ago, and Refused if it can't be recorded
    anymore: its cycle is closed, or another term has taken its place.
    """
    lock_person(context.session, context.person_id)
    removal = get_own_deletion(context, "membership", removal_id)
    if removal.undone_at is not None:
        return
    _, values = get_first_row(removal)
    # Its kind does not matter here, and was checked when it was recorded.
    term = MembershipTerm(values["organization"], values["starts_on"], values["ends_on"])
    _check_term(context, term, replaced=None)
    restore(context, removal)


def _list_accepted_by(rulebooks: Rulebooks, associations: Sequence[str]) -> list[str]:
    accepted = {name for each in associations for name in rulebooks.accepted_by(each)}
    return sorted(accepted, key=lambda name: (name not in associations, name))


def _term_of(membership: Membership) -> MembershipTerm:
    return MembershipTerm(
        membership.organization, membership.starts_on, membership.ends_on, membership.kind
    )


def _check_term(
    context: ServiceContext, term: MembershipTerm, *, replaced: Membership | None
) -> None:
    """Raise Refused for a term that cannot be recorded, or cannot take the place of another."""
    session, rulebooks = context.session, context.rulebooks
    accepted = list_accepted_organizations(session, rulebooks, context.person_id)
    last_days = [term.ends_on]
    if replaced is not None:
        accepted.append(replaced.organization)
        last_days.append(replaced.ends_on)
    refusals = []
    if term.organization not in accepted:
        refusals.append(Refusal("organization", "organization-not-accepted"))
    refusals += [*_validate_kind(term), *_validate_length(term)]
    locks = load_person_locks(session, rulebooks, context.person_id, context.now)
    for last_day in last_days:
        lock = locks.closed_on(last_day) if last_day else None
        if lock is not None:
            refusals.append(refusal_of_lock("ends_on", lock))
            break
    memberships = list_memberships(session, context.person_id)
    refusals += _find_overlaps(term, [each for each in memberships if each is not replaced])
    if refusals:
        raise Refused(*refusals)


def _validate_kind(term: MembershipTerm) -> list[Refusal]:
    is_known = term.kind in MEMBERSHIP_KINDS
    return [] if is_known else [Refusal("organization", "organization-not-accepted")]


def _validate_length(term: MembershipTerm) -> list[Refusal]:
    if term.ends_on is None:
        return []
    if term.ends_on < term.starts_on:
        return [Refusal("ends_on", "ends-before-start", {"starts_on": term.starts_on})]
    if term.ends_on > end_of_years(term.starts_on, MAX_TERM_YEARS):
        return [Refusal("ends_on", "membership-too-long", {"years": MAX_TERM_YEARS})]
    return []


def _find_overlaps(term: MembershipTerm, memberships: Sequence[Membership]) -> list[Refusal]:
    """Why a term does not fit between ``memberships``, the latest first, and which day would."""
    others = [
        _term_of(each) for each in reversed(memberships) if each.organization == term.organization
    ]
    first = next((other for other in others if term.starts_on <= other.last_day), None)
    if first is None:
        return []
    if term.starts_on < first.starts_on:
        facts = {**asdict(first), "fits_on": first.starts_on - _ONE_DAY}
        runs_into = Refusal("ends_on", "membership-runs-into", facts)
        return [runs_into] if first.starts_on <= term.last_day else []
    return [_refuse_first_day(term.starts_on, first, others)]


def _refuse_first_day(
    day: date, first: MembershipTerm, others: Sequence[MembershipTerm]
) -> Refusal:
    """Why no term can start on a day of ``first``, and the next day on which one can."""
    fits_on = day
    for other in others:
        if not other.starts_on <= fits_on <= other.last_day:
            continue
        if other.ends_on is None:
            return Refusal("starts_on", "membership-is-for-life", asdict(other))
        fits_on = other.ends_on + _ONE_DAY
    return Refusal("starts_on", "membership-overlaps", {**asdict(first), "fits_on": fits_on})
