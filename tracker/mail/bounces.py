"""Messages that an address refused: what follows for the address, and a copy for the second one.

A hard refusal says that the address is dead. Soft ones do so once SOFT_LIMIT messages to it were
refused within SOFT_SPAN. `tracker.services.dead_addresses` has what follows from that. What was
refused follows to the second address, unless that has it already.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from tracker.db.ledgers import SECOND_COPY
from tracker.db.tables import METADATA
from tracker.mail.refusals import find_cause
from tracker.services.dead_addresses import list_addresses, mark_address

SOFT_LIMIT = 3
SOFT_SPAN = timedelta(days=60)

_OUTBOX = METADATA.tables["outbox"]
_TO = re.compile(rb"^To: [^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.MULTILINE)

Row = Mapping[str, Any]


def judge_refusal(
    session: Session,
    message: tuple[int, str],
    reason: str,
    now: datetime,
    *,
    is_hard: bool | None = None,
) -> bool:
    """Mark an address as dead if a refusal says so; return whether it is new.

    ``message`` is whose it was and the address that it went to; it has failed by now. ``is_hard``
    overrides what the ``reason`` says.
    """
    person_id, recipient = message
    hard = find_cause(reason).is_hard if is_hard is None else is_hard
    if not hard and _count_refused(session, person_id, recipient, now) < SOFT_LIMIT:
        return False
    return mark_address(session, person_id, recipient, reason, now)


def _count_refused(session: Session, person_id: int, recipient: str, now: datetime) -> int:
    """How many messages to an address were lately refused, and none since the last that was not."""
    query = (
        select(func.count())
        .select_from(_OUTBOX)
        .where(
            _OUTBOX.c.person_id == person_id,
            func.lower(_OUTBOX.c.recipient) == recipient.lower(),
            _OUTBOX.c.state == "failed",
            _OUTBOX.c.bounced.is_(True),
            _OUTBOX.c.finished_at > now - SOFT_SPAN,
        )
    )
    return session.connection().execute(query).scalar_one()


def find_second(session: Session, row: Row) -> str | None:
    """The second address that a refused row of the outbox follows to; None if it goes nowhere.

    What somebody waits for at a screen does not follow (its ``next_attempt_at`` was before its
    ``created_at``, or it has a code): a code goes only to where it was asked for.
    """
    if row["person_id"] is None or row["dedupe_key"].endswith(SECOND_COPY):
        return None
    if row["expires_at"] is not None or row["next_attempt_at"] < row["created_at"]:
        return None
    person = list_addresses(session, [row["person_id"]]).get(row["person_id"])
    if person is None or row["recipient"].lower() != person.first:
        return None
    return person.second if person.second not in {"", person.dead_second, person.first} else None


def copy_of_refused(
    session: Session, message_id: int, body: bytes, now: datetime
) -> dict[str, Any] | None:
    """The copy, to the second address, of a message that the first has refused; else None.

    ``body`` is the message's, which is no longer stored.
    """
    query = select(_OUTBOX).where(_OUTBOX.c.id == message_id)
    row = dict(session.connection().execute(query).mappings().one())
    second = find_second(session, row)
    if second is None:
        return None
    new_id = f"<{secrets.token_hex(16)}@{row['message_id'].rpartition('@')[2]}"
    head, blank, text = body.partition(b"\r\n\r\n")
    head = head.replace(row["message_id"].encode(), new_id.encode(), 1)
    return create_copy(row, second, (new_id, replace_to(head, second) + blank + text), now)


def create_copy(row: Row, second: str, written: tuple[str, bytes], now: datetime) -> dict[str, Any]:
    """A row for a second address, from the original's: ``written`` is its Message-ID and body."""
    message_id, body = written
    values = {name: value for name, value in row.items() if name not in {"id", "last_error"}}
    return {
        **values,
        "dedupe_key": f"{row['dedupe_key']}{SECOND_COPY}",
        "message_id": message_id,
        "recipient": second,
        "body": body,
        # The original has it.
        "text": "",
        "state": "waiting",
        "attempts": 0,
        "fence": 0,
        "lease_until": None,
        "created_at": now,
        "next_attempt_at": now,
        "finished_at": None,
        "bounced": None,
    }


def replace_to(head: bytes, address: str) -> bytes:
    """The headers of a message with another address, without a name, in To."""
    return _TO.sub(b"To: " + address.encode().replace(b"\\", b"\\\\"), head, count=1)
