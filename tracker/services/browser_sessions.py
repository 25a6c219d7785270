"""Signed-in browsers.

A session belongs to a person and to the address that signed in. It opens the person's pages only
while that address is the person's, not after it was removed or given to somebody else.
"""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import ColumnElement, Select, bindparam, true
from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, case, col, delete, exists, func, or_, select, update

from tracker.db.access import ApiToken, BrowserSession, CalendarFeed, SignIn
from tracker.db.applications import Application
from tracker.db.audit import Change, record_changes
from tracker.db.desk import SecondFactor, TeamRole
from tracker.db.people import Endorsement, Person
from tracker.services.context import ServiceContext
from tracker.services.key_renewal import renew_keys
from tracker.services.rsc_providers import provides_rsc
from tracker.services.sign_in import (
    CodeProblem,
    confirmation_token,
    create_sign_in,
    find_person_by_email,
    generate_token,
    hash_token,
    redeem_code,
)

# A browser stays signed in for so many days after its last visit, so that a reminder finds it
# signed in, and for so many in all (see deploy/README.md).
SESSION_DAYS = 30
MAX_SESSION_DAYS = 180
# How long a code from the person's email opens what would give lasting access.
_CONFIRMED_FOR = timedelta(minutes=10)
_VISIT_INTERVAL = timedelta(days=1)
_HANDLE_LENGTH = 16


class SessionProof(NamedTuple):
    """The token of a session's cookie, and the ticket of the form that asks for a code."""

    token: str
    ticket: str


class SessionUser(NamedTuple):
    """Who is signed in with a session: an address, and its person unless it has none.

    ``seen_at`` is None before the first visit after signing in. ``mail_comes_back``: mail to the
    person's first address. ``association`` is that of their first endorsement, if they have one;
    ``only_association`` that of all endorsements in force or, without any, of all applications.
    ``had_person``: the session is a person's, though the address may no longer be theirs.
    ``confirmed_at``: see `is_confirmed`. ``factor_at``: when the session's second factor was
    entered; ``has_factor``: whether the address has one. ``has_role``: whether it is or was on a
    team in the database.
    """

    email: str
    created_at: datetime
    seen_at: datetime | None
    person_id: int | None
    name: str | None
    is_endorsed: bool
    has_applied: bool
    provides_rsc: bool
    mail_comes_back: bool
    association: str | None
    only_association: str | None
    had_person: bool
    confirmed_at: datetime | None
    factor_at: datetime | None
    has_factor: bool
    has_role: bool


def forget_ended_sessions(session: Session, now: datetime) -> int:
    """Delete the sessions of browsers that have ended; return how many."""
    return session.exec(delete(BrowserSession).where(col(BrowserSession.expires_at) < now)).rowcount


def create_browser_session(
    session: Session,
    email: str,
    now: datetime,
    browser: str | None = None,
    *,
    confirms: bool = True,
    has_factor: bool = False,
) -> str:
    """Sign in a browser and return the token for its cookie.

    ``browser`` describes it in words. Expired sessions of everybody are deleted. Signing in with
    the first address confirms the session (see `is_confirmed`), if it ``confirms`` that a person
    was asked just now. ``has_factor``: a second factor was asked for, too.
    """
    forget_ended_sessions(session, now)
    token = generate_token()
    person = find_person_by_email(session, email)
    session.add(
        BrowserSession(
            token_hash=hash_token(token),
            email=email,
            person_id=person.id if person else None,
            created_at=now,
            expires_at=now + timedelta(days=SESSION_DAYS),
            browser=browser,
            confirmed_at=now if confirms and (person is None or person.email == email) else None,
            factor_at=now if has_factor else None,
        )
    )
    session.flush()
    return token


def get_session_user(session: Session, token: str, now: datetime) -> SessionUser | None:
    """Who is signed in with a cookie's token; None if its session does not exist or is over."""
    parameters = {"token_hash": hash_token(token), "now": now}
    row = session.connection().execute(_session_user_query(now.date()), parameters).first()
    return None if row is None else SessionUser(*row)


# Every page runs this query, and to build it takes 4 ms: it is kept for the day.
@lru_cache(maxsize=1)
def _session_user_query(today: date) -> Select[*tuple[Any, ...]]:
    # A coordinator who was no person when signing in may be one now, by the first address.
    owner = aliased(Person)
    by_email = select(owner.id).where(owner.email == BrowserSession.email).scalar_subquery()
    is_owner = Person.id == func.coalesce(BrowserSession.person_id, by_email)
    has_email = or_(
        Person.email == BrowserSession.email,
        func.lower(Person.second_email) == BrowserSession.email,
    )
    association = (
        select(Endorsement.association)
        .where(Endorsement.person_id == Person.id)
        .order_by(col(Endorsement.starts_on), col(Endorsement.id))
        .limit(1)
        .scalar_subquery()
    )
    return (
        sqlalchemy.select(
            col(BrowserSession.email),
            col(BrowserSession.created_at),
            col(BrowserSession.seen_at),
            col(Person.id),
            col(Person.name),
            exists().where(col(Endorsement.person_id) == Person.id),
            exists().where(col(Application.person_id) == Person.id),
            provides_rsc(Person.id, today),
            col(Person.email_refused_at).is_not(None),
            association,
            _only_association(today),
            col(BrowserSession.person_id).is_not(None),
            col(BrowserSession.confirmed_at),
            col(BrowserSession.factor_at),
            exists().where(
                col(SecondFactor.email) == BrowserSession.email,
                col(SecondFactor.confirmed_at).is_not(None),
            ),
            exists().where(col(TeamRole.email) == BrowserSession.email),
        )
        .outerjoin(Person, and_(is_owner, has_email))
        .where(
            col(BrowserSession.token_hash) == bindparam("token_hash"),
            col(BrowserSession.expires_at) > bindparam("now"),
        )
    )


def _only_association(today: date) -> ColumnElement[str | None]:
    """The association of a person's endorsements or applications, if it is the same for all."""
    is_held = and_(
        col(Endorsement.person_id) == Person.id,
        or_(col(Endorsement.ends_on).is_(None), col(Endorsement.ends_on) >= today),
    )
    held, applied = col(Endorsement.association), col(Application.association)
    of_held = select(case((func.min(held) == func.max(held), func.min(held)))).where(is_held)
    of_applied = select(case((func.min(applied) == func.max(applied), func.min(applied)))).where(
        col(Application.person_id) == Person.id
    )
    return case(
        (exists().where(is_held), of_held.scalar_subquery()), else_=of_applied.scalar_subquery()
    )


def is_confirmed(confirmed_at: datetime | None, now: datetime) -> bool:
    """Whether a code from the person's email was entered in this browser within ten minutes.

    Without that a session, which someone else may hold for a moment, must not change addresses,
    show or make a calendar address, or sign out browsers.
    """
    return confirmed_at is not None and now - _CONFIRMED_FOR < confirmed_at <= now


def start_confirmation(
    session: Session, person_id: int | None, email: str, proof: SessionProof, now: datetime
) -> str:
    """Store a code that confirms the session, and return it. It is to be sent to ``email``.

    ``email`` must be an existing address of the person's.
    """
    token = confirmation_token(session, proof.token, proof.ticket)
    return create_sign_in(session, token, email, now, person_id)


def confirm_session(
    session: Session, person_id: int | None, proof: SessionProof, code: str, now: datetime
) -> str | CodeProblem:
    """Confirm the session with the code of `start_confirmation`; return the code's address.

    A wrong code is counted, so the caller must commit it too.
    """
    token = confirmation_token(session, proof.token, proof.ticket)
    email = redeem_code(session, token, code, now, person_id)
    if not isinstance(email, CodeProblem):
        mine = col(BrowserSession.token_hash) == hash_token(proof.token)
        session.exec(update(BrowserSession).where(mine).values(confirmed_at=now))
    return email


def has_recent_visit(user: SessionUser, now: datetime) -> bool:
    """Whether a visit was recorded within a day, so that this one need not be."""
    return user.seen_at is not None and user.seen_at > now - _VISIT_INTERVAL


def record_visit(session: Session, token: str, now: datetime) -> None:
    """Record that a browser was here, and keep it signed in; once a day is enough."""
    seen_at = col(BrowserSession.seen_at)
    mine = (
        col(BrowserSession.token_hash) == hash_token(token),
        col(BrowserSession.expires_at) > now,
        or_(seen_at.is_(None), seen_at <= now - _VISIT_INTERVAL),
    )
    created_at = session.exec(select(BrowserSession.created_at).where(*mine)).first()
    if created_at is not None:
        last = created_at + timedelta(days=MAX_SESSION_DAYS)
        expires_at = min(now + timedelta(days=SESSION_DAYS), last)
        session.exec(update(BrowserSession).where(*mine).values(seen_at=now, expires_at=expires_at))


def delete_browser_session(session: Session, token: str) -> None:
    """Sign out the browser with this token, if it is signed in."""
    session.exec(delete(BrowserSession).where(col(BrowserSession.token_hash) == hash_token(token)))


def browser_handle(token_hash: str) -> str:
    """What names a session in a form. It is no secret: only a person's own are looked up by it."""
    return token_hash[:_HANDLE_LENGTH]


def list_browsers(
    session: Session, person_id: int | None, email: str, now: datetime
) -> list[BrowserSession]:
    """The sessions of a person, or of an address that is no person's; the latest visit first."""
    latest = func.coalesce(BrowserSession.seen_at, BrowserSession.created_at)
    query = (
        select(BrowserSession)
        .where(_belongs_to(person_id, email), col(BrowserSession.expires_at) > now)
        .order_by(latest.desc(), col(BrowserSession.token_hash))
    )
    return list(session.exec(query))


def sign_out_browser(context: ServiceContext, email: str, handle: str) -> None:
    """Sign the actor, whose address is ``email``, out of one browser."""
    named = func.substr(BrowserSession.token_hash, 1, _HANDLE_LENGTH) == handle
    mine = and_(_belongs_to(context.actor.person_id, email), named)
    _delete_sessions(context.session, mine, context.actor.label, context.now)


def sign_out_other_browsers(context: ServiceContext, email: str, token: str) -> None:
    """Sign the actor, whose address is ``email``, out of all browsers without this token."""
    other = col(BrowserSession.token_hash) != hash_token(token)
    mine = and_(_belongs_to(context.actor.person_id, email), other)
    _delete_sessions(context.session, mine, context.actor.label, context.now)


def _delete_sessions(
    session: Session, condition: ColumnElement[bool], who: str, now: datetime
) -> int:
    """Delete sessions, each with an audit event, and return how many."""
    deleted = session.exec(delete(BrowserSession).where(condition).returning(BrowserSession))
    changes = []
    for row in deleted.scalars().all():
        before = row.model_dump(include={"person_id", "email", "browser", "created_at"})
        # A session has no number, so the event names its person, or 0 if there is none.
        changes.append(Change(who, now, "web_session", row.person_id or 0, before, None))
    return record_changes(session, changes)


def _belongs_to(person_id: int | None, email: str) -> ColumnElement[bool]:
    has_no_person = col(BrowserSession.person_id).is_(None)
    if person_id is None:
        return and_(has_no_person, BrowserSession.email == email)
    # Sessions older than the column, or than the person, have an address only.
    of_person = []
    for address in (Person.email, Person.second_email):
        owned = select(func.lower(address)).where(Person.id == person_id)
        of_person.append(col(BrowserSession.email).in_(owned))
    return or_(BrowserSession.person_id == person_id, and_(has_no_person, or_(*of_person)))


def sign_out_everywhere(
    session: Session, email: str, who: str, now: datetime
) -> tuple[int, int] | None:
    """End a person's sessions and void their codes, for each of their addresses; count both.

    Of an address that is nobody's (a coordinator's, perhaps), its own. None if that has neither.
    """
    person = find_person_by_email(session, email)
    addresses = {email}
    if person is not None:
        addresses = {person.email, (person.second_email or person.email).lower()}
    mine = _belongs_to(person.id if person else None, email)
    sessions = _delete_sessions(session, mine, who, now)
    unused = (col(SignIn.used_at).is_(None), col(SignIn.expires_at) > now)
    void = update(SignIn).where(col(SignIn.email).in_(addresses), *unused).values(used_at=now)
    codes = session.exec(void).rowcount
    return (sessions, codes) if person or sessions or codes else None


class RevokedAccess(NamedTuple):
    """How many of each were ended.

    ``lost_messages`` waited, and can't be decrypted with another master key; None if it is right.
    """

    sessions: int
    codes: int
    calendars: int
    tokens: int
    lost_messages: int | None


def revoke_all_access(
    session: Session,
    who: str,
    now: datetime,
    *,
    calendars: bool,
    tokens: bool,
    may_be_lost: bool = False,
) -> RevokedAccess:
    """End every session, code, and link that was sent.

    If wanted, also calendar addresses and API tokens. ``may_be_lost``: see `renew_keys`. Each
    session, calendar address, and token leaves an audit event that names ``who``.
    """
    lost = renew_keys(session, who, now, calendars=calendars, may_be_lost=may_be_lost)
    sessions = _delete_sessions(session, true(), who, now)
    # Their rows stay, so that requests for codes are still counted.
    unused = (col(SignIn.used_at).is_(None), col(SignIn.expires_at) > now)
    codes = session.exec(update(SignIn).where(*unused).values(used_at=now)).rowcount
    changes = []
    if calendars:
        for feed in session.exec(delete(CalendarFeed).returning(CalendarFeed)).scalars().all():
            before = {"created_at": feed.created_at}
            changes.append(Change(who, now, "calendar_feed", feed.person_id, before, None))
    feed_count = record_changes(session, changes)
    changes = []
    if tokens:
        for token in session.exec(select(ApiToken).where(col(ApiToken.revoked_at).is_(None))):
            token.revoked_at = now
            before, after = {"revoked_at": None}, {"revoked_at": now}
            changes.append(Change(who, now, "api_token", token.id, before, after))
    return RevokedAccess(sessions, codes, feed_count, record_changes(session, changes), lost)
