"""Sign-in by e-mailed link and code, each good once and for ten minutes.

Tokens and codes are random and stored as hashes only: whoever reads the database can open
nothing with it.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tracker.records.schema.tables import METADATA

SIGN_IN_MINUTES = 10
_TRIES = 5
_FORGOTTEN_AFTER = timedelta(days=1)
_LONGEST_EMAIL = 254
# Whose sign-in it is when an address is unknown: it is stored like any other, so that each code
# typed for it is answered like any other, but the address is not kept.
NOBODY = ""

_PERSON = METADATA.tables["person"]
_SIGN_IN = METADATA.tables["sign_in"]


@dataclass(frozen=True, slots=True)
class Who:
    """A person as sign-in knows one; ``id`` is the person's."""

    id: int
    name: str


class Refused(Enum):
    """Why a code signs nobody in. It is the same for known and unknown addresses."""

    WRONG = "the code is another one"
    TRIED_TOO_OFTEN = "five codes were typed"
    USED = "it has signed somebody in"
    EXPIRED = "it is older than ten minutes"
    NO_LINK = "there is no such link, or not any more"


def new_token() -> str:
    """A random text that nobody can guess, fit for a link or a cookie."""
    return secrets.token_urlsafe(32)


def normal_email(text: str) -> str:
    """An address as it is stored and compared: without space around it, in lower case."""
    return text.strip().lower()[:_LONGEST_EMAIL]


def find_person(connection: Connection, email: str) -> Who | None:
    """Whose address this is: somebody's first, else the second of exactly one.

    A second address that several share (an office's mailbox) says of none of them who it is.
    """
    columns = select(_PERSON.c.id, _PERSON.c.name)
    first = connection.execute(columns.where(_PERSON.c.email == email)).first()
    second = func.lower(_PERSON.c.second_email) == email
    found = connection.execute(columns.where(second).limit(2)).all()
    if first is not None:
        return Who(*first)
    return Who(*found[0]) if len(found) == 1 else None


def forget_old(connection: Connection, now: datetime) -> None:
    """Forget sign-ins that ended more than a day ago; until then they say why they ended."""
    connection.execute(delete(_SIGN_IN).where(_SIGN_IN.c.expires_at < now - _FORGOTTEN_AFTER))


def store_sign_in(
    connection: Connection,
    *,
    email: str,
    token: str,
    code: str,
    now: datetime,
    person_id: int | None = None,
) -> None:
    """Remember for ten minutes that ``token`` and ``code`` together sign in ``email``.

    With a ``person_id`` they do not: they confirm that it is that person's address.
    """
    connection.execute(
        insert(_SIGN_IN).values(
            token_hash=hashed(token),
            code_hash=_code_hash(token, code),
            email=email,
            created_at=now,
            expires_at=now + timedelta(minutes=SIGN_IN_MINUTES),
            wrong_codes=0,
            person_id=person_id,
        )
    )


def use_sign_in(
    connection: Connection, token: str, code: str, now: datetime, person_id: int | None = None
) -> str | Refused:
    """Use up the token and code; the address that they sign in, or why they do not.

    ``person_id`` is the one that they were stored with. The try is counted before the code is
    compared: the row is then locked, so that a thousand guesses at once are still five, and of
    two right ones only the first counts.
    """
    asked = (_SIGN_IN.c.token_hash == hashed(token)) & _SIGN_IN.c.person_id.is_not_distinct_from(
        person_id
    )
    open_one = asked & _SIGN_IN.c.used_at.is_(None) & (_SIGN_IN.c.expires_at > now)
    tried = connection.execute(
        update(_SIGN_IN)
        .where(open_one & (_SIGN_IN.c.wrong_codes < _TRIES))
        .values(wrong_codes=_SIGN_IN.c.wrong_codes + 1)
    )
    if tried.rowcount != 1:
        row = connection.execute(select(_SIGN_IN.c.used_at, _SIGN_IN.c.expires_at).where(asked))
        return _why(row.one_or_none(), now)
    right = (
        open_one & (_SIGN_IN.c.code_hash == _code_hash(token, code)) & (_SIGN_IN.c.email != NOBODY)
    )
    used = connection.execute(
        update(_SIGN_IN)
        .where(right)
        .values(used_at=now, wrong_codes=_SIGN_IN.c.wrong_codes - 1)
        .returning(_SIGN_IN.c.email)
    )
    return used.scalar_one_or_none() or Refused.WRONG


def hashed(token: str) -> str:
    """A token as it is stored. It is long and random, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _why(row: Row[Any, Any] | None, now: datetime) -> Refused:
    """Why a sign-in that is stored like this takes no further code."""
    if row is None:
        return Refused.NO_LINK
    if row.used_at is not None:
        return Refused.USED
    return Refused.EXPIRED if row.expires_at <= now else Refused.TRIED_TOO_OFTEN


def _code_hash(token: str, code: str) -> str:
    # A short code alone is tried out in a moment; together with the token, which is nowhere
    # stored, it is not.
    return hashed(f"{token}:{code}")
