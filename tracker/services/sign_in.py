"""Signing in with an emailed link and a code to type, without a password.

Nothing here may show whether an address is registered: every address gets the same answers, from
the same statements. Links and codes are stored as hashes.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv6Address, ip_address

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, func, select

from tracker.db.access import SignIn, SignInTry
from tracker.db.corrections import FormerEmail
from tracker.db.engine import lock_names
from tracker.db.people import Person
from tracker.db.signing_keys import SIGN_IN, find_signing_key, get_signing_key
from tracker.services.dead_addresses import clear_address

# With so few wrong codes an hour in all, a guesser with any number of machines has less than one
# chance in a million an hour of signing in as anybody.
_DIGITS, _MOST_WRONG_CODES = 9, 999
_DIGITS_TOGETHER = 3
SIGN_IN_MINUTES = 10
# A form shows at most this much of a wrong code again, to be corrected.
MAX_SHOWN_LENGTH = 40
# The address of a sign-in for an unknown address, which is not kept.
NOBODY = ""
RATE_WINDOW = timedelta(hours=1)
_SEPARATORS = re.compile(r"[\s\-\N{HYPHEN}-\N{HORIZONTAL BAR}]+")
_MAX_TYPED_LENGTH = 100
_MAX_EMAIL_LENGTH = 254
_MAX_TRIES = 5
_KEPT = timedelta(days=1)
_IPV6_NETWORK_BYTES = 8
# No two kinds of what is hashed with the same key have the same hash.
_LINK, _CONFIRMATION, _CLIENT, _ADDRESS = "link", "confirm", "client", "address"


class CodeProblem(Enum):
    """Why a code was not accepted; the same for known and unknown addresses."""

    WRONG = "wrong"
    TOO_MANY_TRIES = "too many tries"
    PAUSED = "paused"
    USED = "used"
    EXPIRED = "expired"
    UNKNOWN_LINK = "unknown link"


def generate_token() -> str:
    """A random text for a link or a cookie, which nobody can guess."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """A token as it is stored. It is long and random, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def format_code(code: str) -> str:
    """A code as people read it: ``123 456 789``."""
    parts = [code[n : n + _DIGITS_TOGETHER] for n in range(0, _DIGITS, _DIGITS_TOGETHER)]
    return " ".join(parts)


def parse_code(typed: str) -> str | None:
    """The code that a person typed, with or without spaces and dashes.

    None for a text that cannot be a code, so that it does not use up a try.
    """
    code = _SEPARATORS.sub("", typed[:_MAX_TYPED_LENGTH])
    return code if re.fullmatch(rf"[0-9]{{{_DIGITS}}}", code) else None


def normalize_email(text: str) -> str:
    """An address as it is stored and compared: in lower case, without surrounding space."""
    return text.strip().lower()[:_MAX_EMAIL_LENGTH]


def find_person_by_email(session: Session, email: str) -> Person | None:
    """The person whose first address this is, or else whose second address.

    None if several people share it as their second address (an office's mailbox).
    """
    first = session.exec(select(Person).where(Person.email == email)).first()
    by_second = select(Person).where(func.lower(Person.second_email) == email).limit(2)
    # Both are always asked for, so that the work does not depend on the address.
    second = session.exec(by_second).all()
    if first is not None:
        return first
    return second[0] if len(second) == 1 else None


def find_former_owner(session: Session, email: str) -> Person | None:
    """The person whose first address this was; the caller knows that nobody has it now."""
    query = select(Person).join(FormerEmail).where(FormerEmail.email == email)
    return session.exec(query).first()


def forget_sign_ins(session: Session, now: datetime) -> int:
    """Delete codes and links that expired more than a day ago; return how many."""
    return session.exec(delete(SignIn).where(col(SignIn.expires_at) < now - _KEPT)).rowcount


def create_sign_in(
    session: Session, token: str, email: str, now: datetime, person_id: int | None = None
) -> str:
    """Store that ``token`` and a new code sign in ``email`` for ten minutes; return the code.

    With a ``person_id`` they do not sign in, but confirm that the address is that person's, or
    that person's session.
    """
    # Until they are deleted, expired sign-ins can still be told from unknown ones.
    forget_sign_ins(session, now)
    code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
    session.add(
        SignIn(
            token_hash=hash_token(token),
            code_hash=_hash_code(token, code),
            email=email,
            created_at=now,
            expires_at=now + timedelta(minutes=SIGN_IN_MINUTES),
            person_id=person_id,
        )
    )
    return code


def link_token(session: Session, browser_token: str) -> str:
    """The token of the link for the browser whose cookie has ``browser_token``.

    So that only who got the mail knows the link, though the browser can prove that it asked.
    """
    return _keyed_hash(get_signing_key(session, SIGN_IN), _LINK, browser_token)


def confirmation_token(session: Session, session_token: str, ticket: str) -> str:
    """The token of a code that confirms a signed-in session; it is in no link and in no page."""
    return _keyed_hash(
        get_signing_key(session, SIGN_IN), _CONFIRMATION, f"{session_token}:{ticket}"
    )


def is_own_link(session: Session, browser_token: str, token: str) -> bool:
    """Whether a link is the one for the browser with this token; this writes nothing."""
    key = find_signing_key(session, SIGN_IN)
    if key is None or not browser_token:
        return False
    own = _keyed_hash(key, _LINK, browser_token)
    return hmac.compare_digest(own.encode(), token.encode(errors="surrogatepass"))


def redeem_code(
    session: Session, token: str, code: str, now: datetime, person_id: int | None = None
) -> str | CodeProblem:
    """Use up a link and its code; return the address that they sign in, or why they do not.

    ``person_id`` is the one that they were created with. A wrong code is counted, so the caller
    must commit it too.
    """
    sign_in = _lock_open(session, token, now, person_id)
    if isinstance(sign_in, CodeProblem):
        return sign_in
    lately = col(SignIn.created_at) > now - RATE_WINDOW - timedelta(minutes=SIGN_IN_MINUTES)
    wrong_codes = session.exec(select(func.sum(SignIn.wrong_codes)).where(lately)).one()
    if wrong_codes >= _MOST_WRONG_CODES:
        return CodeProblem.PAUSED
    is_right = hmac.compare_digest(sign_in.code_hash, _hash_code(token, code))
    if not is_right or sign_in.email == NOBODY:
        sign_in.wrong_codes += 1
        return CodeProblem.WRONG
    sign_in.used_at = now
    # The code has arrived.
    clear_address(session, sign_in.email)
    return sign_in.email


def find_person_of_link(session: Session, token: str) -> int | None:
    """Whose sign-in a link or code was for, used or not; None for an unknown one."""
    query = select(SignIn.email).where(SignIn.token_hash == hash_token(token))
    email = session.exec(query).first()
    # Asked for every link, so that the work does not depend on the address.
    person = find_person_by_email(session, email or NOBODY)
    return person.id if person is not None and email else None


def redeem_link(session: Session, token: str, now: datetime) -> str | CodeProblem:
    """Use up a link without its code: for the browser that asked for it, and nobody else."""
    sign_in = _lock_open(session, token, now, None)
    if isinstance(sign_in, CodeProblem):
        return sign_in
    sign_in.used_at = now
    clear_address(session, sign_in.email)
    return sign_in.email


def _lock_open(
    session: Session, token: str, now: datetime, person_id: int | None
) -> SignIn | CodeProblem:
    """A sign-in that can still be used; of a thousand tries at once only five are compared."""
    query = (
        select(SignIn)
        .where(SignIn.token_hash == hash_token(token))
        .where(col(SignIn.person_id).is_not_distinct_from(person_id))
        .with_for_update()
    )
    sign_in = session.exec(query).first()
    if sign_in is None:
        return CodeProblem.UNKNOWN_LINK
    if sign_in.used_at is not None:
        return CodeProblem.USED
    if sign_in.expires_at <= now:
        return CodeProblem.EXPIRED
    if sign_in.wrong_codes >= _MAX_TRIES:
        return CodeProblem.TOO_MANY_TRIES
    return sign_in


def _hash_code(token: str, code: str) -> str:
    # A code alone can be guessed from its hash; together with the token, which is not stored, not.
    return hash_token(f"{token}:{code}")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``most`` tries within ``window`` with the same ``value``: a client, an address, ….

    ``window`` is a day or less.
    """

    value: str
    most: int
    window: timedelta = RATE_WINDOW


def client_network(host: str) -> str:
    """The client behind an internet address; a whole IPv6 /64 (a household, an office) is one."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:_IPV6_NETWORK_BYTES].hex()


def forget_tries(session: Session, now: datetime) -> int:
    """Delete tries that are more than a day old; return how many."""
    return session.exec(delete(SignInTry).where(col(SignInTry.at) < now - _KEPT)).rowcount


def count_try(
    session: Session, kind: str, client: RateLimit, address: RateLimit | None, now: datetime
) -> timedelta | None:
    """Count a try of ``kind``: "ask" for a code, type a "code", or name a second "address".

    Returns how long to wait if that is one too many; it is then not counted, so that waiting
    helps even a client that keeps trying. Of "verify", only the numbers that nobody has count.
    """
    forget_tries(session, now)
    key = get_signing_key(session, SIGN_IN)
    client_hash = _keyed_hash(key, _CLIENT, client.value)
    limits = [(col(SignInTry.client_hash) == client_hash, client)]
    address_hash = None
    if address is not None:
        address_hash = _keyed_hash(key, _ADDRESS, address.value)
        limits.append((col(SignInTry.address_hash) == address_hash, address))
    lock_names(session, [name for name in (client_hash, address_hash) if name])
    waits = []
    for is_same, limit in limits:
        wait = _find_wait(session, kind, is_same, limit, now)
        if wait is not None:
            waits.append(wait)
    if waits:
        return max(waits)
    session.add(SignInTry(kind=kind, at=now, client_hash=client_hash, address_hash=address_hash))
    return None


def find_wait(session: Session, kind: str, client: RateLimit, now: datetime) -> timedelta | None:
    """How long a client has to wait after its tries of ``kind``; None if not. Counts nothing."""
    key = find_signing_key(session, SIGN_IN)
    if key is None:
        return None
    is_same = col(SignInTry.client_hash) == _keyed_hash(key, _CLIENT, client.value)
    return _find_wait(session, kind, is_same, client, now)


def _find_wait(
    session: Session, kind: str, is_same: ColumnElement[bool], limit: RateLimit, now: datetime
) -> timedelta | None:
    recent = select(SignInTry.at).where(
        SignInTry.kind == kind, is_same, col(SignInTry.at) > now - limit.window
    )
    newest_first = recent.order_by(col(SignInTry.at).desc())
    # The oldest of the tries that fill the limit: once it leaves the window, there is room.
    oldest = session.exec(newest_first.offset(limit.most - 1)).first()
    return None if oldest is None else oldest + limit.window - now


def hash_client(session: Session, network: str) -> str:
    """A client's network as a keyed hash, which tells clients apart and names none."""
    return _keyed_hash(get_signing_key(session, SIGN_IN), _CLIENT, network)


def _keyed_hash(key: bytes, kind: str, value: str) -> str:
    text = f"{kind}:{value}".encode(errors="surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()
