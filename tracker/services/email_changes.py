"""Changing the address of a person: hours, notices, and sign-in follow.

The former address is kept with the person, so that files that still have it mean the same person.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, delete, exists, func, or_, select, update

from tracker.addresses import is_address
from tracker.db.access import BrowserSession, SignIn, Unsubscribed
from tracker.db.audit import Change, record_changes
from tracker.db.corrections import FormerEmail
from tracker.db.engine import lock_names
from tracker.db.ledgers import Outbox
from tracker.db.people import EMAILS, Person
from tracker.db.statements import in_chunks, upsert
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.endorsements import endorsements_of

_AUDITED = {"email", "second_email", "second_email_confirmed_at", "email_refused_at"}
_BATCH = 1_000


def change_email(context: ServiceContext, old: str, new: str) -> Person:
    """Give the person whose first address is ``old`` another one; both are normalized.

    Raises NotFound if nobody has the address, or for a coordinator of other associations.
    """
    session = context.session
    person = session.exec(select(Person).where(Person.email == old)).first()
    if person is None:
        raise NotFound
    _check_actor(context, person)
    lock_person(session, person.id)
    session.refresh(person)
    if person.email != old:
        # Somebody else changed it while we waited.
        raise NotFound
    move_email(session, person, new, who=context.actor.label, now=context.now)
    return person


def move_email(session: Session, person: Person, new: str, *, who: str, now: datetime) -> None:
    """Change a person's first address; the caller has checked the permission.

    Browsers and codes of the old address no longer sign in: it may be somebody else's by now.
    Raises Refused for an address that is wrong or another person's.
    """
    lock_person(session, person.id)
    session.refresh(person)
    lock_names(session, [EMAILS])
    old = person.email
    if not is_address(new):
        raise Refused(Refusal("email", "email-invalid"))
    if new == old:
        raise Refused(Refusal("email", "email-is-first"))
    holder = find_holder(session, new)
    if holder is not None and holder.id != person.id:
        facts = {"email": new, "name": holder.name}
        raise Refused(Refusal("email", "email-of-other-person", facts))
    before = person.model_dump(include=_AUDITED)
    person.email, person.email_refused_at, person.email_refused_reason = new, None, None
    if (person.second_email or "").lower() == new:
        person.second_email, person.second_email_confirmed_at = None, None
    session.add(person)
    if session.exec(delete(FormerEmail).where(col(FormerEmail.email) == new)).rowcount:
        _end_older_sessions(session, new)
    session.flush()
    former = {"email": old, "person_id": person.id, "changed_at": now}
    upsert(session, FormerEmail, [former], key=["email"], update=["person_id", "changed_at"])
    _move_access(session, person.id, old, new)
    after = person.model_dump(include=_AUDITED)
    record_changes(session, [Change(who, now, "person", person.id, before, after)])


def find_holder(session: Session, email: str) -> Person | None:
    """Anybody whose first or second address this is."""
    same = or_(Person.email == email, func.lower(Person.second_email) == email)
    return session.exec(select(Person).where(same).order_by(col(Person.email) != email)).first()


def find_former_emails(session: Session, emails: Iterable[str]) -> dict[str, str]:
    """The present address by each former one among ``emails``, but for those that people have."""
    present = dict[str, str]()
    owner = aliased(Person)
    is_present = exists().where(col(owner.email) == FormerEmail.email)
    for chunk in in_chunks(sorted(set(emails)), _BATCH):
        query = select(FormerEmail.email, Person.email).join(Person).where(~is_present)
        present.update(session.exec(query.where(col(FormerEmail.email).in_(chunk))).all())
    return present


def release_email(context: ServiceContext, email: str) -> str:
    """Let another person have a former address; return the present address of its former owner.

    Raises NotFound if it is no former address.
    """
    session = context.session
    # Of two who release it at once, the second one finds it gone.
    former = session.get(FormerEmail, email, with_for_update=True)
    if former is None:
        raise NotFound
    person = session.get_one(Person, former.person_id)
    _check_actor(context, person)
    session.delete(former)
    _end_older_sessions(session, email)
    before = {"former_email": email}
    context.record_change("person", person.id, before=before, after={"former_email": None})
    return person.email


def _check_actor(context: ServiceContext, person: Person) -> None:
    """An operator may change every address, a coordinator those of their association's people."""
    actor = context.actor
    if actor.is_operator:
        return
    associations = {held.association for held in endorsements_of(context.session, person.id)}
    if associations.isdisjoint(actor.coordinates):
        raise NotFound


def return_access(session: Session, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Let a person's former addresses sign in, once a change of them was undone.

    ``before`` and ``after`` are the person's row before the change, as it is again, and after it.
    """
    if before["email"] != after["email"]:
        own = col(FormerEmail.email) == before["email"]
        session.exec(delete(FormerEmail).where(own))
        _move_access(session, before["id"], after["email"], before["email"])
    second = (after["second_email"] or "").lower()
    if second and second != (before["second_email"] or "").lower():
        _end_sessions(session, before["id"], second)


def _end_sessions(session: Session, person_id: int, email: str) -> None:
    """Sign out an address of a person's, and void its unused codes."""
    own = col(BrowserSession.person_id) == person_id
    session.exec(delete(BrowserSession).where(own, col(BrowserSession.email) == email))
    session.exec(delete(SignIn).where(col(SignIn.email) == email, col(SignIn.used_at).is_(None)))


def _end_older_sessions(session: Session, email: str) -> None:
    """Sign out browsers that had a former address before its former owner had a record.

    They have no person, so they would open the pages of the next owner.
    """
    older = col(BrowserSession.person_id).is_(None)
    session.exec(delete(BrowserSession).where(older, col(BrowserSession.email) == email))


def _move_access(session: Session, person_id: int, old: str, new: str) -> None:
    """End what the old address can open, and move waiting mail and what it does not want to get."""
    waiting = (col(Outbox.person_id) == person_id) & (col(Outbox.state) == "waiting")
    session.exec(update(Outbox).where(waiting, col(Outbox.recipient) == old).values(recipient=new))
    _end_sessions(session, person_id, old)
    unwanted = session.exec(select(Unsubscribed).where(Unsubscribed.email == old)).all()
    rows = [{**each.model_dump(), "email": new} for each in unwanted]
    upsert(session, Unsubscribed, rows, key=["email", "kind", "association"])
