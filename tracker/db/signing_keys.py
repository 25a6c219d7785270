"""The keys with which this installation signs links and encrypts what waits.

Each purpose has a key of its own, derived from the master key, which is not in the database, and
from the salt of the purpose's generation, which is. A new generation makes a new key: whatever the
earlier one signed is no longer valid.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func
from sqlmodel import Session, col, select, update

from tracker.db.access import KeyGeneration, Secret
from tracker.db.ledgers import Outbox
from tracker.db.statements import upsert
from tracker.master_key import MasterKey, MasterKeyError

SIGN_IN, DEVICE = "sign-in", "device"
REFERENCE, CALENDAR, UNSUBSCRIBE = "reference", "calendar", "unsubscribe"
_MAIL, _FORMER, _FACTOR, _BADGE = "mail", "former keys", "second factor", "badge"
# Of envelope senders. Not renewed with links: reports about mail that left still come in.
BOUNCE = "bounce"
PURPOSES = (
    *(SIGN_IN, DEVICE, REFERENCE, CALENDAR, UNSUBSCRIBE),
    *(_MAIL, _FORMER, _FACTOR, _BADGE, BOUNCE),
)
# What earlier versions kept in the database, and links that people still have were signed with.
_FORMER_NAMES = (REFERENCE, CALENDAR, UNSUBSCRIBE)
_ENCRYPTED = b"\x00aes-gcm-1\x00"
_NONCE_BYTES = 12
_SALT_BYTES = 16
_WRAPPED = "encrypted:"


def find_signing_key(session: Session, purpose: str) -> bytes | None:
    """Return the key of that purpose; None before it was first needed.

    Raises MasterKeyError if the master key is missing, or another one than when it was made.
    """
    generation = session.exec(
        select(KeyGeneration.salt, KeyGeneration.fingerprint).where(
            KeyGeneration.purpose == purpose
        )
    ).first()
    return None if generation is None else _derive(_master_of(session), purpose, *generation)


def get_signing_key(session: Session, purpose: str) -> bytes:
    """Return the key of that purpose; the first call makes it.

    The first key of a database also makes the file with the master key, if there is none.
    """
    key = find_signing_key(session, purpose)
    if key is not None:
        return key
    master = _master_of(session)
    if session.exec(select(KeyGeneration.purpose).limit(1)).first() is None:
        master.create()
    # If two callers make the key at the same time, the first is stored and both read it.
    upsert(session, KeyGeneration, [_new_generation(master, purpose, 1)], key=["purpose"])
    key = find_signing_key(session, purpose)
    if key is None:
        raise RuntimeError(f"the key for {purpose!r} was not stored")
    return key


def prepare_keys(session: Session) -> None:
    """Make every key, and encrypt what earlier versions left readable. Repeating it does no harm.

    Raises MasterKeyError if the master key is missing or wrong.
    """
    for purpose in PURPOSES:
        get_signing_key(session, purpose)
    for secret in session.exec(select(Secret)).all():
        if secret.name not in _FORMER_NAMES:
            session.delete(secret)
        elif not secret.value.startswith(_WRAPPED):
            encrypted = _cipher(session, _FORMER).encrypt(secret.name, secret.value.encode())
            secret.value = _WRAPPED + encrypted.hex()
            session.add(secret)
    cipher = body_cipher(session)
    query = select(Outbox.id, Outbox.message_id, Outbox.body)
    unsent = col(Outbox.state).in_(["waiting", "sending"])
    for number, message_id, body in session.exec(query.where(unsent)).all():
        if not body.startswith(_ENCRYPTED):
            statement = update(Outbox).where(col(Outbox.id) == number)
            session.exec(statement.values(body=cipher.encrypt(message_id, body)))
    session.flush()


def find_former_key(session: Session, purpose: str) -> str | None:
    """The key with which an earlier version signed links that are still valid; None without."""
    value = session.exec(select(Secret.value).where(Secret.name == purpose)).first()
    if value is None or not value.startswith(_WRAPPED):
        return value
    encrypted = bytes.fromhex(value.removeprefix(_WRAPPED))
    former = _cipher(session, _FORMER).decrypt(purpose, encrypted)
    return former.decode() if former else None


def renew_signing_keys(session: Session, purposes: Sequence[str]) -> None:
    """Give each purpose a new key; what the earlier ones signed is no longer valid."""
    for purpose in purposes:
        _replace_generation(session, purpose)
        if (former := session.get(Secret, purpose)) is not None:
            session.delete(former)
    session.flush()


def replace_lost_master_key(session: Session) -> bool:
    """Make new keys if the master key is missing or another one; return whether it was.

    What was encrypted with the lost one can't be read anymore, and its links are not valid.
    """
    master = _master_of(session)
    if _is_right(session, master):
        return False
    master.create()
    for purpose in session.exec(select(KeyGeneration.purpose)).all():
        _replace_generation(session, purpose)
    for former in session.exec(select(Secret)).all():
        session.delete(former)
    session.flush()
    return True


def check_master_key(session: Session) -> None:
    """Raise MasterKeyError if the master key is missing or wrong while the database needs it."""
    query = select(KeyGeneration.purpose, KeyGeneration.salt, KeyGeneration.fingerprint)
    for generation in session.exec(query).all():
        _derive(_master_of(session), *generation)


@dataclass(frozen=True, slots=True)
class Cipher:
    """Encrypts with the key of one purpose; what it encrypted can't be moved to another name."""

    key: AESGCM = field(repr=False)

    def encrypt(self, name: str, text: bytes) -> bytes:
        """``text`` as it is stored under ``name``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _ENCRYPTED + nonce + self.key.encrypt(nonce, text, name.encode())

    def decrypt(self, name: str, stored: bytes) -> bytes | None:
        """What was encrypted; None if it was damaged, or is stored under another name.

        What an earlier version stored without encrypting it is returned as it is.
        """
        if not stored.startswith(_ENCRYPTED):
            return stored
        rest = stored.removeprefix(_ENCRYPTED)
        try:
            return self.key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], name.encode())
        except InvalidTag:
            return None


def body_cipher(session: Session) -> Cipher:
    """Encrypts bodies of messages that wait, under their Message-IDs. Raises MasterKeyError."""
    return _cipher(session, _MAIL)


def factor_cipher(session: Session) -> Cipher:
    """Encrypts the secrets of second factors, under the addresses. Raises MasterKeyError."""
    return _cipher(session, _FACTOR)


def badge_cipher(session: Session) -> Cipher:
    """Encrypts the private keys of badges, under their ids. Raises MasterKeyError."""
    return _cipher(session, _BADGE)


def _cipher(session: Session, purpose: str) -> Cipher:
    return Cipher(AESGCM(get_signing_key(session, purpose)))


def _master_of(session: Session) -> MasterKey:
    master: MasterKey = session.connection().get_execution_options()["master_key"]
    return master


def _is_right(session: Session, master: MasterKey) -> bool:
    if not master.is_there:
        return session.exec(select(func.count()).select_from(KeyGeneration)).one() == 0
    # A file that can't be read is not lost.
    master.read()
    try:
        check_master_key(session)
    except MasterKeyError:
        return False
    return True


def _replace_generation(session: Session, purpose: str) -> None:
    number = session.exec(
        select(KeyGeneration.number).where(KeyGeneration.purpose == purpose)
    ).first()
    row = _new_generation(_master_of(session), purpose, (number or 0) + 1)
    columns = ["number", "salt", "fingerprint"]
    upsert(session, KeyGeneration, [row], key=["purpose"], update=columns)


def _new_generation(master: MasterKey, purpose: str, number: int) -> dict[str, object]:
    # Random, so that a restored database never repeats a generation that was renewed meanwhile.
    salt = secrets.token_hex(_SALT_BYTES)
    fingerprint = _fingerprint(_mix(master, purpose, salt))
    return {"purpose": purpose, "number": number, "salt": salt, "fingerprint": fingerprint}


def _derive(master: MasterKey, purpose: str, salt: str, fingerprint: str) -> bytes:
    key = _mix(master, purpose, salt)
    if not hmac.compare_digest(_fingerprint(key), fingerprint):
        raise MasterKeyError(
            f"{master.place} is not the master key that this database was used with. Put back "
            "the right one, or set TRACKER_MASTER_KEY_FILE to where it is. If it is lost, "
            "`tracker sessions end-all --lost-key` makes new keys; links that were sent until now "
            "then stop working"
        )
    return key


def _mix(master: MasterKey, purpose: str, salt: str) -> bytes:
    return hmac.digest(master.read(), f"tracker\n{purpose}\n{salt}".encode(), sha256)


def _fingerprint(key: bytes) -> str:
    return hmac.digest(key, b"fingerprint", sha256).hex()
