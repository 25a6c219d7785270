"""Checks each message once more before it leaves: what is no longer true is dropped.

A mail server can be down for weeks, and meanwhile people complete their hours. So the notices of
each person are decided again just before delivery. If that comes to the very message that waits,
it leaves. Otherwise it is dropped and, if anything is still due, another one is written in the
same transaction. The ledger says so for each decision.

The crash side, chosen here: a message whose check fails does not leave. It waits, with the error
on it, and the others leave.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.statements import in_chunks
from tracker.formatting import use_locale
from tracker.jobs.isolation import isolate
from tracker.jobs.mailing_recheck import recheck_mailings
from tracker.jobs.notices import RunContext, decide_notices, write_message
from tracker.mail.contents import (
    DigestMail,
    MailingMail,
    NewRequestMail,
    NoticesMail,
    ReferenceMail,
    ReferenceReminderMail,
    SessionMail,
    SignInMail,
)
from tracker.mail.outbox import (
    Claimed,
    Message,
    Occasion,
    enqueue,
    list_occasions,
    mark_dropped,
    mark_retry,
)
from tracker.notifications.context import JobContext
from tracker.notifications.notices_mail import in_order
from tracker.rules.notices import Decision, Key
from tracker.services.group_notifications import list_people_with_requests
from tracker.services.message_subjects import list_outdated
from tracker.services.notices import (
    SentDecision,
    consider_again,
    delete_decision,
    drop_decision,
    list_addresses,
    list_sent_decisions,
    record_decisions,
    replace_decision,
)
from tracker.services.reference_submission import list_open_request_keys
from tracker.services.run_ledger import Failure
from tracker.services.sign_in import SIGN_IN_MINUTES

_AGAIN_AFTER = timedelta(minutes=1)
# Notices that leave sooner were decided a moment ago: to decide them again would take longer than
# sending them.
_WAITED = timedelta(minutes=10)
# On SQLite nobody else can write meanwhile: a fifth of a second.
_MESSAGES_PER_BATCH = 50
_LIFETIMES = {
    SignInMail.kind: (timedelta(minutes=SIGN_IN_MINUTES), "the code has expired"),
    DigestMail.kind: (timedelta(days=7), "the next digest is due"),
}
_SETTLED = "already answered or withdrawn"
_REMOVED = "what it is about was changed or removed"
_REFERENCES = (ReferenceMail.kind, ReferenceReminderMail.kind)
_Subject = tuple[bool, int]
_DecisionKey = tuple[_Subject, Key]


def recheck(context: JobContext, messages: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """The messages that may leave; the others are settled in the outbox and the ledger."""
    sorted_out = defaultdict[str, list[Claimed]](list)
    for message in messages:
        sorted_out[_choose_check(message, now)].append(message)
    kept = sorted_out[""]
    with context.transaction() as session:
        kept += _recheck_others(session, sorted_out["other"], now)
    for name, check in (("notices", _recheck_notices), ("mailing", _recheck_mailings)):
        for batch in in_chunks(sorted_out[name], _MESSAGES_PER_BATCH):
            kept += _recheck_batch(context, batch, now, check)
    ids = {message.id for message in kept}
    return [message for message in messages if message.id in ids]


def _choose_check(message: Claimed, now: datetime) -> str:
    """How a message is checked; empty if it leaves unchecked."""
    if message.kind == MailingMail.kind:
        return "mailing"
    if not _holds_notices(message):
        return "other"
    return "notices" if _has_waited(message, now) else ""


def _has_waited(message: Claimed, now: datetime) -> bool:
    """Whether a message may be untrue by now: it was decided a while ago, or a merge changed it."""
    return bool(message.is_outdated) or now - message.created_at >= _WAITED


def _holds_notices(message: Claimed) -> bool:
    return message.kind == NoticesMail.kind and message.person_id is not None


_Check = Callable[[JobContext, Session, Sequence[Claimed], datetime], list[Claimed]]


def _recheck_batch(
    context: JobContext, messages: Sequence[Claimed], now: datetime, check: _Check
) -> list[Claimed]:
    failures: list[Failure] = []
    kept: list[Claimed] = []
    with isolate(failures, "check before delivery", context.transaction()) as session:
        kept = check(context, session, messages, now)
    if failures:
        # Taken one by one, one person's failure stays theirs.
        for person_id in dict.fromkeys(message.person_id for message in messages):
            own = [message for message in messages if message.person_id == person_id]
            kept += _recheck_person(context, own, now, check)
    return kept


def _recheck_person(
    context: JobContext, messages: Sequence[Claimed], now: datetime, check: _Check
) -> list[Claimed]:
    failures: list[Failure] = []
    kept: list[Claimed] = []
    with isolate(failures, str(messages[0].person_id), context.transaction()) as session:
        kept = check(context, session, messages, now)
    if not failures:
        return kept
    with context.transaction() as session:
        error = f"can't be checked before it leaves: {failures[0].error}"
        mark_retry(session, messages, now + _AGAIN_AFTER, error, tried=False)
    return []


def _recheck_mailings(
    context: JobContext, session: Session, messages: Sequence[Claimed], now: datetime
) -> list[Claimed]:
    """Recent messages are checked only for whether the coordinator stopped their mailing."""
    recent = {message.id for message in messages if not _has_waited(message, now)}
    return recheck_mailings(context, session, messages, recent, now)


def _recheck_others(session: Session, messages: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """Drop what came too late, and requests that were answered or withdrawn."""
    settled = _find_settled(session, messages)
    kept = []
    for message in messages:
        lifetime, reason = _LIFETIMES.get(message.kind, (timedelta.max, ""))
        if message.id in settled:
            mark_dropped(session, message, now, settled[message.id])
        elif now - message.created_at >= lifetime:
            mark_dropped(session, message, now, reason)
        else:
            kept.append(message)
    return kept


def _find_settled(session: Session, messages: Sequence[Claimed]) -> dict[int, str]:
    """Why messages no longer apply, by id: nobody wants the answer, or the row changed."""
    occasions = list_occasions(session, messages)
    abouts = {n: occasion.about for n, occasion in occasions.items() if occasion.about}
    outdated = list_outdated(session, abouts.values())
    settled = {n: _REMOVED for n, about in abouts.items() if about in outdated}
    asked = {m.id for m in messages if m.kind == NewRequestMail.kind}
    answered = asked.intersection(settled) | _find_settled_sessions(session, messages)
    answered |= _find_answered_references(session, messages, occasions)
    return settled | dict.fromkeys(answered, _SETTLED)


def _find_answered_references(
    session: Session, messages: Sequence[Claimed], occasions: Mapping[int, Occasion]
) -> set[int]:
    """A referee who is asked anew has a new key: see `request_key`."""
    keys = dict[int, str]()
    references = set[int]()
    for message in messages:
        occasion = occasions.get(message.id)
        if message.kind in _REFERENCES and occasion is not None and occasion.about is not None:
            keys[message.id] = occasion.dedupe_key
            references.add(occasion.about.id)
    open_keys = list_open_request_keys(session, references)
    return {n for n, key in keys.items() if key not in open_keys}


def _find_settled_sessions(session: Session, messages: Sequence[Claimed]) -> set[int]:
    person_of = {m.id: m.person_id for m in messages if m.kind == SessionMail.kind and m.person_id}
    waiting = list_people_with_requests(session, set(person_of.values()))
    return {n for n, person_id in person_of.items() if person_id not in waiting}


class _Waiting(NamedTuple):
    """A message that holds notices, what it is about, and its decisions."""

    message: Claimed
    occasion: Occasion
    decisions: Sequence[SentDecision]

    @property
    def keys(self) -> list[_DecisionKey]:
        """What identifies its decisions."""
        return [(decision.subject, decision.key) for decision in self.decisions]

    @property
    def may_be_replaced(self) -> bool:
        """Whether nothing was sent yet: a copy does not speak for what its original says."""
        return not self.occasion.is_copy or self.occasion.original_state == "failed"


def _recheck_notices(
    context: JobContext, session: Session, messages: Sequence[Claimed], now: datetime
) -> list[Claimed]:
    """Check notices of any number of people; those of one association at a time."""
    occasions = list_occasions(session, messages)
    by_association: defaultdict[str, list[Claimed]] = defaultdict(list)
    for message in messages:
        if (occasion := occasions.get(message.id)) is not None:
            by_association[occasion.association or ""].append(message)
    kept: list[Claimed] = []
    for association, group in sorted(by_association.items()):
        rulebook = context.rulebooks.associations[association]
        ids = {occasions[message.id].original_id for message in group} - {None}
        undelivered = frozenset(str(message_id) for message_id in ids)
        run = RunContext(context, session, local_day(now, rulebook.time_zone), now, undelivered)
        with use_locale(rulebook.locale):
            kept += _decide_again(run, group, occasions)
    return kept


def _decide_again(
    run: RunContext, messages: Sequence[Claimed], occasions: Mapping[int, Occasion]
) -> list[Claimed]:
    people = sorted({message.person_id for message in messages if message.person_id is not None})
    by_person = decide_notices(run, people)
    addresses = list_addresses(run.session, people)
    decisions_of: defaultdict[str, list[SentDecision]] = defaultdict(list)
    for decision in list_sent_decisions(run.session, run.undelivered):
        decisions_of[decision.message_id].append(decision)
    waiting: defaultdict[int, list[_Waiting]] = defaultdict(list)
    for message in messages:
        occasion = occasions[message.id]
        held = decisions_of[occasion.original_id or ""]
        waiting[message.person_id or 0].append(_Waiting(message, occasion, held))
    kept: list[Claimed] = []
    for person_id, group in waiting.items():
        decisions = by_person.get(person_id, [])
        kept += _settle_person(run, addresses[person_id], decisions, group)
    return kept


class _Fresh(NamedTuple):
    """The message that a person would get now, and the decisions that it holds."""

    message: Message
    keys: frozenset[_DecisionKey]


def _settle_person(
    run: RunContext, address: str, decisions: Sequence[Decision], waiting: Sequence[_Waiting]
) -> list[Claimed]:
    """Keep the messages that say what is due now; drop the others, and write what they lack."""
    fresh = _write_fresh(run, address, decisions)
    kept = [each for each in waiting if _is_same(each, fresh)]
    dropped = [each for each in waiting if each not in kept]
    replacement = None
    if not kept and any(each.may_be_replaced for each in dropped):
        replacement = fresh
    stale = _drop(run, dropped, decisions, is_replaced=replacement is not None)
    if stale:
        _rewrite(run, stale, decisions, replacement)
    return [each.message for each in kept]


def _write_fresh(run: RunContext, address: str, decisions: Sequence[Decision]) -> _Fresh | None:
    to_send = in_order([decision for decision in decisions if decision.skipped is None])
    if not to_send:
        return None
    keys = frozenset((decision.subject, decision.key) for decision in to_send)
    return _Fresh(write_message(run, address, to_send), keys)


def _is_same(waiting: _Waiting, fresh: _Fresh | None) -> bool:
    """Whether a message says what would be written now, to the same address."""
    message, occasion = waiting.message, waiting.occasion
    if fresh is None or set(waiting.keys) != fresh.keys:
        return False
    if not occasion.is_copy and message.recipient.lower() != fresh.message.recipient.lower():
        return False
    is_same_text = _content(message.body) == _content(fresh.message.body)
    return is_same_text and occasion.subject == fresh.message.subject


def _content(body: bytes) -> bytes:
    """A message without its headers: those differ each time it is written."""
    return body.partition(b"\r\n\r\n")[2]


def _drop(
    run: RunContext,
    dropped: Sequence[_Waiting],
    decisions: Sequence[Decision],
    *,
    is_replaced: bool,
) -> list[_Waiting]:
    """Mark messages as dropped; returns those whose decisions have to be rewritten."""
    skipped = {(d.subject, d.key): d.skipped for d in decisions if d.skipped is not None}
    stale = []
    for each in dropped:
        reasons = [skipped[key] for key in each.keys if key in skipped]
        reasons += ["a newer email says what is due now"] if is_replaced else []
        reason = "; ".join(dict.fromkeys(reasons)) or "it no longer applies"
        # If the lease has ended, another process has the message by now, and checks it as well.
        is_ours = mark_dropped(run.session, each.message, run.now, reason)
        if is_ours and each.may_be_replaced:
            stale.append(each)
    return stale


def _rewrite(
    run: RunContext,
    stale: Sequence[_Waiting],
    decisions: Sequence[Decision],
    replacement: _Fresh | None,
) -> None:
    """Store the replacement if there is one, and bring the ledger up to date."""
    message_id = None
    if replacement is not None and enqueue(run.session, [replacement.message], run.now):
        message_id = replacement.message.message_id
    by_key = {(decision.subject, decision.key): decision for decision in decisions}
    for each in stale:
        for held in each.decisions:
            _rewrite_decision(run, held, by_key.pop((held.subject, held.key), None), message_id)
    new = [decision for decision in by_key.values() if decision.skipped is None]
    if message_id is not None:
        record_decisions(run.session, [(decision, message_id) for decision in new], run.as_of)
    else:
        consider_again(run.session, new, run.as_of)


def _rewrite_decision(
    run: RunContext, held: SentDecision, decision: Decision | None, message_id: str | None
) -> None:
    if decision is None or decision.skipped is not None:
        why = decision.skipped if decision else "it no longer applies"
        drop_decision(run.session, held, f"dropped before it left: {why}", run.as_of)
    elif message_id is not None:
        replace_decision(run.session, held, message_id, run.as_of)
    else:
        # Another email went out today: tomorrow's run decides again.
        delete_decision(run.session, held)
        consider_again(run.session, [decision], run.as_of)
