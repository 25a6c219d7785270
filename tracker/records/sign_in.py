"""Sign-in by e-mailed link and code, and the sessions that it opens.

Tokens and codes are random and stored as hashes only: whoever reads the database can open
nothing with it.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from tracker.records.tables import METADATA

SIGN_IN_MINUTES = 10
SESSION_DAYS = 30
_CODE_DIGITS = 6
_TRIES = 5
# One address gets at most this many mails an hour, however often somebody asks.
_ASKS = 5
_ASKS_WITHIN = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=1)
_LONGEST_EMAIL = 254

_PERSON = METADATA.tables["person"]
_SIGN_IN = METADATA.tables["sign_in"]
_SESSION = METADATA.tables["web_session"]


@dataclass(frozen=True, slots=True)
class Who:
    """A person as sign-in knows one; ``id`` is the person's."""

    id: int
    name: str


def new_token() -> str:
    """A random text that nobody can guess, fit for a link or a cookie."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """Six random digits to type."""
    return f"{secrets.randbelow(10**_CODE_DIGITS):0{_CODE_DIGITS}}"


def normal_email(text: str) -> str:
    """An address as it is stored and compared: without space around it, in lower case."""
    return text.strip().lower()[:_LONGEST_EMAIL]


def find_person(connection: Connection, email: str) -> Who | None:
    """Whose address this is: somebody's first, else the second of exactly one.

    A second address that several share (an office's mailbox) says of none of them who it is.
    """
    columns = select(_PERSON.c.id, _PERSON.c.name)
    first = connection.execute(columns.where(_PERSON.c.email == email)).first()
    if first is not None:
        return Who(*first)
    second = func.lower(_PERSON.c.second_email) == email
    found = connection.execute(columns.where(second).limit(2)).all()
    return Who(*found[0]) if len(found) == 1 else None


def may_ask(connection: Connection, email: str, now: datetime) -> bool:
    """Whether a further sign-in mail may go to ``email``; also forgets old ones of anyone."""
    connection.execute(delete(_SIGN_IN).where(_SIGN_IN.c.expires_at < now - _FORGOTTEN_AFTER))
    connection.execute(delete(_SESSION).where(_SESSION.c.expires_at < now))
    recent = (_SIGN_IN.c.email == email) & (_SIGN_IN.c.created_at > now - _ASKS_WITHIN)
    count = connection.scalar(select(func.count()).select_from(_SIGN_IN).where(recent))
    return (count or 0) < _ASKS


def store_sign_in(
    connection: Connection, *, email: str, token: str, code: str, now: datetime
) -> None:
    """Remember that ``token`` and ``code`` together sign in ``email``, for ten minutes."""
    connection.execute(
        insert(_SIGN_IN).values(
            token_hash=hashed(token),
            code_hash=_code_hash(token, code),
            email=email,
            created_at=now,
            expires_at=now + timedelta(minutes=SIGN_IN_MINUTES),
            wrong_codes=0,
        )
    )


def use_sign_in(connection: Connection, token: str, code: str, now: datetime) -> str | None:
    """Use up the token and code; the address that they sign in, None if they do not.

    The try is counted before the code is compared: the row is then locked, so that a
    thousand guesses at once are still five, and of two right ones only the first counts.
    """
    open_one = (
        (_SIGN_IN.c.token_hash == hashed(token))
        & _SIGN_IN.c.used_at.is_(None)
        & (_SIGN_IN.c.expires_at > now)
    )
    tried = connection.execute(
        update(_SIGN_IN)
        .where(open_one & (_SIGN_IN.c.wrong_codes < _TRIES))
        .values(wrong_codes=_SIGN_IN.c.wrong_codes + 1)
    )
    if tried.rowcount != 1:
        return None
    right = open_one & (_SIGN_IN.c.code_hash == _code_hash(token, code))
    used = connection.execute(
        update(_SIGN_IN)
        .where(right)
        .values(used_at=now, wrong_codes=_SIGN_IN.c.wrong_codes - 1)
        .returning(_SIGN_IN.c.email)
    )
    return used.scalar_one_or_none()


def open_session(connection: Connection, email: str, now: datetime) -> str:
    """Open a session for thirty days; the token for the browser's cookie."""
    token = new_token()
    connection.execute(
        insert(_SESSION).values(
            token_hash=hashed(token),
            email=email,
            created_at=now,
            expires_at=now + timedelta(days=SESSION_DAYS),
        )
    )
    return token


def session_email(connection: Connection, token: str, now: datetime) -> str | None:
    """Whose session a cookie's token opens; None if none, or none any more."""
    valid = (_SESSION.c.token_hash == hashed(token)) & (_SESSION.c.expires_at > now)
    return connection.scalar(select(_SESSION.c.email).where(valid))


def close_session(connection: Connection, token: str) -> None:
    """End a session; one that is over already stays so."""
    connection.execute(delete(_SESSION).where(_SESSION.c.token_hash == hashed(token)))


def hashed(token: str) -> str:
    """A token as it is stored. It is long and random, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _code_hash(token: str, code: str) -> str:
    # Six digits alone are tried out in a moment; together with the token, which is nowhere
    # stored, they are not.
    return hashed(f"{token}:{code}")
