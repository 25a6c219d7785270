"""What supervisees answer about the sessions that their RSC providers have logged.

Supervisees see the provider and themselves, not who else took part.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam
from sqlalchemy.orm import selectinload
from sqlmodel import Session, col, exists, func, or_, select

from tracker.db.log import Entry, GroupMember, GroupSession
from tracker.db.people import Person
from tracker.rules.explain import LoggedEntry
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.entries import (
    EntrySource,
    create_entry,
    delete_entry,
    find_entry,
    select_entries,
)
from tracker.services.entry_rules import EntryInput
from tracker.services.group_sessions import update_members
from tracker.services.sign_in import find_person_by_email

NOTE_LIMIT = 500


@dataclass(frozen=True, slots=True)
class ConfirmationRequest:
    """A session in which, according to its provider, a person took part.

    ``format`` is "individual" or "group".
    """

    member: GroupMember
    group_session: GroupSession
    provider: str
    format: str

    @property
    def entry(self) -> EntryInput:
        """The entry that confirming it creates."""
        return EntryInput(
            activity="rsc",
            held_on=self.group_session.held_on,
            minutes=self.group_session.minutes,
            title=self.group_session.title,
            provider_id=self.group_session.provider_id,
            format=self.format,
        )

    @property
    def form_key(self) -> str:
        """The form key of that entry; no form of a page has such a key."""
        return f"group-session-{self.group_session.id}"


_ADDRESSES = (
    select(func.lower(Person.email))
    .where(Person.id == bindparam("person_id"))
    .union_all(select(func.lower(Person.second_email)).where(Person.id == bindparam("person_id")))
)
_MAY_BE_ASKED = select(
    exists().where(
        col(GroupMember.state) == "asked",
        or_(
            col(GroupMember.person_id) == bindparam("person_id"),
            and_(col(GroupMember.person_id).is_(None), col(GroupMember.email).in_(_ADDRESSES)),
        ),
    )
)


def list_confirmation_requests(session: Session, person_id: int) -> list[ConfirmationRequest]:
    """What waits for a person's answer, the oldest session first; one for each session."""
    # Hardly anybody is asked anything, and My year is the page that is opened most.
    if not session.connection().execute(_MAY_BE_ASKED, {"person_id": person_id}).scalar():
        return []
    waiting = (col(GroupMember.state) == "asked") & col(GroupSession.withdrawn_at).is_(None)
    by_session: dict[int, ConfirmationRequest] = {}
    for request in _list_requests(session, person_id, waiting):
        by_session.setdefault(request.group_session.id, request)
    return sorted(by_session.values(), key=lambda r: (r.group_session.held_on, r.member.id))


def find_confirmation_request(
    session: Session, person_id: int, member_id: int
) -> ConfirmationRequest | None:
    """One that the person was asked; None if it does not exist or is another person's."""
    for request in _list_requests(session, person_id, col(GroupMember.id) == member_id):
        if request.member.state != "confirmed":
            return request
        # Of several addresses of one person the first one holds the entry.
        return _list_for_session(session, person_id, request.group_session.id)[0]
    return None


def list_own_entries(
    session: Session, person_id: int, request: ConfirmationRequest
) -> list[LoggedEntry]:
    """The person's own entries of that day and provider that confirm no other session."""
    confirming = select(GroupMember.entry_id).where(col(GroupMember.entry_id).is_not(None))
    return list(
        select_entries(
            session,
            (col(Entry.person_id) == person_id)
            & (col(Entry.held_on) == request.group_session.held_on)
            & (col(Entry.provider_id) == request.group_session.provider_id)
            & (col(Entry.activity) == "rsc")
            & col(Entry.id).not_in(confirming),
        )
    )


def find_created_entry(
    session: Session, person_id: int, request: ConfirmationRequest
) -> LoggedEntry | None:
    """The entry that confirming the session created; None if there is none."""
    entry_id = request.member.entry_id
    if entry_id is None:
        return None
    form_key = session.exec(select(Entry.form_key).where(Entry.id == entry_id)).one()
    return find_entry(session, person_id, entry_id) if form_key == request.form_key else None


def confirm_group_session(
    context: ServiceContext,
    member_id: int,
    *,
    own_entry_id: int | None = None,
    is_another: bool = False,
) -> int:
    """Confirm a session; the id of its entry.

    Uses ``own_entry_id``, one of `list_own_entries`, if given, instead of creating an entry.
    Unless it ``is_another`` session, Refused if there are such entries. Confirming again changes
    nothing. Raises NotFound, and Refused as `create_entry`.
    """
    request, person_id = _lock_request(context, member_id), context.person_id
    if request.member.entry_id is not None:
        return request.member.entry_id
    if request.group_session.withdrawn_at is not None:
        raise Refused(Refusal("confirm", "group-session-withdrawn"))
    own = [entry.id for entry in list_own_entries(context.session, person_id, request)]
    if own_entry_id is not None and own_entry_id not in own:
        raise Refused(Refusal("confirm", "own-entry-not-offered"))
    if own and own_entry_id is None and not is_another:
        raise Refused(Refusal("confirm", "group-session-logged"))
    entry_id = own_entry_id
    if entry_id is None:
        source = EntrySource(request.form_key, is_from_provider=True)
        entry_id = create_entry(context, person_id, request.entry, source).id
    _answer(context, request, state="confirmed", note=None, entry_id=entry_id)
    return entry_id


def dispute_group_session(
    context: ServiceContext, member_id: int, note: str, *, saw_confirmed: bool = True
) -> None:
    """Tell the provider that something is wrong with a session; ``note`` may be empty.

    An entry that confirming it created is deleted; an entry that the person logged stays. Raises
    NotFound, and Refused as `delete_entry`, and if the session was confirmed on another page since
    (not ``saw_confirmed``).
    """
    request, person_id = _lock_request(context, member_id), context.person_id
    if request.member.state == "confirmed" and not saw_confirmed:
        raise Refused(Refusal("confirm", "group-session-confirmed"))
    if len(note) > NOTE_LIMIT:
        raise Refused(Refusal("note", "text-too-long", {"limit": NOTE_LIMIT}))
    if request.group_session.withdrawn_at is not None and request.member.state != "confirmed":
        raise Refused(Refusal("confirm", "group-session-withdrawn"))
    created = find_created_entry(context.session, person_id, request)
    if created is not None:
        delete_entry(context, created.id)
    _answer(context, request, state="disputed", note=note or None, entry_id=None)


def _lock_request(context: ServiceContext, member_id: int) -> ConfirmationRequest:
    """A request that neither the person nor the provider changes meanwhile."""
    request = _require_request(context, member_id)
    session_id = request.group_session.id
    context.session.exec(
        select(GroupSession.id).where(GroupSession.id == session_id).with_for_update()
    ).all()
    lock_person(context.session, context.person_id)
    return _require_request(context, member_id)


def _require_request(context: ServiceContext, member_id: int) -> ConfirmationRequest:
    request = find_confirmation_request(context.session, context.person_id, member_id)
    if request is None:
        raise NotFound
    return request


def _list_for_session(
    session: Session, person_id: int, group_session_id: int
) -> list[ConfirmationRequest]:
    """One for each of the person's addresses that the provider named, in the order of naming."""
    return _list_requests(session, person_id, col(GroupSession.id) == group_session_id)


def _list_requests(
    session: Session, person_id: int, where: ColumnElement[bool]
) -> list[ConfirmationRequest]:
    person = session.get_one(Person, person_id)
    addresses = [address.lower() for address in (person.email, person.second_email) if address]
    # No known person had the address when the provider entered it, and now it is this person's.
    by_address = col(GroupMember.person_id).is_(None) & col(GroupMember.email).in_(addresses)
    query = (
        select(GroupMember, GroupSession, Person.name)
        .join(GroupSession, col(GroupSession.id) == GroupMember.group_session_id)
        .join(Person, col(Person.id) == GroupSession.provider_id)
        .where(where, or_(col(GroupMember.person_id) == person_id, by_address))
        .order_by(col(GroupMember.id))
        .options(selectinload(GroupSession.members))  # type: ignore[arg-type] # a relationship
        .execution_options(populate_existing=True)
    )
    requests = []
    for member, group_session, provider in session.exec(query).all():
        if member.person_id is None:
            # A second address that several people share belongs to none of them.
            owner = find_person_by_email(session, member.email)
            if owner is None or owner.id != person_id:
                continue
        # Two addresses of one person do not make a group.
        people = {other.person_id or -other.id for other in group_session.members}
        kind = "group" if len(people) > 1 else "individual"
        requests.append(ConfirmationRequest(member, group_session, provider, kind))
    return requests


def _answer(context: ServiceContext, request: ConfirmationRequest, **answer: Any) -> None:  # noqa: ANN401 - values of columns
    """Store the answer with each of the person's addresses, and the entry with the first."""
    answer |= {"person_id": context.person_id, "answered_at": context.now}
    for each in _list_for_session(context.session, context.person_id, request.group_session.id):
        update_members(context, [each.member], **answer)
        answer["entry_id"] = None
