"""Whom a provider can choose for a group session: people by name, and the last group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlmodel import Session, col, exists, or_, select

from tracker.db.log import Entry, GroupMember, GroupSession
from tracker.db.people import Person
from tracker.services.group_sessions import select_own_sessions

LeftOutReason = Literal["reported a problem", "not listed"]


def list_supervisees(session: Session, provider_id: int) -> list[Person]:
    """Whom a provider can choose by name, in the order of names.

    Only people who logged a session with the provider, or confirmed one of the provider's.
    """
    logged = exists().where(
        col(Entry.person_id) == Person.id, col(Entry.provider_id) == provider_id
    )
    confirmed = exists().where(
        col(GroupMember.group_session_id) == GroupSession.id,
        col(GroupMember.person_id) == Person.id,
        col(GroupMember.state) == "confirmed",
        col(GroupSession.provider_id) == provider_id,
    )
    query = select(Person).where(Person.id != provider_id, or_(logged, confirmed))
    return sorted(session.exec(query), key=lambda person: (person.name.casefold(), person.id))


@dataclass(frozen=True, slots=True)
class LastGroup:
    """Who took part in a provider's last group session, and may be chosen again.

    ``people`` are those chosen by name then, ``emails`` those named by address. ``left_out`` are
    the others: what the provider knows each by, and whether they "reported a problem" with that
    session or are "not listed" anymore.
    """

    held_on: date
    people: Sequence[Person]
    emails: Sequence[str]
    left_out: Sequence[tuple[str, LeftOutReason]]


def find_last_group(
    session: Session, provider_id: int, supervisees: Iterable[Person]
) -> LastGroup | None:
    """The provider's latest session with more than one member; None if there is none.

    Withdrawn sessions are passed over. Somebody who was named by address stays an address, also
    if a supervisee has it: the provider does not learn whose it is.
    """
    query = select_own_sessions(provider_id).where(col(GroupSession.withdrawn_at).is_(None))
    latest = next((each for each in session.exec(query) if len(each.members) > 1), None)
    return _divide(latest, {person.id: person for person in supervisees}) if latest else None


def _divide(group: GroupSession, supervisees: Mapping[int | None, Person]) -> LastGroup:
    people, emails = [], []
    left_out: list[tuple[str, LeftOutReason]] = []
    for member in group.members:
        person = supervisees.get(member.person_id)
        if member.state == "disputed":
            left_out.append((member.label, "reported a problem"))
        elif member.name is None:
            emails.append(member.email)
        elif person is None:
            left_out.append((member.label, "not listed"))
        else:
            people.append(person)
    return LastGroup(group.held_on, people, emails, left_out)
