"""Reads the mailbox for returned mail, and records what came back.

Each message is recorded in one transaction, and then moved aside. Crash side: if the program ends
in between, the message is read again, found by its digest, and only moved. So nothing is lost, and
nothing counts twice, however many processes read one mailbox.

A report is believed only if it names a message of ours by an envelope sender that we signed
(`tracker.mail.return_paths`), if that message left, and lately, and if nothing of the kind was
recorded about it before.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from pydantic import SecretStr
from sqlalchemy import Engine, delete, select, update
from sqlmodel import Session, col

from tracker.addresses import ascii_domain, is_erased_address
from tracker.db.engine import is_postgresql
from tracker.db.returned_mail import (
    COMPLAINT,
    DELAYED,
    HARD,
    NO_BOUNCE,
    REFUSED,
    SOFT,
    UNCLEAR,
    MailboxRead,
    ReturnedMail,
)
from tracker.db.statements import upsert
from tracker.db.tables import METADATA
from tracker.jobs.isolation import isolate
from tracker.mail.bounces import judge_refusal
from tracker.mail.contents import DigestMail
from tracker.mail.mailboxes import (
    MailboxError,
    ReturnsMailbox,
    UnreadableMessage,
    open_mailbox,
    parse_mailbox_address,
)
from tracker.mail.reports import Report, read_report
from tracker.mail.return_paths import ReturnPaths, read_return_paths
from tracker.notifications.context import JobContext, dry_run_context
from tracker.notifications.returned_mail import forward_to_second
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.context import Actor, ServiceContext
from tracker.services.notification_preferences import (
    Subscription,
    add_disabled_kinds,
    unsubscribe,
)
from tracker.services.run_ledger import Failure
from tracker.settings import Bounces

# Reports come within days. What comes later than that after a message is not believed.
BELIEVED_FOR = timedelta(days=30)
# What was read and has no effect anymore is forgotten: only its digest was of use.
_KEPT = timedelta(days=90)
_WITHOUT_EFFECT = (NO_BOUNCE, REFUSED, UNCLEAR)
_MOST = 500
COMPLAINT_ACTOR = "complaint"

_log = structlog.get_logger(__name__)
_OUTBOX = METADATA.tables["outbox"]
_RETURNED = METADATA.tables["returned_mail"]
_FAILED = (HARD, SOFT)


class ReadMessage(NamedTuple):
    """One message of the mailbox, and what it came to.

    ``is_new``: it was not recorded before. ``is_dead``: the address is marked because of it.
    ``forwarded_to`` is the second address that the message follows to, or empty.
    """

    outcome: str
    recipient: str
    status: str
    reason: str
    outbox_id: int | None
    is_new: bool
    is_dead: bool
    forwarded_to: str


@dataclass
class ReadResult:
    """What one reading of the mailbox came to.

    ``unclear`` messages lie in the mailbox for a person to look at. ``early`` ones are about
    messages whose delivery has not ended, and are read again.
    """

    messages: list[ReadMessage] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unclear: int = 0
    early: int = 0

    def count(self) -> Counter[str]:
        """How many messages there are of each outcome."""
        return Counter(message.outcome for message in self.messages)


def read_returned_mail(context: JobContext, now: datetime) -> ReadResult | None:
    """Read what is new in the mailbox, at most 500 messages; None if none is set.

    Any number of processes may do this at once. Raises MailboxError, which is recorded as well.
    """
    settings = context.settings.mail.bounces
    if settings.mailbox is None:
        return None
    result = ReadResult()
    try:
        with _open_mailbox(settings.mailbox, settings, read_only=False) as mailbox:
            for key in mailbox.list_unread(_MOST):
                read = _read(mailbox, key, result)
                message = _record(context, read, result, now) if read else None
                if message is not None:
                    _move(mailbox, key, message)
            result.unclear = mailbox.count_flagged()
    except MailboxError as error:
        _record_attempt(context, now, error=str(error)[:500])
        raise
    _record_attempt(context, now, read_at=now, error=None, unclear=result.unclear)
    return result


def preview_returned_mail(context: JobContext, engine: Engine, now: datetime) -> ReadResult | None:
    """What `read_returned_mail` would come to; nothing is moved, and nothing is recorded."""
    settings = context.settings.mail.bounces
    if settings.mailbox is None:
        return None
    result = ReadResult()
    # All of it is read before the first is recorded: a server can be slow, and nobody else can
    # write to SQLite meanwhile.
    with _open_mailbox(settings.mailbox, settings, read_only=True) as mailbox:
        reads = [_read(mailbox, key, result) for key in mailbox.list_unread(_MOST)]
        result.unclear = mailbox.count_flagged()
    with dry_run_context(context, engine) as trial:
        for read in filter(None, reads):
            _record(trial, read, result, now)
    result.unclear += result.count()[UNCLEAR]
    return result


def _record_attempt(context: JobContext, now: datetime, **values: Any) -> None:  # noqa: ANN401 - of columns
    row = {"id": 1, "tried_at": now, "unclear": 0, **values}
    with context.transaction() as session:
        changed = {"tried_at", *values}
        upsert(session, MailboxRead, [row], key=["id"], update=changed)
        is_old = col(ReturnedMail.read_at) < now - _KEPT
        no_effect = col(ReturnedMail.outcome).in_(_WITHOUT_EFFECT)
        session.connection().execute(delete(_RETURNED).where(is_old, no_effect))


class _Read(NamedTuple):
    """One message of the mailbox as it was read: ``digest`` is that of its content."""

    key: str
    report: Report
    digest: str


def _open_mailbox(
    url: SecretStr, settings: Bounces, *, read_only: bool
) -> AbstractContextManager[ReturnsMailbox]:
    address = parse_mailbox_address(url.get_secret_value())
    return open_mailbox(address, settings.done_folder, read_only=read_only)


def _read(mailbox: ReturnsMailbox, key: str, result: ReadResult) -> _Read | None:
    """Read one message; None if it is gone, or can't be read, which is noted as a failure."""
    try:
        content = mailbox.read(key)
    except UnreadableMessage as error:
        _log.warning("a returned message can't be read, the others are", message=key)
        result.failures.append(Failure(f"returned mail {key}", str(error)))
        return None
    if content is None:
        return None
    return _Read(key, read_report(content), hashlib.sha256(content).hexdigest())


def _record(
    context: JobContext, read: _Read, result: ReadResult, now: datetime
) -> ReadMessage | None:
    """Record one message; None if it stays where it is, to be read again."""
    message = None
    failures: list[Failure] = []
    with isolate(failures, f"returned mail {read.key}", context.transaction()) as session:
        message = _Recorder(context, session, now).record(read.report, read.digest)
    result.failures += failures
    if message is not None and not failures:
        result.messages.append(message)
        return message
    result.early += not failures
    return None


def _move(mailbox: ReturnsMailbox, key: str, message: ReadMessage) -> None:
    if message.outcome == UNCLEAR:
        mailbox.flag(key)
    else:
        mailbox.put_aside(key)


class _Verdict(NamedTuple):
    """What is believed of a report: about which row of the outbox, and why not."""

    outcome: str
    row: dict[str, Any] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Records reports in one transaction."""

    context: JobContext
    session: Session
    now: datetime

    def record(self, report: Report, digest: str) -> ReadMessage | None:
        """Record what a report says; None if it is too early to tell."""
        known = self._find_known(digest)
        if known is not None:
            return known
        paths = read_return_paths(self.session, self.context.settings.mail.bounces)
        verdict = self._judge(paths, report)
        if verdict is None:
            return None
        row = verdict.row or {}
        recipient = row.get("recipient", "")
        values = {
            "digest": digest,
            "outcome": verdict.outcome,
            "outbox_id": row.get("id"),
            "person_id": row.get("person_id"),
            "recipient": recipient.lower() or None,
            "status": report.status,
            "reason": verdict.reason,
            "read_at": self.now,
        }
        if not upsert(self.session, ReturnedMail, [values], key=["digest"]):
            # Another process has just recorded it.
            return self._find_known(digest)
        is_dead, forwarded_to = self._apply(verdict)
        return ReadMessage(
            verdict.outcome,
            recipient,
            report.status or "",
            verdict.reason,
            row.get("id"),
            is_new=True,
            is_dead=is_dead,
            forwarded_to=forwarded_to,
        )

    def _find_known(self, digest: str) -> ReadMessage | None:
        query = select(_RETURNED).where(_RETURNED.c.digest == digest)
        row = self.session.connection().execute(query).mappings().first()
        if row is None:
            return None
        return ReadMessage(
            row["outcome"],
            row["recipient"] or "",
            row["status"] or "",
            row["reason"],
            row["outbox_id"],
            is_new=False,
            is_dead=False,
            forwarded_to="",
        )

    def _judge(self, paths: ReturnPaths | None, report: Report) -> _Verdict | None:
        """What is believed; None for a message that is still being sent."""
        if report.outcome in (NO_BOUNCE, UNCLEAR):
            return _Verdict(report.outcome, reason=report.reason)
        signed = paths.find(report.senders) if paths else []
        if not signed:
            return _Verdict(UNCLEAR, reason="it names no message of ours")
        for each in signed:
            row = self._lock_message(each.number)
            if paths and row and paths.is_ours(each, row["message_id"]):
                return self._judge_proven(row, report)
        return _Verdict(REFUSED, reason="its signature is not ours")

    def _lock_message(self, number: int) -> dict[str, Any] | None:
        query = select(_OUTBOX).where(_OUTBOX.c.id == number)
        if is_postgresql(self.session):
            query = query.with_for_update(key_share=True)
        row = self.session.connection().execute(query).mappings().first()
        return dict(row) if row else None

    def _judge_proven(self, row: dict[str, Any], report: Report) -> _Verdict | None:
        """What is believed of a report about a message of ours."""
        state, attempts = row["state"], row["attempts"]
        if state in ("waiting", "sending") and attempts:
            # It has arrived, and our own program has not written that down yet.
            return None
        has_left = state == "sent" or (state == "failed" and attempts)
        if not has_left:
            return _Verdict(REFUSED, reason="the message has not been sent")
        if is_erased_address(row["recipient"]):
            # Nor what the report says, which names the address.
            return _Verdict(REFUSED, reason="the recipient was erased")
        if self.now - (row["finished_at"] or row["created_at"]) > BELIEVED_FOR:
            return _Verdict(REFUSED, reason="the message left too long ago")
        outcome = _limit_to_recipient(report, row["recipient"])
        if self._is_recorded(row, outcome):
            return _Verdict(REFUSED, reason=f"message {row['id']} has this outcome already")
        return _Verdict(outcome, row, report.reason)

    def _is_recorded(self, row: dict[str, Any], outcome: str) -> bool:
        if outcome in _FAILED and row["bounced"]:
            return True
        query = select(_RETURNED.c.id).where(
            _RETURNED.c.outbox_id == row["id"], _RETURNED.c.outcome == outcome
        )
        return self.session.connection().execute(query).first() is not None

    def _apply(self, verdict: _Verdict) -> tuple[bool, str]:
        """Do what follows: whether the address is dead now, and where the message goes instead."""
        row = verdict.row
        if row is not None and verdict.outcome in _FAILED:
            return self._record_failure(row, verdict)
        if row is not None and verdict.outcome == COMPLAINT:
            self._stop_optional_mail(row)
        return False, ""

    def _record_failure(self, row: dict[str, Any], verdict: _Verdict) -> tuple[bool, str]:
        reason = verdict.reason or "it came back"
        failed = {"state": "failed", "bounced": True, "last_error": reason, "body": b""}
        statement = update(_OUTBOX).where(_OUTBOX.c.id == row["id"])
        self.session.connection().execute(statement.values(**failed, finished_at=self.now))
        if row["person_id"] is None:
            return False, ""
        message = (row["person_id"], row["recipient"])
        is_hard = verdict.outcome == HARD
        is_dead = judge_refusal(self.session, message, reason, self.now, is_hard=is_hard)
        return is_dead, forward_to_second(self.context, self.session, row, self.now)

    def _stop_optional_mail(self, row: dict[str, Any]) -> None:
        """Stop what the owner of the address can do without; what an endorsement needs goes on."""
        person_id = row["person_id"]
        if person_id is not None:
            actor = Actor(COMPLAINT_ACTOR, person_id)
            context = ServiceContext(self.session, self.context.rulebooks, actor, self.now)
            add_disabled_kinds(context, {kind.value for kind in OptionalNotice})
        elif row["kind"] == DigestMail.kind and row["association"]:
            subscription = Subscription(row["recipient"], row["kind"], row["association"])
            unsubscribe(self.session, subscription, self.now)


def _limit_to_recipient(report: Report, recipient: str) -> str:
    """The outcome for the address that we wrote to.

    If a report names others only, our recipient forwards mail: that what is behind it is dead does
    not show that the address is. If our recipient has it as well, it did not come back at all.
    """
    own = {recipient.lower(), ascii_domain(recipient).lower()}
    if report.outcome not in _FAILED or not report.named or not own.isdisjoint(report.named):
        return report.outcome
    return SOFT if own.isdisjoint(report.delivered) else NO_BOUNCE


def describe_totals(result: ReadResult) -> Iterable[tuple[str, int]]:
    """The outcomes that occurred, with how many messages there were of each."""
    counts = result.count()
    order = (HARD, SOFT, DELAYED, COMPLAINT, NO_BOUNCE, REFUSED, UNCLEAR)
    return [(outcome, counts[outcome]) for outcome in order if counts[outcome]]
