"""The outbox: rendered messages on their way, and who may send which of them when.

The crash side, chosen here: a message is marked sent only after the server took it. A crash
between the server's 250 and the mark sends the message once more, with the same Message-ID and
the same bytes, so that mailboxes can tell; marking first would lose it instead. At-least-once is
the most that SMTP allows.

A body is encrypted while it waits, because it can hold codes and secret links, and is emptied once
the message is sent, or will never be. What coordinators may read of it afterward, its text without
secrets, stays encrypted for a year (`tracker.services.sent_texts`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Engine,
    String,
    Update,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlmodel import Session

from tracker.db.engine import writing
from tracker.db.ledgers import SECOND_COPY
from tracker.db.signing_keys import body_cipher
from tracker.db.statements import dialect_insert
from tracker.db.tables import METADATA
from tracker.mail.bounces import copy_of_refused, judge_refusal, replace_to
from tracker.services.dead_addresses import clear_accepted, find_rerouted, is_held
from tracker.services.message_subjects import About

_ERROR_LENGTH = 500
# An urgent message (someone waits for it at a screen) goes before all that queued up earlier.
_HEAD_START = timedelta(days=1)
# Bodies of ten kilobytes: two megabytes a statement.
_INSERT_ROWS = 200


_OUTBOX = METADATA.tables["outbox"]


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message to be sent once; ``message_id`` with its angle brackets.

    ``dedupe_key`` names the occasion: a second message for the same occasion is not stored.
    ``about`` is the row that makes it true, if there is one. ``urgent`` messages leave before all
    others. With ``expires_at`` the message is dropped then. ``text`` is what coordinators may read
    of it afterward: without secrets, or empty.
    """

    dedupe_key: str
    message_id: str
    kind: str
    association: str | None
    person_id: int | None
    recipient: str
    subject: str
    body: bytes
    urgent: bool = False
    expires_at: datetime | None = None
    about: About | None = None
    text: str = ""


class Claimed(NamedTuple):
    """A message that the claimer may send until ``lease_until``; ``attempts`` counts this one."""

    id: int
    fence: int
    message_id: str
    kind: str
    person_id: int | None
    recipient: str
    body: bytes
    attempts: int
    created_at: datetime
    lease_until: datetime
    is_outdated: bool | None = None


class WithdrawnLetter(NamedTuple):
    """A message to a person that left, about something that is no longer on record."""

    id: int
    person_id: int | None
    association: str | None
    subject: str


class Occasion(NamedTuple):
    """What a message is about.

    ``original_id`` is the Message-ID of the message itself or, for a copy to a second address, of
    the one that it copies, with its state; None if that one was dropped.
    """

    dedupe_key: str
    association: str | None
    subject: str
    is_copy: bool
    original_id: str | None
    original_state: str | None
    about: About | None


class ListedMessage(NamedTuple):
    """What `tracker outbox` shows of a message.

    ``held``: it waits, because its person has no address that works.
    """

    id: int
    kind: str
    association: str | None
    recipient: str
    subject: str
    state: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None
    message_id: str
    last_error: str | None
    bounced: bool | None
    held: bool


def _marking(*changed: str, **values: Any) -> Update:  # noqa: ANN401 - values of columns
    """A statement that ends the caller's lease; parameter ``new_x`` is for each changed ``x``."""
    held = (_OUTBOX.c.id == bindparam("held_id"), _OUTBOX.c.fence == bindparam("held_fence"))
    parameters: dict[str, Any] = {name: bindparam(f"new_{name}") for name in changed}
    statement: Update = (
        update(_OUTBOX)
        .where(*held, _OUTBOX.c.state == "sending")
        .values(lease_until=None, **values, **parameters)
    )
    return statement


# Built once: with a commit for every few messages, building them each time would show.
_MARK_SENT = _marking("finished_at", state="sent", last_error=None, body=b"")
_MARK_RETRY = _marking("next_attempt_at", "last_error", state="waiting")
_MARK_UNTRIED = _MARK_RETRY.values(attempts=_OUTBOX.c.attempts - 1)
_MARK_FAILED = _marking("finished_at", "last_error", "bounced", state="failed", body=b"")
# Its occasion may have a message again: what was dropped has not left.
_MARK_DROPPED = _marking("finished_at", "last_error", state="dropped", body=b"").values(
    dedupe_key=_OUTBOX.c.dedupe_key + ":dropped:" + cast(_OUTBOX.c.id, String),
    attempts=_OUTBOX.c.attempts - 1,
)

_EXPIRED = "the code has expired"
_UNREADABLE = "its text can't be decrypted: it was damaged in the database"

_CLAIMED_COLUMNS = [_OUTBOX.c[name] for name in Claimed._fields]
# By now the mail server may have it.
_LEFT = ("sending", "sent")
_ABOUT_COLUMNS = ("about_kind", "about_id", "about_state")
_IS_HELD = and_(_OUTBOX.c.state == "waiting", is_held())
# Since when, or from when on, a message can be tried: an urgent one since it was queued.
NEXT_ATTEMPT_AT = case(
    (_OUTBOX.c.next_attempt_at < _OUTBOX.c.created_at, _OUTBOX.c.created_at),
    else_=_OUTBOX.c.next_attempt_at,
)
_COMPUTED = {"held": _IS_HELD.label("held"), "next_attempt_at": NEXT_ATTEMPT_AT}
_LISTED_COLUMNS = [
    _COMPUTED[name] if name in _COMPUTED else _OUTBOX.c[name] for name in ListedMessage._fields
]


def enqueue(session: Session, messages: Sequence[Message], now: datetime) -> set[str]:
    """Store the messages whose occasion is new; returns their dedupe keys.

    Runs in the caller's transaction, so that a decision and its message stand or fall together.
    """
    statement = _insert_new(session)
    inserted: set[str] = set()
    for start in range(0, len(messages), _INSERT_ROWS):
        rows = []
        for message in messages[start : start + _INSERT_ROWS]:
            row = asdict(message) | {"state": "waiting", "attempts": 0, "fence": 0}
            is_urgent = row.pop("urgent")
            about = row.pop("about") or (None, None, None)
            row |= zip(_ABOUT_COLUMNS, about, strict=True)
            row["created_at"] = now
            row["next_attempt_at"] = now - _HEAD_START if is_urgent else now
            rows.append(row)
        stored = _encrypt(session, rows)
        keys = session.connection().execute(statement.returning(_OUTBOX.c.dedupe_key), stored)
        inserted.update(keys.scalars())
    return inserted


def _encrypt(session: Session, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    cipher = body_cipher(session)
    encrypted = []
    for row in rows:
        body = cipher.encrypt(row["message_id"], row["body"])
        text = cipher.encrypt(row["message_id"], row["text"].encode()) if row["text"] else None
        encrypted.append(row | {"body": body, "text": text})
    return encrypted


def _insert_new(session: Session) -> Any:  # noqa: ANN401 - each dialect has its own class
    insert = dialect_insert(session, _OUTBOX)
    return insert.on_conflict_do_nothing(index_elements=["dedupe_key"])


def withdraw_messages(session: Session, dedupe_key: str, now: datetime, reason: str) -> bool:
    """Drop the messages about an occasion that have not left; whether one has left, or may have.

    The occasion may have a message again: their keys are renamed.
    """
    about = _OUTBOX.c.dedupe_key.in_([dedupe_key, dedupe_key + SECOND_COPY])
    renamed = _OUTBOX.c.dedupe_key + ":undone:" + cast(_OUTBOX.c.id, String)
    waiting = (
        update(_OUTBOX)
        .where(about, _OUTBOX.c.state == "waiting")
        .values(state="dropped", finished_at=now, last_error=reason, dedupe_key=renamed, body=b"")
    )
    connection = session.connection()
    connection.execute(waiting)
    others = update(_OUTBOX).where(about).values(dedupe_key=renamed).returning(_OUTBOX.c.state)
    states = set(connection.execute(others).scalars())
    return not states.isdisjoint({"sending", "sent"})


def withdraw_about(
    session: Session,
    abouts: Collection[tuple[str, int]],
    now: datetime,
    reason: str,
    *,
    since: datetime | None = None,
) -> list[WithdrawnLetter]:
    """Drop the messages about rows (each its table and id) that have not left.

    Returns those that have left, or may have, to be corrected. All get other keys, because the
    same row can come back and be written about again. Only those written ``since`` an instant, if
    it is given.
    """
    return _withdraw(session, _is_about(abouts, since), now, reason)


def withdraw_occasions(
    session: Session, prefixes: Collection[str], now: datetime, reason: str
) -> list[WithdrawnLetter]:
    """As `withdraw_about`, the messages whose dedupe keys begin with one of these texts."""
    starts = [_OUTBOX.c.dedupe_key.startswith(prefix, autoescape=True) for prefix in prefixes]
    return _withdraw(session, or_(false(), *starts), now, reason)


def _withdraw(
    session: Session, condition: ColumnElement[bool], now: datetime, reason: str
) -> list[WithdrawnLetter]:
    connection = session.connection()
    renamed = _OUTBOX.c.dedupe_key + ":removed:" + cast(_OUTBOX.c.id, String)
    connection.execute(
        update(_OUTBOX)
        .where(condition, _OUTBOX.c.state == "waiting")
        .values(state="dropped", finished_at=now, last_error=_storable(reason), dedupe_key=renamed)
    )
    letters = _list_left(session, condition)
    left = condition & _OUTBOX.c.state.in_(_LEFT)
    connection.execute(update(_OUTBOX).where(left).values(dedupe_key=renamed))
    return letters


def _is_about(
    abouts: Collection[tuple[str, int]], since: datetime | None = None
) -> ColumnElement[bool]:
    """That a message is about one of these rows, and was written since an instant."""
    about = tuple_(_OUTBOX.c.about_kind, _OUTBOX.c.about_id).in_(list(abouts))
    return about if since is None else and_(about, _OUTBOX.c.created_at >= since)


def list_left(session: Session, abouts: Collection[tuple[str, int]]) -> list[WithdrawnLetter]:
    """The messages about rows that have left, or may have, without copies to second addresses."""
    return _list_left(session, _is_about(abouts))


def _list_left(session: Session, condition: ColumnElement[bool]) -> list[WithdrawnLetter]:
    is_copy = _OUTBOX.c.dedupe_key.contains(SECOND_COPY)
    columns = [_OUTBOX.c[name] for name in WithdrawnLetter._fields]
    query = select(*columns).where(condition, _OUTBOX.c.state.in_(_LEFT), ~is_copy)
    rows = session.connection().execute(query.order_by(_OUTBOX.c.id))
    return [WithdrawnLetter(*row) for row in rows]


def requeue_about(
    session: Session, abouts: Collection[tuple[str, int]], now: datetime, reason: str
) -> int:
    """Let messages about rows wait again that were dropped for a reason; how many they are."""
    about = tuple_(_OUTBOX.c.about_kind, _OUTBOX.c.about_id).in_(list(abouts))
    dropped = (
        update(_OUTBOX)
        .where(about, _OUTBOX.c.state == "dropped", _OUTBOX.c.last_error == _storable(reason))
        .values(state="waiting", finished_at=None, last_error=None, next_attempt_at=now)
    )
    result: CursorResult[Any] = session.connection().execute(dropped)
    return result.rowcount


def find_claimable(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Which messages can be taken at ``now``: those of dead senders, and those that are due.

    Dead: the lease ended before ``now``. Due: waiting, with ``next_attempt_at`` <= ``now``, and not
    held because its person has no address that works.
    """
    dead = and_(_OUTBOX.c.state == "sending", _OUTBOX.c.lease_until < now)
    due = and_(_OUTBOX.c.state == "waiting", _OUTBOX.c.next_attempt_at <= now, ~is_held())
    return dead, due


def claim(engine: Engine, now: datetime, limit: int, lease: timedelta) -> list[Claimed]:
    """Take up to ``limit`` messages to send, of those of `find_claimable`.

    Each is the caller's own until ``now + lease``: no other claim returns it. The fence grows,
    so that an earlier holder who comes back to life can no longer write an outcome. Messages whose
    code has expired are dropped. Raises MasterKeyError, and takes none, if they can't be decrypted.
    """
    taken: list[Claimed] = []
    with writing(engine) as session:
        _drop_expired(session, now)
        for condition in find_claimable(now):
            chosen = (
                select(_OUTBOX.c.id)
                .where(condition)
                .order_by(_OUTBOX.c.next_attempt_at)
                .limit(limit - len(taken))
                # PostgreSQL: rivals pass over each other's rows. SQLite has one writer at a time.
                .with_for_update(skip_locked=True)
                # In a CTE, because PostgreSQL may run a subquery with LIMIT more than once.
                .cte("chosen")
            )
            statement = (
                update(_OUTBOX)
                .where(_OUTBOX.c.id.in_(select(chosen.c.id)))
                .values(
                    state="sending",
                    fence=_OUTBOX.c.fence + 1,
                    attempts=_OUTBOX.c.attempts + 1,
                    lease_until=now + lease,
                )
                .returning(*_CLAIMED_COLUMNS)
            )
            taken += [Claimed(*row) for row in session.connection().execute(statement)]
        return _decrypt(session, _reroute(session, taken), now)


def count_claimable(session: Session, now: datetime) -> int:
    """How many messages `claim` would take at ``now``, of however many."""
    query = select(func.count()).select_from(_OUTBOX).where(or_(*find_claimable(now)))
    return int(session.scalar(query) or 0)


def _drop_expired(session: Session, now: datetime) -> None:
    unsent = _OUTBOX.c.state.in_(["waiting", "sending"])
    dead = _OUTBOX.c.lease_until.is_(None) | (_OUTBOX.c.lease_until < now)
    session.connection().execute(
        update(_OUTBOX)
        .where(unsent, dead, _OUTBOX.c.expires_at <= now)
        .values(state="dropped", finished_at=now, lease_until=None, last_error=_EXPIRED, body=b"")
    )


def _reroute(session: Session, taken: Sequence[Claimed]) -> list[Claimed]:
    """Send what is for a first address that does not work to the second one instead."""
    rerouted = find_rerouted(session, [message.id for message in taken])
    for number, working in rerouted.items():
        statement = update(_OUTBOX).where(_OUTBOX.c.id == number).values(recipient=working)
        session.connection().execute(statement)
    return [m._replace(recipient=rerouted.get(m.id, m.recipient)) for m in taken]


def _decrypt(session: Session, taken: Sequence[Claimed], now: datetime) -> list[Claimed]:
    if not taken:
        return []
    cipher, readable = body_cipher(session), []
    for message in taken:
        body = cipher.decrypt(message.message_id, message.body)
        if body is None:
            mark_failed(session, message, now, _UNREADABLE, recipient_refused=False)
        else:
            readable.append(_readdressed(message._replace(body=body)))
    return readable


def _readdressed(message: Claimed) -> Claimed:
    """The message with its recipient in the header To, if the address changed while it waited."""
    head, blank, text = message.body.partition(b"\r\n\r\n")
    if message.recipient.lower().encode() in head.lower():
        return message
    return message._replace(body=replace_to(head, message.recipient) + blank + text)


def renew(
    session: Session, held: Sequence[Claimed], now: datetime, lease: timedelta
) -> dict[int, datetime]:
    """Extend the leases of ``held`` messages to ``now + lease``; returns id -> new end.

    A message that is missing from the result is no longer the caller's: it must not be sent.
    """
    until = now + lease
    pairs = [(message.id, message.fence) for message in held]
    statement = (
        update(_OUTBOX)
        .where(tuple_(_OUTBOX.c.id, _OUTBOX.c.fence).in_(pairs), _OUTBOX.c.state == "sending")
        .values(lease_until=until)
        .returning(_OUTBOX.c.id)
    )
    return dict.fromkeys(session.connection().execute(statement).scalars(), until)


def mark_sent(session: Session, messages: Sequence[Claimed], now: datetime) -> int:
    """Record that the server took the messages; returns how many were still the caller's.

    An address that the server refused before is no longer marked as one that does not work.
    """
    clear_accepted(session, [(message.person_id, message.recipient) for message in messages])
    return _write(session, _MARK_SENT, messages, {"new_finished_at": now})


def mark_retry(
    session: Session,
    messages: Sequence[Claimed],
    next_attempt_at: datetime,
    error: str,
    *,
    tried: bool = True,
) -> int:
    """Put messages back to wait until ``next_attempt_at``; returns how many were the caller's.

    ``tried=False`` takes the attempt back: the server was never reached with this message.
    """
    statement = _MARK_RETRY if tried else _MARK_UNTRIED
    outcome = {"new_next_attempt_at": next_attempt_at, "new_last_error": _storable(error)}
    return _write(session, statement, messages, outcome)


def mark_failed(
    session: Session, message: Claimed, now: datetime, error: str, *, recipient_refused: bool
) -> bool:
    """Record that a message will never be sent, and why; returns whether it was the caller's.

    With ``recipient_refused`` that is the address's fault: it may not work, and the message follows
    to the second one.
    """
    outcome = {
        "new_finished_at": now,
        "new_last_error": _storable(error),
        "new_bounced": recipient_refused,
    }
    ours = _write(session, _MARK_FAILED, [message], outcome) == 1
    if ours and recipient_refused and message.person_id is not None:
        reason = _storable(error)
        judge_refusal(session, (message.person_id, message.recipient), reason, now)
        copy = copy_of_refused(session, message.id, message.body, now)
        if copy is not None:
            store_copy(session, copy)
    return ours


def store_copy(session: Session, copy: dict[str, Any]) -> None:
    """Let a copy for a second address wait, unless there is one of its original already."""
    session.connection().execute(_insert_new(session), _encrypt(session, [copy]))


def mark_dropped(session: Session, message: Claimed, now: datetime, reason: str) -> bool:
    """Record that a message will not be sent, and why; returns whether it was the caller's."""
    outcome = {"new_finished_at": now, "new_last_error": _storable(reason)}
    return _write(session, _MARK_DROPPED, [message], outcome) == 1


def list_occasions(session: Session, messages: Sequence[Claimed]) -> dict[int, Occasion]:
    """What the messages are about, by id, with the originals of those that are copies."""
    names = ("id", "dedupe_key", "association", "subject", *_ABOUT_COLUMNS)
    query = select(*(_OUTBOX.c[name] for name in names))
    ids = [message.id for message in messages]
    rows = session.connection().execute(query.where(_OUTBOX.c.id.in_(ids))).all()
    keys = {row.id: row.dedupe_key.removesuffix(SECOND_COPY) for row in rows}
    originals = select(_OUTBOX.c.dedupe_key, _OUTBOX.c.message_id, _OUTBOX.c.state)
    found = {
        key: (message_id, state)
        for key, message_id, state in session.connection().execute(
            originals.where(_OUTBOX.c.dedupe_key.in_(keys.values()))
        )
    }
    return {
        row.id: Occasion(
            row.dedupe_key.removesuffix(SECOND_COPY),
            row.association,
            row.subject,
            row.dedupe_key.endswith(SECOND_COPY),
            *found.get(keys[row.id], (None, None)),
            About(row.about_kind, row.about_id, row.about_state) if row.about_kind else None,
        )
        for row in rows
    }


def _write(
    session: Session,
    statement: Update,
    messages: Sequence[Claimed],
    outcome: Mapping[str, Any],
) -> int:
    if not messages:
        return 0
    keys = [{"held_id": item.id, "held_fence": item.fence, **outcome} for item in messages]
    result: CursorResult[Any] = session.connection().execute(statement, keys)
    return result.rowcount


def _storable(error: str) -> str:
    """What a server said, as a database can hold it: no NUL, no lone surrogate, not too long."""
    text = error.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in text)[:_ERROR_LENGTH]


def list_messages(session: Session) -> Iterator[ListedMessage]:
    """Every message without its body, oldest first, streamed."""
    statement = select(*_LISTED_COLUMNS).order_by(_OUTBOX.c.id)
    streamed = session.connection().execute(statement.execution_options(yield_per=500))
    return (ListedMessage(*row) for row in streamed)


def count_by_state(session: Session) -> dict[str, int]:
    """How many messages are in each state that occurs.

    Those that wait for an address that works are ``held``, and not ``waiting``.
    """
    state = case((_IS_HELD, "held"), else_=_OUTBOX.c.state).label("counted_as")
    statement = select(state, func.count()).group_by(literal_column("counted_as"))
    rows = session.connection().execute(statement)
    return {state: number for state, number in rows}  # noqa: C416 - mypy takes rows for no pairs


def get_oldest_waiting(session: Session) -> datetime | None:
    """When the oldest message that is neither sent nor failed was written; None without one.

    Without those that are held: no mail server keeps them from leaving.
    """
    states = ("waiting", "sending")
    unsent = _OUTBOX.c.state.in_(states) & ~_IS_HELD
    statement = select(func.min(_OUTBOX.c.created_at)).where(unsent)
    oldest: datetime | None = session.scalar(statement)
    return oldest
