"""Signed-in browsers: whose they are, and ending them.

A session belongs to a person and to the address that signed in. It opens the person's pages only
while the address is theirs: not after it was removed or has become somebody else's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.statements import as_instant, instant_for, run
from tracker.db.tables import METADATA
from tracker.services.rsc_providers import PROVIDES_RSC, providing_at
from tracker.services.sign_in import find_person_by_email, generate_token, hash_token

# A browser that comes back stays signed in, so that a reminder finds it so: for so many days after
# it was last here, and so many in all (weighed in deploy/README.md).
SESSION_DAYS = 30
LONGEST_SESSION_DAYS = 180
_SEEN_EVERY = timedelta(days=1)
# So much of a token's hash names a session in a form. It is no secret, and is only ever looked for
# among the person's own.
_HANDLE_LENGTH = 16
_PERSON = METADATA.tables["person"]
_SESSION = METADATA.tables["web_session"]


class SessionUser(NamedTuple):
    """What a session opens: the address that signed in, and the person if it is one's.

    ``seen_at`` is None before the first visit after signing in. ``mail_comes_back``: to the
    person's first address.
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


class SignedInBrowser(NamedTuple):
    """A signed-in browser as its person sees it; ``name`` is None where it did not say."""

    handle: str
    email: str
    name: str | None
    signed_in_at: datetime
    seen_at: datetime | None


class SessionOwner(NamedTuple):
    """Whose sessions: a person's, or, for whoever is not among the people, an address's."""

    person_id: int | None
    email: str


# One statement, in the words of the driver: every page asks it. A coordinator who was not among
# the people when signing in may be now: by the first address, which nobody else has.
_SIGNED_IN = f"""
    SELECT s.email, s.created_at, s.seen_at, p.id, p.name,
        EXISTS (SELECT 1 FROM endorsement en WHERE en.person_id = p.id),
        EXISTS (SELECT 1 FROM application ap WHERE ap.person_id = p.id),
        {PROVIDES_RSC},
        p.email_refused_at IS NOT NULL
    FROM web_session s LEFT JOIN person p
        ON p.id = COALESCE(s.person_id, (SELECT o.id FROM person o WHERE o.email = s.email))
        AND (p.email = s.email OR LOWER(p.second_email) = s.email)
    WHERE s.token_hash = ? AND s.expires_at > ?
"""


def create_browser_session(
    session: Session, email: str, now: datetime, browser: str | None = None
) -> str:
    """Open a session for thirty days, more once it is used; the token for the browser's cookie.

    ``browser`` says in words what it is. Sessions of anybody that are over are forgotten.
    """
    session.connection().execute(delete(_SESSION).where(_SESSION.c.expires_at < now))
    token = generate_token()
    person = find_person_by_email(session, email)
    session.connection().execute(
        insert(_SESSION).values(
            token_hash=hash_token(token),
            email=email,
            person_id=person.id if person else None,
            created_at=now,
            expires_at=now + timedelta(days=SESSION_DAYS),
            browser=browser,
        )
    )
    return token


def get_session_user(session: Session, token: str, now: datetime) -> SessionUser | None:
    """What a cookie's token opens; None if nothing, or nothing any more."""
    parameters = [*providing_at(now), hash_token(token), instant_for(session, now)]
    rows = run(session, _SIGNED_IN, parameters)
    if not rows:
        return None
    email, created_at, seen_at, *person = rows[0]
    seen = as_instant(seen_at) if seen_at else None
    return SessionUser(email, as_instant(created_at), seen, *person[:2], *map(bool, person[2:]))


def has_recent_visit(browser_session: SessionUser, now: datetime) -> bool:
    """Whether it need not be written again that this browser was here: once a day is enough."""
    return browser_session.seen_at is not None and browser_session.seen_at > now - _SEEN_EVERY


def record_visit(session: Session, token: str, now: datetime) -> None:
    """Remember that a browser was here, and keep it signed in, unless that was done this day.

    One that is over stays over.
    """
    late = or_(_SESSION.c.seen_at.is_(None), _SESSION.c.seen_at <= now - _SEEN_EVERY)
    mine = (_SESSION.c.token_hash == hash_token(token)) & (_SESSION.c.expires_at > now)
    query = select(_SESSION.c.created_at).where(mine & late)
    created_at = session.scalar(query)
    if created_at is None:
        return
    last = created_at + timedelta(days=LONGEST_SESSION_DAYS)
    expires_at = min(now + timedelta(days=SESSION_DAYS), last)
    changed = update(_SESSION).where(mine & late).values(seen_at=now, expires_at=expires_at)
    session.connection().execute(changed)


def delete_browser_session(session: Session, token: str) -> None:
    """End a session; one that is over already stays so."""
    session.connection().execute(delete(_SESSION).where(_SESSION.c.token_hash == hash_token(token)))


def browser_handle(token: str) -> str:
    """What names a session in a form."""
    return hash_token(token)[:_HANDLE_LENGTH]


def list_browsers(session: Session, owner: SessionOwner, now: datetime) -> list[SignedInBrowser]:
    """The browsers in which somebody is signed in, whoever came last first."""
    columns = select(
        func.substr(_SESSION.c.token_hash, 1, _HANDLE_LENGTH),
        _SESSION.c.email,
        _SESSION.c.browser,
        _SESSION.c.created_at,
        _SESSION.c.seen_at,
    )
    own = columns.where(_belongs_to(owner) & (_SESSION.c.expires_at > now))
    last = func.coalesce(_SESSION.c.seen_at, _SESSION.c.created_at)
    rows = session.connection().execute(own.order_by(last.desc(), _SESSION.c.token_hash))
    return [SignedInBrowser(*row) for row in rows]


def sign_out_browsers(
    session: Session, owner: SessionOwner, handles: Sequence[str], stamp: Stamp
) -> int:
    """Sign somebody out of those of their browsers that ``handles`` name; return how many.

    Each leaves an audit event. A session has no number: the event names its person, 0 for
    whoever is not among the people.
    """
    named = func.substr(_SESSION.c.token_hash, 1, _HANDLE_LENGTH).in_(handles)
    ended = (
        session.connection()
        .execute(
            delete(_SESSION)
            .where(_belongs_to(owner) & named)
            .returning(_SESSION.c.email, _SESSION.c.browser, _SESSION.c.created_at)
        )
        .all()
    )
    record_changes(
        session,
        [
            Change(stamp.who, stamp.at, "web_session", owner.person_id or 0, row._asdict(), None)
            for row in ended
        ],
    )
    return len(ended)


def _belongs_to(owner: SessionOwner) -> ColumnElement[bool]:
    nobodys = _SESSION.c.person_id.is_(None)
    if owner.person_id is None:
        return nobodys & (_SESSION.c.email == owner.email)
    # Without a person are those of before it was kept, and of who became one since.
    theirs = [
        _SESSION.c.email.in_(select(func.lower(address)).where(_PERSON.c.id == owner.person_id))
        for address in (_PERSON.c.email, _PERSON.c.second_email)
    ]
    return or_(_SESSION.c.person_id == owner.person_id, nobodys & or_(*theirs))


_CALENDAR = METADATA.tables["calendar_feed"]
_SIGN_IN = METADATA.tables["sign_in"]
_TOKEN = METADATA.tables["api_token"]


class RevokedAccess(NamedTuple):
    """How many of each were ended."""

    sessions: int
    codes: int
    calendars: int
    tokens: int


def revoke_all_access(
    session: Session, who: str, at: datetime, *, calendars: bool, tokens: bool
) -> RevokedAccess:
    """End every session, code and link, and, if asked for, calendar addresses and API tokens.

    Each session, calendar address and token leaves an audit event; ``who`` ends them.
    """
    columns = (_SESSION.c.person_id, _SESSION.c.email, _SESSION.c.browser, _SESSION.c.created_at)
    sessions = session.connection().execute(delete(_SESSION).returning(*columns)).all()
    events = [
        Change(who, at, _SESSION.name, row.person_id or 0, row._asdict(), None) for row in sessions
    ]
    unused = _SIGN_IN.c.used_at.is_(None) & (_SIGN_IN.c.expires_at > at)
    codes = _count(session, unused)
    # Its rows stay, so that who asks again and again is still counted.
    session.connection().execute(update(_SIGN_IN).where(unused).values(used_at=at))
    ended_feeds = _end_calendars(session, who, at) if calendars else []
    ended_tokens = _end_tokens(session, who, at) if tokens else []
    record_changes(session, [*events, *ended_feeds, *ended_tokens])
    return RevokedAccess(len(sessions), codes, len(ended_feeds), len(ended_tokens))


def _count(session: Session, where: ColumnElement[bool]) -> int:
    return len(session.scalars(select(_SIGN_IN.c.token_hash).where(where)).all())


def _end_calendars(session: Session, who: str, at: datetime) -> list[Change]:
    gone = delete(_CALENDAR).returning(_CALENDAR.c.person_id, _CALENDAR.c.created_at)
    return [
        Change(who, at, _CALENDAR.name, row.person_id, {"created_at": row.created_at}, None)
        for row in session.connection().execute(gone)
    ]


def _end_tokens(session: Session, who: str, at: datetime) -> list[Change]:
    valid = _TOKEN.c.revoked_at.is_(None)
    void = update(_TOKEN).where(valid).values(revoked_at=at).returning(_TOKEN.c.id)
    before, after = {"revoked_at": None}, {"revoked_at": at}
    return [
        Change(who, at, _TOKEN.name, number, before, after)
        for number in session.scalars(void).all()
    ]
