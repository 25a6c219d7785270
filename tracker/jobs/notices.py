"""The notices job: writes everything that is due for an association's endorsees and applicants.

People are taken in batches, each in one transaction: facts read, decisions, ledger rows, and
rendered messages are committed together or not at all. A crash between batches is harmless: what
is decided stays decided, and the next run decides the rest. Two processes at once are harmless
too: the outbox takes one mail a person a day, and the later process defers.

If a batch fails, its people are taken one by one, so that one person's failure stays theirs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.statements import in_chunks
from tracker.jobs.isolation import isolate
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import (
    Envelope,
    JobContext,
    create_message,
    use_locale_of,
)
from tracker.notifications.notices_mail import in_order, write_notices_mail
from tracker.rules.notices import Decision
from tracker.rules.notification_preferences import kinds_in
from tracker.services.due_notices import (
    NoticeDay,
    decide_applications,
    decide_for_people,
    list_cutoffs,
)
from tracker.services.evaluation import days_at
from tracker.services.notices import (
    consider_again,
    day_key,
    list_addresses,
    list_people_to_consider,
    list_undecided_applications,
    lock_people,
    record_decisions,
)
from tracker.services.notification_preferences import ChoiceLinks
from tracker.services.run_ledger import Failure, JobResult, get_last_run_date, list_failures
from tracker.services.way_reminders import list_people_by_way

JOB = "notices"
_PEOPLE_PER_BATCH = 250


@dataclass(frozen=True)
class RunContext:
    """One run at work: its context, an open writing session, and when; ``as_of`` is its day.

    Decisions that are part of the ``undelivered`` messages (their Message-IDs) are taken anew.
    """

    context: JobContext
    session: Session
    as_of: date
    now: datetime
    undelivered: frozenset[str] = frozenset()

    @property
    def day(self) -> NoticeDay:
        """What the notices of this run follow from."""
        rulebooks = self.context.rulebooks
        return NoticeDay(
            self.session,
            rulebooks,
            self.context.notices,
            days_at(rulebooks, self.now),
            self.as_of,
            self.undelivered,
        )

    @cached_property
    def choice_links(self) -> ChoiceLinks:
        """Makes the links that switch off the optional mail of this run."""
        return ChoiceLinks(self.session)


def run_notices(context: JobContext, association: str, now: datetime) -> JobResult:
    """Decide on everything due in ``association``, and write the messages into the outbox.

    A person with several endorsements and applications, at several associations even, gets one
    mail about all of them.
    """
    as_of = local_day(now, context.rulebooks.associations[association].time_zone)
    with context.transaction() as session:
        last = get_last_run_date(session, JOB, association)
        config = context.notices.of(association)
        people = list_people_to_consider(session, config, association, last, as_of)
        if last is not None:
            people |= list_people_by_way(
                session, context.rulebooks, config, association, last, as_of
            )
        people |= _list_failed_people(session, association)
        applications = list_undecided_applications(session, association)
    errors: list[Failure] = []
    with isolate(errors, "", context.transaction()) as session:
        people |= list_applicants_due(RunContext(context, session, as_of, now), applications)
    if errors:
        # One of them cannot be judged. Taken one by one below, the others get theirs.
        people |= set(applications.values())
    return _decide_on_people(context, people, as_of, now)


def retry_notices(context: JobContext, association: str, now: datetime) -> JobResult:
    """Decide again on the people whose notices failed at the last attempt."""
    as_of = local_day(now, context.rulebooks.associations[association].time_zone)
    with context.transaction() as session:
        people = _list_failed_people(session, association)
    return _decide_on_people(context, people, as_of, now)


def _list_failed_people(session: Session, association: str) -> set[int]:
    failures = list_failures(session, association)
    return {int(f.subject) for f in failures if f.job == JOB and f.subject}


def _decide_on_people(
    context: JobContext, people: Iterable[int], as_of: date, now: datetime
) -> JobResult:
    report = Counter(messages=0, sent=0, skipped=0, deferred=0)
    failures: list[Failure] = []
    for batch in in_chunks(sorted(people), _PEOPLE_PER_BATCH):
        errors: list[Failure] = []
        with isolate(errors, "batch", context.transaction()) as session:
            counts = _run_batch(RunContext(context, session, as_of, now), batch)
        if not errors:
            # Only now: what fails at its commit wrote nothing.
            report.update(counts)
            continue
        for person_id in batch:
            failed = len(failures)
            with isolate(failures, str(person_id), context.transaction()) as session:
                counts = _run_batch(RunContext(context, session, as_of, now), [person_id])
            if len(failures) == failed:
                report.update(counts)
    return JobResult(dict(report), failures)


def _run_batch(run: RunContext, people: Sequence[int]) -> dict[str, int]:
    """Messages written, decisions to send and to skip, and those put off to tomorrow."""
    by_person = decide_notices(run, people)
    addresses = list_addresses(run.session, people)
    messages: dict[int, Message] = {}
    for person_id, decisions in by_person.items():
        if to_send := in_order([d for d in decisions if d.skipped is None]):
            messages[person_id] = write_message(run, addresses[person_id], to_send)
    accepted = enqueue(run.session, list(messages.values()), run.now)
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
    record_decisions(run.session, recorded, run.as_of)
    consider_again(run.session, deferred, run.as_of)
    sent = sum(message_id is not None for _, message_id in recorded)
    skipped = len(recorded) - sent
    return {
        "messages": len(accepted),
        "sent": sent,
        "skipped": skipped,
        "deferred": len(deferred),
    }


def write_message(run: RunContext, address: str, decisions: Sequence[Decision]) -> Message:
    """The mail about one person's decisions; the first of them leads."""
    context, standing = run.context, decisions[0].standing
    person_id, association = standing.facts.person_id, standing.plan.association
    base_url = context.settings.base_url
    with use_locale_of(context, association):
        mail = write_notices_mail(context.notices, context.settings, decisions, run.as_of)
    # Empty if some part of the mail always goes out.
    kinds = [kind.value for kind in kinds_in(context.notices, decisions)]
    url = ""
    if kinds:
        token = run.choice_links.create_token(person_id, kinds)
        url = f"{base_url}/unsubscribe/mail/{token}"
    envelope = Envelope(
        dedupe_key=day_key(person_id, run.as_of),
        name=standing.facts.name,
        address=address,
        association=association,
        person_id=person_id,
        unsubscribe_url=url,
    )
    return create_message(context, envelope, mail, run.now)


def decide_notices(run: RunContext, people: Sequence[int]) -> dict[int, list[Decision]]:
    """All decisions that are due, by person, from facts read in this very transaction."""
    # Another process with the same people ends first, so its decisions are seen here.
    lock_people(run.session, people)
    return decide_for_people(run.day, people)


def list_applicants_due(run: RunContext, applications: Mapping[int, int]) -> set[int]:
    """The applicants whose undecided ``applications`` (each with its person) have a notice due.

    All are judged in one pass. Nothing is stored that a step could be looked up by, so an outage
    or a mail put off until tomorrow needs no record of its own.
    """
    if not applications:
        return set()
    cutoffs = list_cutoffs(run.day, set(applications.values()))
    decisions = decide_applications(run.day, list(applications), cutoffs)
    return {decision.standing.facts.person_id for decision in decisions}
