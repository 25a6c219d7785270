"""Codes that a person copies from a mail: short, and hard to misread or mistype."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, func, insert, select, update
from sqlmodel import Session

from tracker.db.statements import find_key, make_key
from tracker.db.tables import METADATA

CODE_LENGTH = 8
# As much of what somebody typed is put into the field again, for them to correct.
LONGEST_SHOWN = 40
_GROUP = 4
# No vowels, so that no code is a word; no 0 O 1 I L; of each pair that looks alike (2 Z, 5 S, 6 G,
# 8 B) only the digit: 23 to the power of 8 codes, of which one has five tries.
_ALPHABET = "23456789CDFHJKMNPQRTVWX"
# Who reads the other one of a pair means the one that there is.
_LOOK_ALIKES = str.maketrans("ZSGB", "2568")
_BETWEEN = re.compile(r"[\s\-\N{HYPHEN}-\N{HORIZONTAL BAR}]+")
_LONGEST_TYPED = 100


def generate_code() -> str:
    """Eight random letters and digits to type, as they are stored and compared: ``F7KM3RTX``."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))


def format_code(code: str) -> str:
    """A code as people read it, in two groups: ``F7KM-3RTX``."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def parse_code(typed: str) -> str | None:
    """The code that somebody typed, in any case, with or without space or dash.

    None for what cannot be a code, however it is read: trying it would only use up a try.
    """
    code = _BETWEEN.sub("", typed[:_LONGEST_TYPED]).upper().translate(_LOOK_ALIKES)
    return code if len(code) == CODE_LENGTH and set(code) <= set(_ALPHABET) else None


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


def generate_token() -> str:
    """A random text that nobody can guess, fit for a link or a cookie."""
    return secrets.token_urlsafe(32)


def normalize_email(text: str) -> str:
    """An address as it is stored and compared: without space around it, in lower case."""
    return text.strip().lower()[:_LONGEST_EMAIL]


def find_person_by_email(session: Session, email: str) -> Who | None:
    """Whose address this is: somebody's first, else the second of exactly one.

    A second address that several share (an office's mailbox) says of none of them who it is.
    """
    columns = select(_PERSON.c.id, _PERSON.c.name)
    first = session.connection().execute(columns.where(_PERSON.c.email == email)).first()
    second = func.lower(_PERSON.c.second_email) == email
    found = session.connection().execute(columns.where(second).limit(2)).all()
    if first is not None:
        return Who(*first)
    return Who(*found[0]) if len(found) == 1 else None


def forget_old(session: Session, now: datetime) -> None:
    """Forget sign-ins that ended more than a day ago; until then they say why they ended."""
    session.connection().execute(
        delete(_SIGN_IN).where(_SIGN_IN.c.expires_at < now - _FORGOTTEN_AFTER)
    )


def store_sign_in(
    session: Session,
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
    session.connection().execute(
        insert(_SIGN_IN).values(
            token_hash=hash_token(token),
            code_hash=_code_hash(token, code),
            email=email,
            created_at=now,
            expires_at=now + timedelta(minutes=SIGN_IN_MINUTES),
            wrong_codes=0,
            person_id=person_id,
        )
    )


def use_sign_in(
    session: Session, token: str, code: str, now: datetime, person_id: int | None = None
) -> str | Refused:
    """Use up the token and code; the address that they sign in, or why they do not.

    ``person_id`` is the one that they were stored with. The try is counted before the code is
    compared: the row is then locked, so that a thousand guesses at once are still five, and of
    two right ones only the first counts.
    """
    asked = (
        _SIGN_IN.c.token_hash == hash_token(token)
    ) & _SIGN_IN.c.person_id.is_not_distinct_from(person_id)
    open_one = asked & _SIGN_IN.c.used_at.is_(None) & (_SIGN_IN.c.expires_at > now)
    tried = session.connection().execute(
        update(_SIGN_IN)
        .where(open_one & (_SIGN_IN.c.wrong_codes < _TRIES))
        .values(wrong_codes=_SIGN_IN.c.wrong_codes + 1)
    )
    if tried.rowcount != 1:
        row = session.connection().execute(
            select(_SIGN_IN.c.used_at, _SIGN_IN.c.expires_at).where(asked)
        )
        return _why(row.one_or_none(), now)
    right = (
        open_one & (_SIGN_IN.c.code_hash == _code_hash(token, code)) & (_SIGN_IN.c.email != NOBODY)
    )
    used = session.connection().execute(
        update(_SIGN_IN)
        .where(right)
        .values(used_at=now, wrong_codes=_SIGN_IN.c.wrong_codes - 1)
        .returning(_SIGN_IN.c.email)
    )
    return used.scalar_one_or_none() or Refused.WRONG


def hash_token(token: str) -> str:
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
    return hash_token(f"{token}:{code}")


WITHIN = timedelta(hours=1)
_KEY = "sign-in"
_IPV6_NETWORK_BYTES = 8
# Hexadecimal: a lock has a number of 63 bits and a sign.
_LOCK_DIGITS = 15
_TRY = METADATA.tables["sign_in_try"]


class Limit(NamedTuple):
    """At most ``most`` tries in any hour with the same ``value`` ("client" or "address")."""

    column: str
    value: str
    most: int


def client_network(host: str) -> str:
    """Which client an internet address is: a household's or office's whole IPv6 /64 is one."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:_IPV6_NETWORK_BYTES].hex()


def count_try(
    session: Session, kind: str, limits: Sequence[Limit], now: datetime
) -> timedelta | None:
    """Count a try of ``kind`` ("ask" or "code"); how long to wait where that is one too many.

    One too many is not counted, so that waiting helps whoever goes on trying meanwhile. Two that
    come at once are counted one after the other, until their transactions end.
    """
    session.connection().execute(delete(_TRY).where(_TRY.c.at < now - _FORGOTTEN_AFTER))
    key = (find_key(session, _KEY) or make_key(session, _KEY)).encode()
    hashes = {limit.column: _hash(key, limit) for limit in limits}
    _take_turns(session, hashes.values())
    waits = [_wait(session, kind, limit, hashes[limit.column], now) for limit in limits]
    if any(waits):
        return max(wait for wait in waits if wait)
    values = {f"{column}_hash": value for column, value in hashes.items()}
    session.connection().execute(insert(_TRY).values(kind=kind, at=now, **values))
    return None


def _hash(key: bytes, limit: Limit) -> str:
    text = f"{limit.column}:{limit.value}".encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _take_turns(session: Session, hashes: Iterable[str]) -> None:
    """Hold up others with the same hashes until this transaction ends.

    SQLite has one writer anyway. Always in the same order, so that no two wait for each other.
    """
    if session.connection().dialect.name == "postgresql":
        for value in sorted(hashes):
            number = int(value[:_LOCK_DIGITS], 16)
            session.connection().execute(select(func.pg_advisory_xact_lock(number)))


def _wait(session: Session, kind: str, limit: Limit, value: str, now: datetime) -> timedelta | None:
    """How long until the oldest try that fills the limit is an hour old; None within the limit."""
    column = _TRY.c[f"{limit.column}_hash"]
    recent = (_TRY.c.kind == kind) & (column == value) & (_TRY.c.at > now - WITHIN)
    filling = select(_TRY.c.at).where(recent).order_by(_TRY.c.at.desc())
    oldest = session.scalar(filling.offset(limit.most - 1).limit(1))
    return None if oldest is None else oldest + WITHIN - now
