"""Signed-in browsers: whose they are, and ending them.

A session belongs to a person and to the address that signed in. It opens the person's pages only
while the address is theirs: not after it was removed or has become somebody else's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from tracker.records.judging.providing import PROVIDES_RSC, providing_at
from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import find_person, hashed, new_token
from tracker.records.store.audit import Change, Stamp, record_changes
from tracker.records.store.quick import as_instant, instant_for, run

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


class SignedIn(NamedTuple):
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


class Browser(NamedTuple):
    """A signed-in browser as its person sees it; ``name`` is None where it did not say."""

    handle: str
    email: str
    name: str | None
    signed_in_at: datetime
    seen_at: datetime | None


class Owner(NamedTuple):
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


def open_session(
    connection: Connection, email: str, now: datetime, browser: str | None = None
) -> str:
    """Open a session for thirty days, more once it is used; the token for the browser's cookie.

    ``browser`` says in words what it is. Sessions of anybody that are over are forgotten.
    """
    connection.execute(delete(_SESSION).where(_SESSION.c.expires_at < now))
    token = new_token()
    person = find_person(connection, email)
    connection.execute(
        insert(_SESSION).values(
            token_hash=hashed(token),
            email=email,
            person_id=person.id if person else None,
            created_at=now,
            expires_at=now + timedelta(days=SESSION_DAYS),
            browser=browser,
        )
    )
    return token


def signed_in(connection: Connection, token: str, now: datetime) -> SignedIn | None:
    """What a cookie's token opens; None if nothing, or nothing any more."""
    parameters = [*providing_at(now), hashed(token), instant_for(connection, now)]
    rows = run(connection, _SIGNED_IN, parameters)
    if not rows:
        return None
    email, created_at, seen_at, *person = rows[0]
    seen = as_instant(seen_at) if seen_at else None
    return SignedIn(email, as_instant(created_at), seen, *person[:2], *map(bool, person[2:]))


def was_seen_today(session: SignedIn, now: datetime) -> bool:
    """Whether it need not be written again that this browser was here: once a day is enough."""
    return session.seen_at is not None and session.seen_at > now - _SEEN_EVERY


def keep_seen(connection: Connection, token: str, now: datetime) -> None:
    """Remember that a browser was here, and keep it signed in, unless that was done this day.

    One that is over stays over.
    """
    late = or_(_SESSION.c.seen_at.is_(None), _SESSION.c.seen_at <= now - _SEEN_EVERY)
    mine = (_SESSION.c.token_hash == hashed(token)) & (_SESSION.c.expires_at > now)
    query = select(_SESSION.c.created_at).where(mine & late)
    created_at = connection.scalar(query)
    if created_at is None:
        return
    last = created_at + timedelta(days=LONGEST_SESSION_DAYS)
    expires_at = min(now + timedelta(days=SESSION_DAYS), last)
    changed = update(_SESSION).where(mine & late).values(seen_at=now, expires_at=expires_at)
    connection.execute(changed)


def close_session(connection: Connection, token: str) -> None:
    """End a session; one that is over already stays so."""
    connection.execute(delete(_SESSION).where(_SESSION.c.token_hash == hashed(token)))


def handle_of(token: str) -> str:
    """What names a session in a form."""
    return hashed(token)[:_HANDLE_LENGTH]


def browsers_of(connection: Connection, owner: Owner, now: datetime) -> list[Browser]:
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
    rows = connection.execute(own.order_by(last.desc(), _SESSION.c.token_hash))
    return [Browser(*row) for row in rows]


def end_browsers(connection: Connection, owner: Owner, handles: Sequence[str], stamp: Stamp) -> int:
    """Sign somebody out of those of their browsers that ``handles`` name; return how many.

    Each leaves an audit event. A session has no number: the event names its person, 0 for
    whoever is not among the people.
    """
    named = func.substr(_SESSION.c.token_hash, 1, _HANDLE_LENGTH).in_(handles)
    ended = connection.execute(
        delete(_SESSION)
        .where(_belongs_to(owner) & named)
        .returning(_SESSION.c.email, _SESSION.c.browser, _SESSION.c.created_at)
    ).all()
    record_changes(
        connection,
        [
            Change(stamp.who, stamp.at, "web_session", owner.person_id or 0, row._asdict(), None)
            for row in ended
        ],
    )
    return len(ended)


def _belongs_to(owner: Owner) -> ColumnElement[bool]:
    nobodys = _SESSION.c.person_id.is_(None)
    if owner.person_id is None:
        return nobodys & (_SESSION.c.email == owner.email)
    # Without a person are those of before it was kept, and of who became one since.
    theirs = [
        _SESSION.c.email.in_(select(func.lower(address)).where(_PERSON.c.id == owner.person_id))
        for address in (_PERSON.c.email, _PERSON.c.second_email)
    ]
    return or_(_SESSION.c.person_id == owner.person_id, nobodys & or_(*theirs))
