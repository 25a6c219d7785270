"""The last parts of links that carry what they open, signed with a key of this installation."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, URLSafeSerializer
from sqlmodel import Session

from tracker.db.signing_keys import find_former_key, find_signing_key, get_signing_key

_MAX_TOKEN_LENGTH = 2000


class LinkSigner:
    """Signs many links of one kind; the key is read once.

    ``salt`` keeps links of one kind from being valid as another. The first signer of a purpose
    stores the generation of its key, so the session must be able to write.
    """

    def __init__(self, session: Session, purpose: str, salt: str) -> None:
        self._serializer = _serializer(get_signing_key(session, purpose), salt)

    def sign(self, content: Sequence[Any]) -> str:
        """The last part of the link that carries ``content``."""
        return str(self._serializer.dumps(list(content)))


def sign_token(session: Session, purpose: str, salt: str, content: Sequence[Any]) -> str:
    """Sign one link as `LinkSigner` does."""
    return LinkSigner(session, purpose, salt).sign(content)


def read_token(session: Session, purpose: str, salt: str, token: str) -> list[Any] | None:
    """What was signed; None if the token is not ours. Links of earlier versions stay valid."""
    if len(token) > _MAX_TOKEN_LENGTH:
        return None
    if (key := find_signing_key(session, purpose)) is not None:
        content = _load(_serializer(key, salt), token)
        if content is not None:
            return content
    former = find_former_key(session, purpose)
    return None if former is None else _load(URLSafeSerializer(former, salt=salt), token)


def _serializer(key: bytes, salt: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=salt, signer_kwargs={"digest_method": sha256})


def _load(serializer: URLSafeSerializer, token: str) -> list[Any] | None:
    try:
        content: list[Any] = serializer.loads(token)
    except (BadData, ValueError, UnicodeError):
        return None
    return content
