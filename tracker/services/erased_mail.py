"""Mail to a person who is erased, and mail to others that names them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from html import unescape
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, func, or_, select, update
from sqlmodel import Session

from tracker.db.signing_keys import Cipher, body_cipher
from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA
from tracker.services.dead_addresses import is_held
from tracker.services.identifying_text import IdentifyingText

_OUTBOX = METADATA.tables["outbox"]
_UNSENT = ("waiting", "sending")
_BATCH = 1_000
_EMPTY = {"body": b"", "text": None, "last_error": None}


class MailOnItsWay(NamedTuple):
    """How many messages have to leave before an erasure.

    ``sending`` are to the person or name them, ``waiting`` are to others and name them.
    """

    sending: int
    waiting: int


@dataclass(frozen=True, slots=True)
class ErasedMail:
    """The mail of one person, with all their addresses in lower case."""

    session: Session
    person_id: int
    emails: Collection[str]
    naming: IdentifyingText

    def count_on_its_way(self) -> MailOnItsWay:
        """Count what has to leave first. What is held could not, and doesn't count."""
        cipher, is_own = body_cipher(self.session), self._is_own()
        query = select(_OUTBOX, is_own.label("is_own"), is_held().label("is_held"))
        # Locked, so that none is claimed meanwhile: what leaves must not lose its text.
        waits = select(_OUTBOX.c.id).where(_OUTBOX.c.state == "waiting").with_for_update()
        self.session.connection().execute(waits).all()
        unsent = query.where(_OUTBOX.c.state.in_(_UNSENT))
        sending = waiting = 0
        for message in self.session.connection().execute(unsent).mappings():
            if message["state"] == "sending":
                sending += bool(message["is_own"]) or self._is_named_in(message, cipher)
            elif not message["is_own"] and not message["is_held"]:
                waiting += self._is_named_in(message, cipher)
        return MailOnItsWay(sending, waiting)

    def strip(self, address: str, now: datetime) -> int:
        """Keep that there was a message, but not to whom, nor what it said; return how many.

        What waits is dropped. ``address`` is the person's from now on.
        """
        connection, is_own = self.session.connection(), self._is_own()
        waits = is_own & (_OUTBOX.c.state == "waiting")
        connection.execute(update(_OUTBOX).where(waits).values(state="dropped", finished_at=now))
        own = update(_OUTBOX).where(is_own).values(person_id=None, recipient=address, subject="")
        count: int = connection.execute(own.values(_EMPTY)).rowcount
        return count + self._strip_others(now)

    def _strip_others(self, now: datetime) -> int:
        """Empty what names the person to others: held, dropped, or kept to be read by coordinators.

        What was held is dropped, and its occasion may have another message. No statement finds
        them, as they are encrypted.
        """
        has_text = _OUTBOX.c.text.is_not(None) | (_OUTBOX.c.body != b"")
        connection, cipher = self.session.connection(), body_cipher(self.session)
        ids = connection.execute(select(_OUTBOX.c.id).where(has_text)).scalars().all()
        count = 0
        for chunk in in_chunks(ids, _BATCH):
            query = select(_OUTBOX).where(_OUTBOX.c.id.in_(chunk))
            for message in connection.execute(query).mappings().all():
                if self._is_named_in(message, cipher):
                    self._empty(message, now)
                    count += 1
        return count

    def _empty(self, message: RowMapping, now: datetime) -> None:
        values: dict[str, Any] = {**_EMPTY}
        if message["state"] == "waiting":
            key = f"{message['dedupe_key']}:dropped:{message['id']}"
            values |= {"state": "dropped", "finished_at": now, "dedupe_key": key}
        statement = update(_OUTBOX).where(_OUTBOX.c.id == message["id"])
        self.session.connection().execute(statement.values(values))

    def _is_own(self) -> ColumnElement[bool]:
        recipient = func.lower(_OUTBOX.c.recipient)
        return or_(_OUTBOX.c.person_id == self.person_id, recipient.in_(self.emails))

    def _is_named_in(self, message: RowMapping, cipher: Cipher) -> bool:
        """Whether a message, or what coordinators can read of it, names the person."""
        body, text = (
            cipher.decrypt(message["message_id"], message[name] or b"") or b""
            for name in ("body", "text")
        )
        texts = read_message_text(body), text.decode()
        return any(map(self.naming.is_in, texts))


def read_message_text(body: bytes) -> str:
    """The subject and the text parts of a message, decoded, each below the other.

    Messages are in UTF-8 (`tracker.mail.compose`). The older interface of the email package reads
    one in a tenth of the time.
    """
    message = message_from_bytes(body)
    texts = [str(make_header(decode_header(message["Subject"] or "")))]
    for part in message.walk():
        if part.get_content_maintype() == "text":
            content: Any = part.get_payload(decode=True)
            texts.append(unescape(content.decode()))
    return "\n".join(texts)
