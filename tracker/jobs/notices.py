"""The notices job: writes all that is due for an association's endorsees and applicants.

People are taken in batches, each in one transaction: facts read, decisions, ledger rows and
rendered messages are committed together or not at all. A crash between batches is harmless,
since what is decided stays decided and the rest is decided by the next run. Two processes at
once are harmless, too: the outbox takes one mail a person a day, and whoever is late defers.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from tracker.clock import local_day
from tracker.jobs.notice_decisions import (
    PEOPLE,
    RunContext,
    applicants_with_news,
    decide_on_people,
    used_since,
)
from tracker.mail.contents import context_of, unsubscribe_headers
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import JobContext
from tracker.notifications.notices_mail import in_order, write_mail
from tracker.rules.notices import Decision
from tracker.rules.notification_preferences import kinds_in
from tracker.services.notices import addresses_of, people_to_consider, record_decisions
from tracker.services.notification_preferences import create_choice_token
from tracker.services.run_ledger import last_run

_PEOPLE_A_BATCH = 250


class Tally(NamedTuple):
    """What a run did: messages written, decisions to send, to skip, and put off to tomorrow."""

    messages: int = 0
    sent: int = 0
    skipped: int = 0
    deferred: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


class _Addressee(NamedTuple):
    """Who gets a mail; ``switch_url`` ends mail like it (empty: it always goes out)."""

    person_id: int
    address: str
    switch_url: str


class _Letter(NamedTuple):
    message: Message
    decisions: list[Decision]


def run_notices(context: JobContext, association: str, now: datetime) -> Tally:
    """Decide on everything due in ``association``, and write the mails into the outbox.

    A person with endorsements and applications, at several associations even, gets one mail
    about all of them.
    """
    as_of = local_day(now, context.rulebooks.associations[association].time_zone)
    people = _people(context, association, as_of, now)
    tally = Tally()
    for start in range(0, len(people), _PEOPLE_A_BATCH):
        with context.transaction() as session:
            batch = people[start : start + _PEOPLE_A_BATCH]
            tally = tally.plus(_run_batch(context, session, batch, as_of, now))
    return tally


def _people(context: JobContext, association: str, as_of: date, now: datetime) -> list[int]:
    with context.transaction() as session:
        people = people_to_consider(
            session,
            context.notices,
            association,
            last_run(session, "notices", association),
            as_of,
            used_since(context, as_of),
        )
        news = applicants_with_news(RunContext(context, session, as_of, now), association)
    return sorted(news.union(people))


def _run_batch(
    context: JobContext, session: Session, people: Sequence[int], as_of: date, now: datetime
) -> Tally:
    by_person = decide_on_people(RunContext(context, session, as_of, now), people)
    addresses = addresses_of(session, PEOPLE)
    letters = {
        person_id: _write(
            context,
            _Addressee(person_id, addresses[person_id], _switch_url(context, session, decisions)),
            decisions,
            as_of,
            now,
        )
        for person_id, decisions in by_person.items()
        if any(d.skipped is None for d in decisions)
    }
    taken = enqueue(session, [letter.message for letter in letters.values()], now)
    recorded: list[tuple[Decision, str | None]] = []
    deferred: list[Decision] = []
    for person_id, decisions in by_person.items():
        letter = letters.get(person_id)
        for decision in decisions:
            if decision.skipped is not None or letter is None:
                recorded.append((decision, None))
            elif letter.message.dedupe_key in taken:
                recorded.append((decision, letter.message.message_id))
            else:
                deferred.append(decision)
    record_decisions(session, recorded, as_of)
    _look_again_tomorrow(session, deferred, as_of)
    sent = sum(1 for d, _ in recorded if d.skipped is None)
    return Tally(len(taken), sent, len(recorded) - sent, len(deferred))


def _switch_url(context: JobContext, session: Session, decisions: Sequence[Decision]) -> str:
    """What switches off all that the mail is about; empty where some part always goes out."""
    sending = [decision for decision in decisions if decision.skipped is None]
    kinds = kinds_in(context.notices, sending)
    if not kinds:
        return ""
    person_id = sending[0].standing.facts.person_id
    token = create_choice_token(session, person_id, [kind.value for kind in kinds])
    return f"{context.settings.base_url}/unsubscribe/mail/{token}"


def _write(
    context: JobContext,
    to: _Addressee,
    decisions: Sequence[Decision],
    as_of: date,
    now: datetime,
) -> _Letter:
    sending = in_order([d for d in decisions if d.skipped is None])
    standing = sending[0].standing
    mail = write_mail(context.rulebooks, context.notices, context.settings.base_url, sending, as_of)
    rendered = context.composer.compose(
        mail.kind,
        recipient=(standing.facts.name, to.address),
        context=context_of(mail),
        at=now,
        headers={
            **context.reply_to(standing.plan.association),
            **(unsubscribe_headers(to.switch_url) if to.switch_url else {}),
        },
    )
    message = Message(
        dedupe_key=f"day:{to.person_id}:{as_of}",
        message_id=rendered.message_id,
        kind=mail.kind,
        association=standing.plan.association,
        person_id=to.person_id,
        recipient=to.address,
        subject=rendered.subject,
        body=rendered.body,
    )
    return _Letter(message, sending)


def _look_again_tomorrow(session: Session, deferred: Sequence[Decision], as_of: date) -> None:
    """Have tomorrow's run consider them: it takes up all that was judged since today.

    And every application, whatever happened before.
    """
    renewals = {d.standing.facts.subject_id for d in deferred if not d.is_about_application}
    rows = [{"id": number, "day": as_of.isoformat()} for number in renewals]
    if rows:
        session.connection().execute(
            text("UPDATE standing SET judged_on = :day WHERE endorsement_id = :id"), rows
        )
