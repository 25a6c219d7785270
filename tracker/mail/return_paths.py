"""Envelope senders: one for each message, signed, so that what comes back names its message.

``bounces+4711.w5lmqzq3vkx3pfe2@your.domain``: the number of the message in the outbox, and 80 bits
of an HMAC over it and its Message-ID, in Base32, because some servers change letters to capitals.
The Message-ID is random, so that a number that is given again after a restore has another
signature.
"""

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import reading, writing
from tracker.db.signing_keys import BOUNCE, find_signing_key, get_signing_key
from tracker.settings import Bounces

_SIGNATURE_BYTES = 10
_SIGNED_PART = r"([0-9]{1,19})\.([a-z2-7]{16})"


class SignedNumber(NamedTuple):
    """The number of a message that an address names, and the signature that should prove it."""

    number: int
    signature: str


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Makes and reads the envelope senders below one bounce address."""

    key: bytes = field(repr=False)
    address: str
    delimiter: str

    def create(self, number: int, message_id: str) -> str:
        """The envelope sender of a message."""
        local, _, domain = self.address.rpartition("@")
        return f"{local}{self.delimiter}{number}.{self._sign(number, message_id)}@{domain}"

    def find(self, texts: Iterable[str]) -> list[SignedNumber]:
        """The messages that addresses of ours in these texts name, each once, in their order."""
        local, _, domain = self.address.rpartition("@")
        start, end = re.escape(f"{local}{self.delimiter}"), re.escape(f"@{domain}")
        # A letter before it would make it another address.
        pattern = re.compile(rf"(?<![\w.+=-]){start}{_SIGNED_PART}{end}(?![\w.-])", re.IGNORECASE)
        found = dict[SignedNumber, None]()
        for text in texts:
            for number, signature in pattern.findall(text):
                found[SignedNumber(int(number), signature.lower())] = None
        return list(found)

    def is_ours(self, signed: SignedNumber, message_id: str) -> bool:
        """Whether the message with this Message-ID left with this signature."""
        own = self._sign(signed.number, message_id)
        # `compare_digest` takes only ASCII as text; a long s passes for an "s" in an address.
        return hmac.compare_digest(signed.signature.encode(), own.encode())

    def _sign(self, number: int, message_id: str) -> str:
        digest = hmac.digest(self.key, f"{number}\n{message_id}".encode(), sha256)
        return base64.b32encode(digest[:_SIGNATURE_BYTES]).decode("ascii").lower()


def open_return_paths(engine: Engine, settings: Bounces) -> ReturnPaths | None:
    """The envelope senders of an installation; None without a bounce address.

    The first call makes the key. Raises MasterKeyError.
    """
    if settings.address is None:
        return None
    with reading(engine) as session:
        key = find_signing_key(session, BOUNCE)
    if key is not None:
        return ReturnPaths(key, settings.address, settings.delimiter)
    with writing(engine) as session:
        return read_return_paths(session, settings)


def read_return_paths(session: Session, settings: Bounces) -> ReturnPaths | None:
    """The same in a transaction that can write."""
    if settings.address is None:
        return None
    return ReturnPaths(get_signing_key(session, BOUNCE), settings.address, settings.delimiter)
