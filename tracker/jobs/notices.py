"""The notices job: decides on, and writes, all that is due for an association's endorsees.

People are taken in batches, each in one transaction: facts read, decisions, ledger rows and
rendered messages are committed together or not at all. A crash between batches is harmless,
since what is decided stays decided and the rest is decided by the next run. Two processes at
once are harmless, too: the outbox takes one mail a person a day, and whoever is late defers.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlalchemy import Connection, text

from tracker.clock import local_day
from tracker.jobs.notice_mail import in_order, write_mail
from tracker.jobs.office import Office
from tracker.mail.contents import context_of
from tracker.records.cutoffs import Horizon, cutoffs_of
from tracker.records.evaluation import days_at, judge_current
from tracker.records.facts import make_id_table
from tracker.records.notices import (
    addresses_of,
    decided_for,
    lock_people,
    people_to_consider,
    record_decisions,
)
from tracker.records.outbox import Message, enqueue
from tracker.records.run_ledger import last_run
from tracker.rules.notices import Decision, decide
from tracker.rules.standing import Standing

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


class _Letter(NamedTuple):
    message: Message
    decisions: list[Decision]


def run_notices(office: Office, association: str, now: datetime) -> Tally:
    """Decide on everything due in ``association``, and write the mails into the outbox.

    A person with endorsements at several associations gets one mail about all of them.
    """
    as_of = local_day(now, office.books.associations[association].time_zone)
    with office.transaction() as connection:
        people = people_to_consider(
            connection,
            office.notices,
            association,
            last_run(connection, "notices", association),
            as_of,
            _used_since(office, as_of),
        )
    tally = Tally()
    for start in range(0, len(people), _PEOPLE_A_BATCH):
        with office.transaction() as connection:
            batch = people[start : start + _PEOPLE_A_BATCH]
            tally = tally.plus(_run_batch(office, connection, batch, as_of, now))
    return tally


def _run_batch(
    office: Office, connection: Connection, people: Sequence[int], as_of: date, now: datetime
) -> Tally:
    by_person = _decide(office, connection, people, as_of, now)
    addresses = addresses_of(connection, "noticed_person")
    letters = {
        person_id: _write(office, person_id, addresses[person_id], decisions, as_of, now)
        for person_id, decisions in by_person.items()
        if any(d.skipped is None for d in decisions)
    }
    taken = enqueue(connection, [letter.message for letter in letters.values()], now)
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
    record_decisions(connection, recorded, as_of)
    _look_again_tomorrow(connection, deferred, as_of)
    sent = sum(1 for d, _ in recorded if d.skipped is None)
    return Tally(len(taken), sent, len(recorded) - sent, len(deferred))


def _decide(
    office: Office, connection: Connection, people: Sequence[int], as_of: date, now: datetime
) -> dict[int, list[Decision]]:
    """All decisions due, by person; the facts are read in this very transaction."""
    make_id_table(connection, "noticed_person", people)
    # Another process that is at the same people ends first: then its decisions are seen here.
    lock_people(connection, "noticed_person")
    ids = connection.scalars(
        text("SELECT en.id FROM endorsement en JOIN noticed_person n ON n.id = en.person_id")
    ).all()
    make_id_table(connection, "noticed", ids)
    days = days_at(office.books, now)
    standings = list(judge_current(connection, office.books, days, only="noticed"))
    decided = decided_for(connection, "noticed")
    last_day = as_of + relativedelta(days=max(office.notices.provider_cutoff.before, default=0))
    horizon = Horizon(_used_since(office, as_of), as_of, last_day)
    cutoffs = cutoffs_of(connection, office.books, "noticed_person", horizon)
    found: defaultdict[int, list[Decision]] = defaultdict(list)
    for standing in standings:
        facts, plan = standing.facts, standing.plan
        found[facts.person_id] += decide(
            office.notices,
            standing,
            cutoffs.get((facts.person_id, plan.provider_rule or ""), ()),
            decided.get(facts.subject_id, {}),
            days(plan.association),
            judged_from=office.settings.judge_renewals_due_from.get(plan.association),
        )
    return {person_id: _once(decisions) for person_id, decisions in found.items()}


def _once(decisions: Iterable[Decision]) -> list[Decision]:
    """Each key once an endorsement: a membership can belong to both cycles that are judged."""
    return list({(d.standing.facts.subject_id, d.key): d for d in decisions}.values())


def _write(
    office: Office,
    person_id: int,
    address: str,
    decisions: Sequence[Decision],
    as_of: date,
    now: datetime,
) -> _Letter:
    sending = in_order([d for d in decisions if d.skipped is None])
    standing: Standing = sending[0].standing
    mail = write_mail(office.books, office.notices, office.settings.base_url, sending, as_of)
    rendered = office.composer.compose(
        mail.kind,
        recipient=(standing.facts.name, address),
        context=context_of(mail),
        at=now,
        headers=office.reply_to(standing.plan.association),
    )
    message = Message(
        dedupe_key=f"day:{person_id}:{as_of}",
        message_id=rendered.message_id,
        kind=mail.kind,
        association=standing.plan.association,
        person_id=person_id,
        recipient=address,
        subject=rendered.subject,
        body=rendered.body,
    )
    return _Letter(message, sending)


def _look_again_tomorrow(connection: Connection, deferred: Sequence[Decision], as_of: date) -> None:
    """Have tomorrow's run consider them: it takes up all that was judged since today."""
    rows = [
        {"id": i, "day": as_of.isoformat()} for i in {d.standing.facts.subject_id for d in deferred}
    ]
    if rows:
        connection.execute(
            text("UPDATE standing SET judged_on = :day WHERE endorsement_id = :id"), rows
        )


def _used_since(office: Office, as_of: date) -> date:
    return as_of - relativedelta(months=office.notices.provider_cutoff.used_within_months)
