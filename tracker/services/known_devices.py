"""Browsers that signed in before: their own allowance of codes, which nobody else can use up.

A signed cookie names the browser, and holds hashes of the addresses that signed in with it. It
signs nobody in. Without it, five requests by a stranger would lock an address out for an hour.
"""

import hmac
from hashlib import sha256

from sqlmodel import Session

from tracker.db.signing_keys import DEVICE, find_signing_key, get_signing_key
from tracker.services.sign_in import generate_token
from tracker.services.signed_links import read_token, sign_token

DEVICE_DAYS = 400
_SALT = "device"
# Of a browser that colleagues share, the latest addresses.
_MAX_ADDRESSES = 5


def remember_device(session: Session, cookie: str, email: str) -> str:
    """The new value of the cookie of a browser that has just signed in with ``email``."""
    name, addresses = _read(session, cookie) or (generate_token(), [])
    own = _hash(get_signing_key(session, DEVICE), name, email)
    kept = [own, *(each for each in addresses if each != own)][:_MAX_ADDRESSES]
    return sign_token(session, DEVICE, _SALT, [name, kept])


def find_device(session: Session, cookie: str, email: str) -> str | None:
    """What names the browser with this cookie; None unless it signed in with ``email`` before."""
    device, key = _read(session, cookie), find_signing_key(session, DEVICE)
    if device is None or key is None:
        return None
    name, addresses = device
    return name if _hash(key, name, email) in addresses else None


def _read(session: Session, cookie: str) -> tuple[str, list[str]] | None:
    content = read_token(session, DEVICE, _SALT, cookie) if cookie else None
    return None if content is None else (content[0], content[1])


def _hash(key: bytes, name: str, email: str) -> str:
    text = f"{name}\n{email}".encode(errors="surrogatepass")
    return hmac.new(key, text, sha256).hexdigest()
