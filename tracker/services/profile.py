"""What people change in their own profile: time zone, addresses, RSC provider settings."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime

from sqlmodel import Session, col, delete, func, or_, select

from tracker.addresses import is_address
from tracker.clock import known_zones
from tracker.db.access import BrowserSession, SignIn
from tracker.db.engine import lock_names
from tracker.db.people import EMAILS, Person
from tracker.plain_text import contains_link
from tracker.services.context import (
    Actor,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_person,
)
from tracker.services.rsc_providers import provides_rsc
from tracker.services.sign_in import CodeProblem, hash_token, redeem_code

MAX_PROVIDER_LINE = 200
_SECOND_EMAIL = {"second_email", "second_email_confirmed_at"}


def get_person(session: Session, person_id: int) -> Person:
    """A person who is known to exist."""
    return session.get_one(Person, person_id)


def set_time_zone(context: ServiceContext, time_zone: str | None) -> None:
    """Set the actor's time zone (an IANA name); with None their association's is used."""
    if time_zone is not None and time_zone not in known_zones():
        raise Refused(Refusal("time_zone", "time-zone-unknown"))
    person = _lock_actor(context)
    context.update_row(person, {"time_zone"}, time_zone=time_zone)


def set_provider_settings(
    context: ServiceContext, *, takes_supervisees: bool, line: str, today: date
) -> None:
    """Say whether the actor takes new supervisees, and give their line for the public.

    Raises NotFound for someone who is not an RSC provider, unless they turn it off. The day since
    when they take supervisees stays if nothing changes.
    """
    person = _lock_actor(context)
    if takes_supervisees and not is_provider(context.session, person.id, today):
        raise NotFound
    if len(line) > MAX_PROVIDER_LINE:
        raise Refused(Refusal("line", "text-too-long", {"limit": MAX_PROVIDER_LINE}))
    if contains_link(line):
        raise Refused(Refusal("line", "provider-line-has-link"))
    since = person.takes_supervisees_since or context.now
    values = {
        "takes_supervisees_since": since if takes_supervisees else None,
        "provider_line": line or None,
    }
    context.update_row(person, set(values), **values)


def is_provider(session: Session, person_id: int, today: date) -> bool:
    """Whether a person provides RSC, or did lately: see `provides_rsc`."""
    return bool(session.scalar(select(provides_rsc(person_id, today))))


def check_second_email(person: Person, email: str) -> None:
    """Raise Refused if a normalized address cannot be the second address of a person.

    Whether it belongs to somebody else is not checked: nobody may learn who is registered.
    """
    if not is_address(email):
        raise Refused(Refusal("email", "email-invalid"))
    if email == person.email:
        raise Refused(Refusal("email", "email-is-first"))
    if email == _normalize_second_email(person):
        raise Refused(Refusal("email", "email-is-second"))


def _normalize_second_email(person: Person) -> str:
    """A person's second address in lower case; empty if there is none."""
    return (person.second_email or "").lower()


def is_email_taken(session: Session, person_id: int, email: str) -> bool:
    """Whether an address is anybody's first address, or the second of another person."""
    is_second_of_other = (func.lower(Person.second_email) == email) & (Person.id != person_id)
    query = select(Person.id).where(or_(Person.email == email, is_second_of_other))
    return session.exec(query).first() is not None


def confirm_second_email(
    context: ServiceContext, token: str, code: str, reserved: Collection[str] = ()
) -> Person | CodeProblem:
    """Make the address that a link's token and code were sent to the person's second address.

    The person need not be signed in. ``reserved`` are coordinators' addresses, which sign in to an
    association and can be nobody's second one. Raises Refused if the address is one of them or
    belongs to another person by now. A code problem is returned instead of raised, so that the try
    is counted.
    """
    session = context.session
    query = select(SignIn.person_id).where(SignIn.token_hash == hash_token(token))
    person_id = session.exec(query).first()
    if person_id is None:
        return CodeProblem.UNKNOWN_LINK
    email = redeem_code(session, token, code, context.now, person_id)
    if isinstance(email, CodeProblem):
        return email
    context = replace(context, actor=Actor(email, person_id))
    person = _lock_actor(context)
    lock_names(session, [EMAILS])
    if email in reserved or is_email_taken(session, person_id, email):
        raise Refused(Refusal("email", "email-taken"))
    if email != _normalize_second_email(person):
        revoke_second_email(session, person)
    context.update_row(
        person, _SECOND_EMAIL, second_email=email, second_email_confirmed_at=context.now
    )
    return person


def remove_second_email(context: ServiceContext) -> Person:
    """Remove the actor's second address and sign it out; raises NotFound if there is none."""
    person = _lock_actor(context)
    if person.second_email is None:
        raise NotFound
    revoke_second_email(context.session, person)
    # The time says that the person decided this: an import must not bring the address back.
    context.update_row(
        person, _SECOND_EMAIL, second_email=None, second_email_confirmed_at=context.now
    )
    return person


def retry_first_email(context: ServiceContext) -> datetime | None:
    """Forget that mail to the actor's first address came back; return since when it did."""
    person = _lock_actor(context)
    refused_at = person.email_refused_at
    if refused_at is not None:
        values = {"email_refused_at": None, "email_refused_reason": None}
        context.update_row(person, {"email_refused_at"}, **values)
    return refused_at


def _lock_actor(context: ServiceContext) -> Person:
    lock_person(context.session, context.person_id)
    return context.session.get_one(Person, context.person_id, populate_existing=True)


def revoke_second_email(session: Session, person: Person) -> None:
    """End the sessions and unused codes of a person's second address."""
    email = _normalize_second_email(person)
    if email in ("", person.email):
        return
    session.exec(
        delete(BrowserSession).where(
            col(BrowserSession.person_id) == person.id, col(BrowserSession.email) == email
        )
    )
    if not is_email_taken(session, person.id, email):
        session.exec(
            delete(SignIn).where(col(SignIn.email) == email, col(SignIn.used_at).is_(None))
        )
