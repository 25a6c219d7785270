"""Mail to a first address that was refused: the second address gets it too.

The mark `email_refused_at` stands from the first refusal until mail gets through to that address
again, or the person asks us to try again. While it stands, every mail about a person goes to both
addresses, each in a message of its own; what has just been refused follows to the second.
"""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select, update
from sqlmodel import Session

from tracker.db.ledgers import SECOND_COPY
from tracker.db.tables import METADATA

_PERSON = METADATA.tables["person"]
_OUTBOX = METADATA.tables["outbox"]
_TO = re.compile(rb"^To: [^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.MULTILINE)
_HAS_SECOND = and_(_PERSON.c.second_email.is_not(None), _PERSON.c.second_email != "")

Row = Mapping[str, Any]


def copies_for_second(session: Session, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Copies, to second addresses, of those ``rows`` of the outbox whose first one is refused.

    Not of what somebody waits for at a screen (``next_attempt_at`` lies before ``created_at``):
    a code goes only to where it was asked for.
    """
    waiting = [r for r in rows if r["person_id"] and r["next_attempt_at"] >= r["created_at"]]
    if not waiting:
        return []
    mine = _PERSON.c.id.in_({row["person_id"] for row in waiting})
    query = select(_PERSON.c.id, _PERSON.c.email, _PERSON.c.second_email).where(
        mine, _PERSON.c.email_refused_at.is_not(None), _HAS_SECOND
    )
    seconds = {
        (number, email): second for number, email, second in session.connection().execute(query)
    }
    copies = []
    for row in waiting:
        second = seconds.get((row["person_id"], row["recipient"].lower()))
        if second:
            copies.append(_copy(row, second))
    return copies


def copy_of_refused(
    session: Session, message_id: int, body: bytes, now: datetime
) -> dict[str, Any] | None:
    """The copy, to the second address, of a message that the first has refused; else None.

    ``body`` is the message's, which is no longer stored.
    """
    query = select(_OUTBOX).where(_OUTBOX.c.id == message_id)
    row = session.connection().execute(query).mappings().one()
    for copy in copies_for_second(session, [dict(row) | {"body": body}]):
        return {**copy, "created_at": now, "next_attempt_at": now}
    return None


def mark_refused(session: Session, person_id: int, recipient: str, now: datetime) -> None:
    """Mark a person's first address as refused since ``now``, if it is still the ``recipient``.

    A second or an older address says nothing about it.
    """
    first = (_PERSON.c.id == person_id) & (_PERSON.c.email == recipient.lower())
    session.connection().execute(update(_PERSON).where(first).values(email_refused_at=now))


def clear_marks(session: Session, reached: Iterable[tuple[int | None, str]]) -> None:
    """Take the mark from each first address that has just taken a mail.

    ``reached`` are persons (None: nobody's) with the address that the mail went to.
    """
    pairs = {(number, recipient.lower()) for number, recipient in reached if number is not None}
    if not pairs:
        return
    people = _PERSON.c.id.in_({number for number, _ in pairs})
    query = select(_PERSON.c.id, _PERSON.c.email)
    marked = session.connection().execute(
        query.where(people & _PERSON.c.email_refused_at.is_not(None))
    )
    works = [number for number, email in marked if (number, email) in pairs]
    if works:
        own = _PERSON.c.id.in_(works)
        session.connection().execute(update(_PERSON).where(own).values(email_refused_at=None))


def replace_to(head: bytes, address: str) -> bytes:
    """The headers of a message with another address, without a name, in To."""
    return _TO.sub(b"To: " + address.encode().replace(b"\\", b"\\\\"), head, count=1)


def _copy(row: Row, second: str) -> dict[str, Any]:
    """The same message to another address: its own Message-ID, and To without the name."""
    new_id = f"<{secrets.token_hex(16)}@{row['message_id'].rpartition('@')[2]}"
    head, blank, text = row["body"].partition(b"\r\n\r\n")
    head = head.replace(row["message_id"].encode(), new_id.encode(), 1)
    head = replace_to(head, second)
    values = {name: value for name, value in row.items() if name not in {"id", "last_error"}}
    return {
        **values,
        "dedupe_key": f"{row['dedupe_key']}{SECOND_COPY}",
        "message_id": new_id,
        "recipient": second,
        "body": head + blank + text,
        # The original has it.
        "text": "",
        "state": "waiting",
        "attempts": 0,
        "fence": 0,
        "lease_until": None,
        "finished_at": None,
        "bounced": None,
    }
