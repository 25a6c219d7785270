"""The key pairs that sign badges, and the one that signs today.

Others verify badges with the public key for years, so unlike the keys of links these pairs are
stored. The private half is encrypted with a key that is derived from the master key.
"""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from sqlmodel import Session, col, delete, select

from tracker.db.access import BadgeKey
from tracker.db.engine import lock_names
from tracker.db.signing_keys import badge_cipher

# Every verifier of Open Badges knows RS256, and few know anything else.
ALGORITHM = "RS256"
_BITS, _EXPONENT = 2048, 65537


@dataclass(frozen=True, slots=True)
class BadgeSigner:
    """The key that signs today, and the id under which anyone finds its public half."""

    key_id: str
    private_key: RSAPrivateKey = field(repr=False)


def encode_url_safe(content: bytes) -> str:
    """Base64 as JWS and JWK have it: for URLs, and without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def find_badge_signer(session: Session) -> BadgeSigner | None:
    """The key that signs today; None before the first badge, or if its master key was lost."""
    newest = select(BadgeKey).order_by(col(BadgeKey.id).desc()).limit(1)
    stored = session.exec(newest).first()
    if stored is None:
        return None
    der = badge_cipher(session).decrypt(stored.key_id, stored.private_key)
    if der is None:
        return None
    private_key = load_der_private_key(der, None)
    if not isinstance(private_key, RSAPrivateKey):
        message = f"the key {stored.key_id} of badges is of another kind than those that sign them"
        raise TypeError(message)
    return BadgeSigner(stored.key_id, private_key)


def get_badge_signer(session: Session, now: datetime) -> BadgeSigner:
    """The key that signs today; the first call makes it, so the session must be able to write."""
    lock_names(session, ["badge key"])
    signer = find_badge_signer(session)
    if signer is not None:
        return signer
    private_key = generate_private_key(_EXPONENT, _BITS)
    public_key = _describe_public(private_key)
    key_id = _thumbprint(public_key)
    der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    session.add(
        BadgeKey(
            key_id=key_id,
            public_key=json.dumps(public_key),
            private_key=badge_cipher(session).encrypt(key_id, der),
            created_at=now,
        )
    )
    session.flush()
    return BadgeSigner(key_id, private_key)


def list_public_keys(session: Session) -> list[dict[str, str]]:
    """Every key that signed badges, as JWKs, the newest first."""
    query = select(BadgeKey.key_id, BadgeKey.public_key).order_by(col(BadgeKey.id).desc())
    common = {"alg": ALGORITHM, "use": "sig"}
    return [{**json.loads(public), **common, "kid": id_} for id_, public in session.exec(query)]


def delete_badge_keys(session: Session) -> int:
    """Delete every key: no badge that was signed until now can be verified. Returns how many."""
    return session.exec(delete(BadgeKey)).rowcount


def _describe_public(private_key: RSAPrivateKey) -> dict[str, str]:
    """The public half as a JWK, with what RFC 7638 hashes and nothing else."""
    numbers = private_key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8)
    return {"e": encode_url_safe(exponent), "kty": "RSA", "n": encode_url_safe(modulus)}


def _thumbprint(public_key: dict[str, str]) -> str:
    """The id of a key by RFC 7638: a hash of its parts, in the order of their names."""
    text = json.dumps(public_key, sort_keys=True, separators=(",", ":"))
    return encode_url_safe(sha256(text.encode()).digest())
