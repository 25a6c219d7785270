"""The notices job: writes everything that is due for an association's endorsees and applicants.

People are taken in batches, each in one transaction: facts read, decisions, ledger rows, and
rendered messages are committed together or not at all. A crash between batches is harmless: what
is decided stays decided, and the next run decides the rest. Two processes at once are harmless
too: the outbox takes one mail a person a day, and the later process defers.

If a batch fails, its people are taken one by one, so that one person's failure stays theirs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.people import Endorsement
from tracker.db.statements import in_chunks
from tracker.jobs.isolation import isolate
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, JobContext, create_message
from tracker.notifications.notices_mail import in_order, write_notices_mail
from tracker.rules.application.notices import decide_application
from tracker.rules.notices import Cutoff, Decision, decide
from tracker.rules.notification_preferences import apply_preferences, kinds_in
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import days_at, judge_current
from tracker.services.notices import (
    consider_again,
    list_addresses,
    list_decided_for_applications,
    list_decided_for_endorsements,
    list_last_asked,
    list_people_to_consider,
    list_undecided_applications,
    list_undecided_of_people,
    lock_people,
    record_decisions,
)
from tracker.services.notification_preferences import (
    create_choice_token,
    list_disabled_kinds_by_person,
)
from tracker.services.rsc_providers import Horizon, find_cutoffs
from tracker.services.run_ledger import Failure, JobResult, get_last_run_date, list_failures

JOB = "notices"
_PEOPLE_PER_BATCH = 250
# By person and provider rule.
Cutoffs = Mapping[tuple[int, str], Sequence[Cutoff]]


class RunContext(NamedTuple):
    """One run at work: its context, an open writing session, and when; ``as_of`` is its day.

    Decisions that are part of the ``undelivered`` messages (their Message-IDs) are taken anew.
    """

    context: JobContext
    session: Session
    as_of: date
    now: datetime
    undelivered: frozenset[str] = frozenset()


def run_notices(context: JobContext, association: str, now: datetime) -> JobResult:
    """Decide on everything due in ``association``, and write the messages into the outbox.

    A person with several endorsements and applications, at several associations even, gets one
    mail about all of them.
    """
    as_of = local_day(now, context.rulebooks.associations[association].time_zone)
    with context.transaction() as session:
        last = get_last_run_date(session, JOB, association)
        people = list_people_to_consider(session, context.notices, association, last, as_of)
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
            report.update(_run_batch(RunContext(context, session, as_of, now), batch))
        if not errors:
            continue
        for person_id in batch:
            with isolate(failures, str(person_id), context.transaction()) as session:
                report.update(_run_batch(RunContext(context, session, as_of, now), [person_id]))
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
    mail = write_notices_mail(context.notices, context.settings, decisions, run.as_of)
    # Empty if some part of the mail always goes out.
    kinds = [kind.value for kind in kinds_in(context.notices, decisions)]
    url = ""
    if kinds:
        token = create_choice_token(run.session, person_id, kinds)
        url = f"{base_url}/unsubscribe/mail/{token}"
    envelope = Envelope(
        dedupe_key=f"day:{person_id}:{run.as_of}",
        name=standing.facts.name,
        address=address,
        association=association,
        person_id=person_id,
        unsubscribe_url=url,
    )
    return create_message(context, envelope, mail, run.now)


def decide_notices(run: RunContext, people: Sequence[int]) -> dict[int, list[Decision]]:
    """All decisions that are due, by person, from facts read in this very transaction."""
    session = run.session
    # Another process with the same people ends first, so its decisions are seen here.
    lock_people(session, people)
    cutoffs = _list_cutoffs(run, people)
    decisions = [
        *_decide_renewals(run, people, cutoffs),
        *_decide_applications(run, list_undecided_of_people(session, people), cutoffs),
    ]
    by_person: defaultdict[int, dict[object, Decision]] = defaultdict(dict)
    for decision in decisions:
        # A membership can belong to both cycles that are judged: each key counts once.
        key = (decision.subject, decision.key)
        by_person[decision.standing.facts.person_id][key] = decision
    switched_off = list_disabled_kinds_by_person(session, people)
    return {
        person_id: [
            *apply_preferences(
                run.context.notices, unique.values(), switched_off.get(person_id, ())
            )
        ]
        for person_id, unique in by_person.items()
    }


def list_applicants_due(run: RunContext, applications: Mapping[int, int]) -> set[int]:
    """The applicants whose undecided ``applications`` (each with its person) have a notice due.

    All are judged in one pass. Nothing is stored that a step could be looked up by, so an outage
    or a mail put off until tomorrow needs no record of its own.
    """
    if not applications:
        return set()
    cutoffs = _list_cutoffs(run, set(applications.values()))
    decisions = _decide_applications(run, list(applications), cutoffs)
    return {decision.standing.facts.person_id for decision in decisions}


def _decide_renewals(
    run: RunContext, people: Sequence[int], cutoffs: Cutoffs
) -> Iterator[Decision]:
    context, session = run.context, run.session
    query = select(Endorsement.id).where(col(Endorsement.person_id).in_(people))
    ids = session.exec(query).all()
    day_of = days_at(context.rulebooks, run.now)
    standings = list(judge_current(session, context.rulebooks, day_of, endorsement_ids=ids))
    decided = list_decided_for_endorsements(session, ids, run.undelivered)
    for standing in standings:
        association = standing.plan.association
        yield from decide(
            context.notices,
            standing,
            cutoffs.get((standing.facts.person_id, standing.plan.provider_rule or ""), ()),
            decided.get(standing.facts.subject_id, {}),
            day_of(association),
        )


def _decide_applications(
    run: RunContext, ids: Sequence[int], cutoffs: Cutoffs
) -> Iterator[Decision]:
    context, session = run.context, run.session
    if not ids:
        return
    day_of = days_at(context.rulebooks, run.now)
    decided = list_decided_for_applications(session, ids, run.undelivered)
    last_asked = list_last_asked(session, ids)
    for standing in judge_applications(session, context.rulebooks, day_of, application_ids=ids):
        application_id, rulebook = standing.facts.subject_id, standing.plan.rulebook
        asked_at = last_asked.get(application_id)
        yield from decide_application(
            context.notices,
            standing,
            cutoffs.get((standing.facts.person_id, standing.plan.provider_rule or ""), ()),
            decided.get(application_id, {}),
            day_of(rulebook.id),
            asked_on=local_day(asked_at, rulebook.time_zone) if asked_at else None,
        )


def _list_cutoffs(run: RunContext, people: Iterable[int]) -> Cutoffs:
    rule, as_of = run.context.notices.provider_cutoff, run.as_of
    last_day = as_of + timedelta(days=max(rule.before, default=0))
    horizon = Horizon(rule.recent_from(as_of), as_of, last_day)
    return find_cutoffs(run.session, run.context.rulebooks, people, horizon)
