"""The notices job: writes everything that is due for an association's endorsees and applicants.

People are taken in batches, each in one transaction: facts read, decisions, ledger rows, and
rendered messages are committed together or not at all. A crash between batches is harmless: what
is decided stays decided, and the next run decides the rest. Two processes at once are harmless
too: the outbox takes one mail a person a day, and the later process defers.

If a batch fails, its people are taken one by one, so that one person's failure stays theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.statements import in_chunks
from tracker.jobs.isolation import isolate
from tracker.jobs.notice_decisions import (
    RunContext,
    decide_notices,
    get_first_recent_day,
    list_applicants_due,
)
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, JobContext, create_message
from tracker.notifications.notices_mail import in_order, write_notices_mail
from tracker.rules.notices import Decision
from tracker.rules.notification_preferences import kinds_in
from tracker.services.notices import (
    consider_again,
    list_addresses,
    list_people_to_consider,
    list_undecided_applications,
    record_decisions,
)
from tracker.services.notification_preferences import create_choice_token
from tracker.services.run_ledger import Failure, JobResult, get_last_run_date, list_failures

JOB = "notices"
_PEOPLE_PER_BATCH = 250


class Tally(NamedTuple):
    """Messages written, decisions to send, decisions to skip, and those put off to tomorrow."""

    messages: int = 0
    sent: int = 0
    skipped: int = 0
    deferred: int = 0


def run_notices(context: JobContext, association: str, now: datetime) -> JobResult:
    """Decide on everything due in ``association``, and write the messages into the outbox.

    A person with several endorsements and applications, at several associations even, gets one
    mail about all of them.
    """
    as_of = local_day(now, context.rulebooks.associations[association].time_zone)
    with context.transaction() as session:
        last = get_last_run_date(session, JOB, association)
        recent_from = get_first_recent_day(context, as_of)
        people = list_people_to_consider(
            session, context.notices, association, last, as_of, recent_from
        )
        people |= _list_failed_people(session, association)
        applications = list_undecided_applications(session, association)
    errors: list[Failure] = []
    with isolate(errors, "", context.transaction()) as session:
        run = RunContext(context, session, as_of, now)
        people |= list_applicants_due(run, applications)
    if errors:
        # One of them cannot be judged. Taken one by one below, the others get theirs.
        people |= set(applications.values())
    return _decide_on_people(context, sorted(people), as_of, now)


def retry_notices(context: JobContext, association: str, now: datetime) -> JobResult:
    """Decide again on the people whose notices failed at the last attempt."""
    as_of = local_day(now, context.rulebooks.associations[association].time_zone)
    with context.transaction() as session:
        people = _list_failed_people(session, association)
    return _decide_on_people(context, sorted(people), as_of, now)


def _list_failed_people(session: Session, association: str) -> set[int]:
    failures = list_failures(session, association)
    return {int(f.subject) for f in failures if f.job == JOB and f.subject}


def _decide_on_people(
    context: JobContext, people: Iterable[int], as_of: date, now: datetime
) -> JobResult:
    tallies: list[Tally] = []
    failures: list[Failure] = []
    for batch in in_chunks(people, _PEOPLE_PER_BATCH):
        errors: list[Failure] = []
        with isolate(errors, "batch", context.transaction()) as session:
            tallies.append(_run_batch(RunContext(context, session, as_of, now), batch))
        if not errors:
            continue
        for person_id in batch:
            with isolate(failures, str(person_id), context.transaction()) as session:
                tallies.append(_run_batch(RunContext(context, session, as_of, now), [person_id]))
    total = Tally(*map(sum, zip(*tallies, strict=True))) if tallies else Tally()
    return JobResult(total._asdict(), failures)


def _run_batch(run: RunContext, people: Sequence[int]) -> Tally:
    session = run.session
    by_person = decide_notices(run, people)
    messages = _write_messages(run, by_person, people)
    accepted = enqueue(session, list(messages.values()), run.now)
    recorded: list[tuple[Decision, str | None]] = []
    deferred: list[Decision] = []
    for person_id, decisions in by_person.items():
        for decision in decisions:
            if decision.skipped is not None:
                recorded.append((decision, None))
            elif messages[person_id].dedupe_key in accepted:
                recorded.append((decision, messages[person_id].message_id))
            else:
                deferred.append(decision)
    record_decisions(session, recorded, run.as_of)
    consider_again(session, deferred, run.as_of)
    sent = sum(1 for _, message_id in recorded if message_id)
    return Tally(len(accepted), sent, len(recorded) - sent, len(deferred))


def _write_messages(
    run: RunContext, by_person: Mapping[int, Sequence[Decision]], people: Sequence[int]
) -> dict[int, Message]:
    """One message for each person who has something to be sent."""
    addresses = list_addresses(run.session, people)
    messages: dict[int, Message] = {}
    for person_id, decisions in by_person.items():
        to_send = in_order([d for d in decisions if d.skipped is None])
        if to_send:
            messages[person_id] = _write_message(run, addresses[person_id], to_send)
    return messages


def _write_message(run: RunContext, address: str, decisions: Sequence[Decision]) -> Message:
    """The mail about one person's decisions; the first of them leads."""
    context, standing = run.context, decisions[0].standing
    person_id, association = standing.facts.person_id, standing.plan.association
    mail = write_notices_mail(
        context.rulebooks, context.notices, context.settings.base_url, decisions, run.as_of
    )
    # Empty if some part of the mail always goes out.
    kinds = [kind.value for kind in kinds_in(context.notices, decisions)]
    url = ""
    if kinds:
        token = create_choice_token(run.session, person_id, kinds)
        url = f"{context.settings.base_url}/unsubscribe/mail/{token}"
    envelope = Envelope(
        dedupe_key=f"day:{person_id}:{run.as_of}",
        name=standing.facts.name,
        address=address,
        association=association,
        person_id=person_id,
        reply_to=association,
        unsubscribe_url=url,
    )
    return create_message(context, envelope, mail, run.now)
