"""Group sessions: an RSC provider logs one session for several supervisees, who each confirm it.

Providers never learn whether an address is known here, or whose it is.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import selectinload
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from tracker.db.log import GroupMember, GroupSession
from tracker.db.people import Person
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_person,
    lock_records,
)
from tracker.services.entry_rules import DAILY_LIMIT, length_key, unusual_minutes, usual_title
from tracker.services.qualification import DayQualification, qualify_day
from tracker.services.rsc_providers import load_providers
from tracker.services.sign_in import find_former_owner, find_person_by_email

MEMBER_LIMIT = 40
# How often in a day one provider can name one person.
PERSON_DAILY_LIMIT = 10
_ONE_DAY = timedelta(days=1)
_AUDITED = {"provider_id", "held_on", "minutes", "title"}
_AUDITED_MEMBER = set(GroupMember.model_fields) - {"id", "name", "answered_at", "reminded_at"}


@dataclass(frozen=True, slots=True)
class Invitation:
    """A person whom a provider names: ``email`` in lower case, ``name`` if chosen from the list."""

    email: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class GroupSessionInput:
    """What a provider enters about a session; whole minutes.

    An empty title becomes the usual one. Each address is invited once.
    """

    held_on: date
    minutes: int
    title: str
    invitations: Sequence[Invitation]


@dataclass(frozen=True, slots=True)
class GroupSessionWarnings:
    """What a provider confirms before a session is saved.

    ``similar`` may be the same session, logged before; ``minutes`` is 0 for a usual length;
    ``qualification`` is set if the sessions of that day do not count everywhere.
    """

    similar: GroupSession | None = None
    minutes: int = 0
    qualification: DayQualification | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """What a form sends back to confirm these warnings."""
        keys = []
        if self.qualification is not None:
            keys.append(self.qualification.day.isoformat())
        if self.similar is not None:
            keys.append(str(self.similar.id))
        if self.minutes:
            keys.append(length_key(self.minutes))
        return tuple(keys)


class GroupSessionNeedsConfirmation(Exception):  # noqa: N818 - reads as the sentence it is
    """Nothing was saved yet: the provider is asked whether these warnings are mistakes."""

    def __init__(self, warnings: GroupSessionWarnings) -> None:
        super().__init__(" ".join(warnings.keys))
        self.warnings = warnings


def list_group_sessions(session: Session, provider_id: int) -> list[GroupSession]:
    """All sessions that a provider has logged, the latest first, with their members."""
    return list(session.exec(select_own_sessions(provider_id)))


def find_group_session(
    session: Session, provider_id: int, group_session_id: int
) -> GroupSession | None:
    """One of a provider's own sessions; None if it does not exist or is another's."""
    return session.exec(
        select_own_sessions(provider_id).where(GroupSession.id == group_session_id)
    ).first()


def validate_members(
    session: Session,
    provider_id: int,
    invitations: Sequence[Invitation],
    invited: Collection[str] | None,
) -> list[Refusal]:
    """Every reason to refuse these invitations.

    ``invited`` are the addresses of the members so far; None for a new session.
    """
    refusals = []
    provider = session.get_one(Person, provider_id)
    own = {each.lower() for each in (provider.email, provider.second_email) if each}
    for invitation in invitations:
        if invitation.email in own:
            refusals.append(Refusal("others", "member-is-self", {"email": invitation.email}))
    if invited is None and not invitations:
        refusals.append(Refusal("people", "members-required"))
    emails = {invitation.email for invitation in invitations} | set(invited or ())
    if len(emails) > MEMBER_LIMIT:
        refusals.append(Refusal("others", "too-many-members", {"limit": MEMBER_LIMIT}))
    return refusals


def _require_room(context: ServiceContext, emails: Collection[str]) -> None:
    """Raise Refused if the provider has logged very many sessions in a day, in all or of a person.

    The limits are the same for every address, known or not.
    """
    lately = (
        col(GroupSession.provider_id) == context.person_id,
        col(GroupSession.logged_at) > context.now - _ONE_DAY,
    )
    total = select(func.count()).select_from(GroupSession).where(*lately)
    if context.session.exec(total).one() >= DAILY_LIMIT:
        raise Refused(Refusal("day", "daily-limit-reached", {"limit": DAILY_LIMIT}))
    query = (
        select(GroupMember.email)
        .join(GroupSession)
        .where(*lately, col(GroupMember.email).in_(emails))
    )
    named = Counter(context.session.exec(query))
    for email, times in named.items():
        if times >= PERSON_DAILY_LIMIT:
            facts = {"email": email, "limit": PERSON_DAILY_LIMIT}
            raise Refused(Refusal("others", "member-daily-limit", facts))


def create_group_session(
    context: ServiceContext,
    session_input: GroupSessionInput,
    form_key: str,
    confirmed: Collection[str] | None,
) -> tuple[GroupSession, list[int]]:
    """Save a new session once for each form key, and invite its members.

    Returns the session, and the ids of the members to notify: none if the form was saved before.
    ``confirmed`` are the keys of the warnings that the provider has confirmed; None, for programs,
    skips the warnings. Raises NotFound, Refused, and GroupSessionNeedsConfirmation.
    """
    provider_id = context.person_id
    lock_person(context.session, provider_id)
    if refusals := validate_members(context.session, provider_id, session_input.invitations, None):
        raise Refused(*refusals)
    _require_room(context, [invitation.email for invitation in session_input.invitations])
    session_input = _with_title(session_input, len(session_input.invitations))
    saved = context.session.exec(
        select_own_sessions(provider_id).where(GroupSession.form_key == form_key)
    ).first()
    if saved is not None:
        if _is_same(saved, session_input):
            return saved, []
        facts = {"minutes": saved.minutes, "held_on": saved.held_on}
        raise Refused(Refusal("form_key", "form-already-saved", facts))
    if confirmed is not None:
        similar = _find_similar(context.session, provider_id, session_input)
        _warn(context, session_input, confirmed, similar)
    group_session = GroupSession(
        provider_id=provider_id,
        held_on=session_input.held_on,
        minutes=session_input.minutes,
        title=session_input.title,
        form_key=form_key,
        logged_at=context.now,
    )
    context.create_row(group_session, _AUDITED)
    return group_session, _invite(context, group_session.id, session_input.invitations)


def update_group_session(
    context: ServiceContext,
    group_session_id: int,
    session_input: GroupSessionInput,
    confirmed: Collection[str],
) -> list[int]:
    """Change a session and invite more members; the ids of the members to notify.

    Members who disputed the session are asked again, and if it changed, also those who have not
    answered. Confirmed entries do not change. Raises NotFound, Refused, and
    GroupSessionNeedsConfirmation.
    """
    group_session = lock_group_session(context, group_session_id)
    if group_session.withdrawn_at is not None:
        raise NotFound
    invited = {member.email for member in group_session.members}
    provider_id, invitations = group_session.provider_id, session_input.invitations
    if refusals := validate_members(context.session, provider_id, invitations, invited):
        raise Refused(*refusals)
    new = [each for each in invitations if each.email not in invited]
    session_input = _with_title(session_input, len(invited) + len(new))
    _warn(context, session_input, confirmed)
    values = {name: getattr(session_input, name) for name in ("held_on", "minutes", "title")}
    states = {"disputed"}
    if values != group_session.model_dump(include=set(values)):
        states.add("asked")
    context.update_row(group_session, _AUDITED, **values)
    again = [member.id for member in group_session.members if member.state in states]
    return _ask_again(context, again) + _invite(context, group_session_id, new)


def remove_member(context: ServiceContext, group_session_id: int, member_id: int) -> None:
    """Remove a member who has not confirmed. Raises NotFound."""
    group_session = lock_group_session(context, group_session_id)
    for member in group_session.members:
        if member.id == member_id and member.state != "confirmed":
            context.delete_row(member, _AUDITED_MEMBER)
            return
    raise NotFound


def withdraw_group_session(context: ServiceContext, group_session_id: int) -> None:
    """Withdraw a session: nobody is asked about it anymore, and confirmed entries stay.

    Withdrawing again changes nothing. Raises NotFound.
    """
    group_session = lock_group_session(context, group_session_id)
    if group_session.withdrawn_at is not None:
        return
    context.update_row(group_session, _AUDITED | {"withdrawn_at"}, withdrawn_at=context.now)


def lock_group_session(context: ServiceContext, group_session_id: int) -> GroupSession:
    """One of the actor's own sessions, which no member can answer meanwhile. Raises NotFound."""
    query = select_own_sessions(context.person_id).where(GroupSession.id == group_session_id)
    group_session = context.session.exec(query.with_for_update()).first()
    if group_session is None:
        raise NotFound
    return group_session


def update_members(
    context: ServiceContext,
    members: Iterable[GroupMember],
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    """Set columns of these members."""
    for member in members:
        context.update_row(member, _AUDITED_MEMBER, **values)


def release_entry(context: ServiceContext, entry_id: int) -> None:
    """Before an entry is deleted, let the session that it confirmed wait for an answer again.

    The person is not reminded of a session whose entry they deleted.
    """
    query = select(GroupMember).execution_options(populate_existing=True)
    confirmed = context.session.exec(query.where(GroupMember.entry_id == entry_id)).first()
    if confirmed is None:
        return
    of_person = context.session.exec(
        query.where(
            GroupMember.group_session_id == confirmed.group_session_id,
            GroupMember.person_id == confirmed.person_id,
        ).order_by(col(GroupMember.id))
    ).all()
    update_members(
        context,
        of_person,
        state="asked",
        answered_at=None,
        entry_id=None,
        reminded_at=context.now,
    )


def select_own_sessions(provider_id: int) -> SelectOfScalar[GroupSession]:
    """A provider's sessions with their members, the latest first."""
    return (
        select(GroupSession)
        .where(GroupSession.provider_id == provider_id)
        .order_by(col(GroupSession.held_on).desc(), col(GroupSession.id).desc())
        .options(selectinload(GroupSession.members))  # type: ignore[arg-type] # a relationship
        .execution_options(populate_existing=True)
    )


def _with_title(session_input: GroupSessionInput, member_count: int) -> GroupSessionInput:
    if session_input.title:
        return session_input
    title = usual_title("rsc", "group" if member_count > 1 else "individual")
    return replace(session_input, title=title)


def _is_same(saved: GroupSession, session_input: GroupSessionInput) -> bool:
    named = {invitation.email for invitation in session_input.invitations}
    return (
        (saved.held_on, saved.minutes, saved.title)
        == (session_input.held_on, session_input.minutes, session_input.title)
    ) and {member.email for member in saved.members} == named


def _find_similar(
    session: Session, provider_id: int, session_input: GroupSessionInput
) -> GroupSession | None:
    """A session of that day with one of the same members: there is rarely a second one.

    Addresses are compared as the provider entered them, so that the provider does not learn
    which belong to one person.
    """
    query = select_own_sessions(provider_id).where(
        GroupSession.held_on == session_input.held_on, col(GroupSession.withdrawn_at).is_(None)
    )
    named = {invitation.email for invitation in session_input.invitations}
    for group_session in session.exec(query):
        if named & {member.email for member in group_session.members}:
            return group_session
    return None


def _warn(
    context: ServiceContext,
    session_input: GroupSessionInput,
    confirmed: Collection[str],
    similar: GroupSession | None = None,
) -> None:
    """Raise GroupSessionNeedsConfirmation for warnings that are not confirmed yet."""
    if similar is not None and str(similar.id) in confirmed:
        similar = None
    qualification = None
    if session_input.held_on.isoformat() not in confirmed:
        provider_id = context.person_id
        provider = load_providers(context.session, {provider_id})[provider_id]
        qualification = qualify_day(context.rulebooks, provider, session_input.held_on)
        if not qualification.warnings:
            qualification = None
    warnings = GroupSessionWarnings(
        similar, unusual_minutes(session_input.minutes, confirmed), qualification
    )
    if warnings.keys:
        raise GroupSessionNeedsConfirmation(warnings)


def _invite(
    context: ServiceContext, group_session_id: int, invitations: Iterable[Invitation]
) -> list[int]:
    ids = []
    for invitation in invitations:
        person = find_person_by_email(context.session, invitation.email)
        if person is None:
            person = find_former_owner(context.session, invitation.email)
        member = GroupMember(
            group_session_id=group_session_id,
            email=invitation.email,
            name=invitation.name,
            person_id=person.id if person else None,
            asked_at=context.now,
        )
        context.create_row(member, _AUDITED_MEMBER)
        ids.append(member.id)
    return ids


def _ask_again(context: ServiceContext, member_ids: Collection[int]) -> list[int]:
    """Ask these members anew, unless they have confirmed meanwhile; the ids of those asked."""
    unconfirmed = (
        select(GroupMember)
        .where(col(GroupMember.id).in_(member_ids), GroupMember.state != "confirmed")
        .order_by(col(GroupMember.id))
        .execution_options(populate_existing=True)
    )
    people = {member.person_id for member in context.session.exec(unconfirmed)}
    # In the order in which an answer locks: the session, the person, the member.
    lock_records(context.session, {person_id for person_id in people if person_id is not None})
    members = context.session.exec(unconfirmed).all()
    update_members(
        context,
        members,
        state="asked",
        answered_at=None,
        note=None,
        reminded_at=None,
        asked_at=context.now,
    )
    return [member.id for member in members]
