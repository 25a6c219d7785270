"""How often somebody may ask for a code or type one, counted where every process sees it.

Addresses and clients are stored as hashes with a key of this installation, and forgotten after a
day. Known and unknown addresses are counted alike, so that a limit tells nothing of them.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.keys import find_key, make_key

WITHIN = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=1)
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


def client_of(host: str) -> str:
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
    connection: Connection, kind: str, limits: Sequence[Limit], now: datetime
) -> timedelta | None:
    """Count a try of ``kind`` ("ask" or "code"); how long to wait where that is one too many.

    One too many is not counted, so that waiting helps whoever goes on trying meanwhile. Two that
    come at once are counted one after the other, until their transactions end.
    """
    connection.execute(delete(_TRY).where(_TRY.c.at < now - _FORGOTTEN_AFTER))
    key = (find_key(connection, _KEY) or make_key(connection, _KEY)).encode()
    hashes = {limit.column: _hash(key, limit) for limit in limits}
    _take_turns(connection, hashes.values())
    waits = [_wait(connection, kind, limit, hashes[limit.column], now) for limit in limits]
    if any(waits):
        return max(wait for wait in waits if wait)
    values = {f"{column}_hash": value for column, value in hashes.items()}
    connection.execute(insert(_TRY).values(kind=kind, at=now, **values))
    return None


def _hash(key: bytes, limit: Limit) -> str:
    text = f"{limit.column}:{limit.value}".encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _take_turns(connection: Connection, hashes: Iterable[str]) -> None:
    """Hold up others with the same hashes until this transaction ends.

    SQLite has one writer anyway. Always in the same order, so that no two wait for each other.
    """
    if connection.dialect.name == "postgresql":
        for value in sorted(hashes):
            number = int(value[:_LOCK_DIGITS], 16)
            connection.execute(select(func.pg_advisory_xact_lock(number)))


def _wait(
    connection: Connection, kind: str, limit: Limit, value: str, now: datetime
) -> timedelta | None:
    """How long until the oldest try that fills the limit is an hour old; None within the limit."""
    column = _TRY.c[f"{limit.column}_hash"]
    recent = (_TRY.c.kind == kind) & (column == value) & (_TRY.c.at > now - WITHIN)
    filling = select(_TRY.c.at).where(recent).order_by(_TRY.c.at.desc())
    oldest = connection.scalar(filling.offset(limit.most - 1).limit(1))
    return None if oldest is None else oldest + WITHIN - now
