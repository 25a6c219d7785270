"""Addresses that do not work: who has one, where their mail goes, and what is held until then.

There is one notion of it for all ways of finding out: a mail server refuses a message at once, or
a report comes back later. The mark of an address stands until the person signs in with it, somebody
asks to try it again or gives another one, or the mail server takes a message for an address that it
had refused itself.

While the first address does not work, mail goes to the second one instead. If there is none that
works, mail is held in the outbox: nothing is written to a dead address, and nothing is lost. Both
are worked out when a message could leave, so that no change of an address needs to think of it.
What people wait for at a screen always goes to where they asked for it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlmodel import Session, col

from tracker.db.audit import Change, record_changes
from tracker.db.ledgers import Outbox
from tracker.db.people import MailOff, Person
from tracker.db.returned_mail import COMPLAINT, HARD, SOFT, ReturnedMail
from tracker.db.statements import in_chunks
from tracker.services.context import lock_records

# The columns of a person that say which addresses do not work, and why.
MARKS = ("email_refused_at", "email_refused_reason", "dead_second_email")
COMPLAINTS_SHOWN = timedelta(days=30)
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """A person's addresses in lower case; ``second`` and ``dead_second`` can be empty.

    ``refused_at``: since when the first one does not work.
    """

    person_id: int
    first: str
    second: str
    refused_at: datetime | None
    dead_second: str

    @property
    def working(self) -> str | None:
        """Where mail goes: to the first address, or the second, or nowhere (None)."""
        if self.refused_at is None:
            return self.first
        return self.second if self.second and self.second != self.dead_second else None

    @property
    def dead(self) -> set[str]:
        """Those of the addresses that do not work."""
        first = {self.first} if self.refused_at is not None else set[str]()
        return first | ({self.second} & {self.dead_second} if self.second else set())


def _second() -> ColumnElement[str]:
    return func.lower(func.coalesce(Person.second_email, ""))


def has_working_second() -> ColumnElement[bool]:
    """That a person has a second address that works."""
    is_dead = _second().is_not_distinct_from(col(Person.dead_second_email))
    return and_(_second() != "", ~is_dead)


def is_unreachable() -> ColumnElement[bool]:
    """That a person's first address does not work, and no other one does."""
    return and_(col(Person.email_refused_at).is_not(None), ~has_working_second())


def is_waited_for() -> ColumnElement[bool]:
    """That somebody waits at a screen for a message: it is urgent, or has a code."""
    is_urgent = col(Outbox.next_attempt_at) < col(Outbox.created_at)
    return or_(is_urgent, col(Outbox.expires_at).is_not(None))


def is_held() -> ColumnElement[bool]:
    """That a waiting message is to a person who has no address that works."""
    recipient = func.lower(col(Outbox.recipient))
    is_own = or_(recipient == col(Person.email), recipient == _second())
    same = col(Person.id) == col(Outbox.person_id)
    return and_(~is_waited_for(), exists().where(same, is_own, is_unreachable()))


def find_rerouted(session: Session, message_ids: Collection[int]) -> dict[int, str]:
    """The second addresses to which these messages go, because the first one does not work."""
    if not message_ids:
        return {}
    query = (
        select(col(Outbox.id), _second())
        .join(Person)
        .where(
            col(Outbox.id).in_(message_ids),
            col(Person.email_refused_at).is_not(None),
            func.lower(Outbox.recipient) == col(Person.email),
            has_working_second(),
            ~is_waited_for(),
        )
    )
    rows = session.connection().execute(query)
    return {number: second for number, second in rows}  # noqa: C416 - mypy takes rows for no pairs


def list_addresses(session: Session, person_ids: Collection[int]) -> dict[int, Addresses]:
    """The addresses of people, by person."""
    columns = (
        col(Person.id),
        col(Person.email),
        _second(),
        col(Person.email_refused_at),
        func.coalesce(Person.dead_second_email, ""),
    )
    found: dict[int, Addresses] = {}
    for chunk in in_chunks(sorted(person_ids), _BATCH):
        for row in session.connection().execute(select(*columns).where(columns[0].in_(chunk))):
            found[row[0]] = Addresses(*row)
    return found


def mark_address(
    session: Session, person_id: int, recipient: str, reason: str, now: datetime
) -> bool:
    """Mark a person's first or second address as one that does not work; return whether it is new.

    ``reason`` is what the mail server said. An address that is not the person's (anymore) is left
    alone.
    """
    email = recipient.lower()
    # Otherwise the address that the person gets at this moment would be marked.
    lock_records(session, [person_id])
    person = list_addresses(session, [person_id]).get(person_id)
    if person is None or email in person.dead:
        return False
    if email == person.first:
        values: dict[str, object] = {"email_refused_at": now, "email_refused_reason": reason}
    elif email == person.second:
        values = {"dead_second_email": email}
    else:
        return False
    _set(session, person_id, values)
    return True


def clear_marks(session: Session, proven: Iterable[tuple[int, str]]) -> set[int]:
    """Clear the marks of addresses that work again, each with its person; return whose they were.

    What was held for these people leaves.
    """
    pairs = {(number, email.lower()) for number, email in proven}
    cleared = set[int]()
    for person in list_addresses(session, {number for number, _ in pairs}).values():
        works = {email for email in person.dead if (person.person_id, email) in pairs}
        values: dict[str, object] = {}
        if person.first in works:
            values.update(email_refused_at=None, email_refused_reason=None)
        if person.second in works:
            values["dead_second_email"] = None
        if values:
            _set(session, person.person_id, values)
            cleared.add(person.person_id)
    return cleared


def _set(session: Session, person_id: int, values: dict[str, object]) -> None:
    person = session.get_one(Person, person_id, populate_existing=True)
    for name, value in values.items():
        setattr(person, name, value)
    session.flush()


def clear_address(session: Session, email: str) -> set[int]:
    """Clear the marks of an address for the people who have it: somebody reads its mail."""
    return clear_marks(session, _list_candidates(session, email))


def retry_addresses(
    session: Session, who: str, now: datetime, *, email: str | None = None, since: datetime | None
) -> set[int]:
    """Write again to an address, or to all first ones marked ``since`` then; whose they are.

    For an operator who knows that the addresses were not at fault.
    """
    if email is not None:
        marked = _list_candidates(session, email)
    else:
        query = select(col(Person.id), col(Person.email))
        rows = session.connection().execute(query.where(col(Person.email_refused_at) >= since))
        marked = [(number, address) for number, address in rows]
    cleared = clear_marks(session, marked)
    changes = [
        Change(who, now, "person", number, {"dead_email": address}, {"dead_email": None})
        for number, address in marked
        if number in cleared
    ]
    record_changes(session, changes)
    return cleared


def _list_candidates(session: Session, email: str) -> list[tuple[int, str]]:
    """The people whose address may be marked, each with the address."""
    email = email.lower()
    has_it = or_(col(Person.email) == email, col(Person.dead_second_email) == email)
    query = select(col(Person.id)).where(has_it)
    return [(number, email) for number in session.connection().execute(query).scalars()]


def clear_accepted(session: Session, reached: Iterable[tuple[int | None, str]]) -> None:
    """Clear the marks of addresses for which the mail server has just taken a message.

    Only of those that the same server had refused: if a report came back later, it had taken that
    message, too, and it says nothing that it takes another one.
    """
    pairs = {(number, email.lower()) for number, email in reached if number is not None}
    people = list_addresses(session, {number for number, _ in pairs})
    marked = {(one.person_id, email) for one in people.values() for email in one.dead} & pairs
    if not marked:
        return
    query = select(col(ReturnedMail.person_id), func.lower(ReturnedMail.recipient)).where(
        col(ReturnedMail.person_id).in_({number for number, _ in marked}),
        col(ReturnedMail.outcome).in_([HARD, SOFT]),
    )
    came_back = {(number, email) for number, email in session.connection().execute(query)}
    clear_marks(session, marked - came_back)


class Complaint(NamedTuple):
    """The latest report that a person marked mail to one of their addresses as spam."""

    id: int
    email: str
    read_at: datetime


def list_complaints(session: Session, now: datetime) -> dict[int, Complaint]:
    """The complaints of the last 30 days, by person.

    Without those about addresses that people no longer have, and of people who have switched
    optional mail on again since.
    """
    recipient = func.lower(ReturnedMail.recipient)
    query = (
        select(
            col(ReturnedMail.person_id),
            col(ReturnedMail.id),
            recipient,
            col(ReturnedMail.read_at),
        )
        .join(Person)
        .where(
            col(ReturnedMail.outcome) == COMPLAINT,
            col(ReturnedMail.read_at) > now - COMPLAINTS_SHOWN,
            or_(recipient == col(Person.email), recipient == _second()),
            exists().where(col(MailOff.person_id) == Person.id),
        )
        .order_by(col(ReturnedMail.id))
    )
    rows = session.connection().execute(query)
    return {person_id: Complaint(*complaint) for person_id, *complaint in rows}
