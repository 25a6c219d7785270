"""An association's week in figures, for the coordinators' digest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import select as sa_select
from sqlmodel import Session, col, func, select

from tracker.clock import instant_of, local_day
from tracker.db.ledgers import Outbox, RunFailure, RunRow, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import ApplicationStanding
from tracker.services.applications import list_applicants
from tracker.services.attention import Queue, read_queue
from tracker.services.cutoffs import CutoffAhead, list_cutoffs
from tracker.services.dashboard import count_renewals, is_listed
from tracker.services.endings import EndingEndorsement, list_endings
from tracker.services.run_ledger import CAUGHT_UP, list_failures, list_runs_since
from tracker.services.way_counts import WayCounts, count_way

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS_OF_TREND = 4


class FailedMail(NamedTuple):
    """A reminder that failed for good: whose it was, and what the mail server said.

    ``bounced``: the address was refused. Otherwise the failure is the mail server's or ours, and
    says nothing about the address.
    """

    name: str
    address: str
    error: str
    bounced: bool


class WeekFigures(NamedTuple):
    """What a digest reports of its week, for later digests to compare with."""

    digest_date: date
    met: int
    total: int
    behind: int

    @property
    def share(self) -> float:
        """The part that is complete, from 0 to 1."""
        return self.met / self.total if self.total else 0


@dataclass(frozen=True, slots=True)
class Week:
    """The seven days before ``monday``, the digest's day, at one association.

    ``as_of`` is the day on which the digest is written: ``monday``, unless it had to be caught up.
    ``counts`` are renewals by state; ``completed`` and ``fell_behind`` happened in the week.
    ``minutes`` were held in it. ``last_evaluation`` is the latest nightly run, of which
    ``missed_nights`` were missed. ``earlier`` are the weeks before, oldest first.
    """

    association: str
    monday: date
    as_of: date
    counts: dict[str, int]
    completed: int
    fell_behind: int
    minutes: int
    mails_sent: int
    failed_mails: Sequence[FailedMail]
    last_evaluation: date | None
    missed_nights: int
    failures: Sequence[RunFailure]
    queue: Queue
    applicants: Sequence[ApplicationStanding]
    cutoffs: Sequence[CutoffAhead]
    endings: Sequence[EndingEndorsement]
    earlier: Sequence[WeekFigures]
    way: WayCounts = WayCounts()  # noqa: RUF009 - nothing changes it

    @property
    def first(self) -> date:
        """The first day, included."""
        return self.monday - _WEEK

    @property
    def last(self) -> date:
        """The last day, included."""
        return self.monday - _DAY

    @property
    def bounced(self) -> list[FailedMail]:
        """The reminders whose address was refused."""
        return [mail for mail in self.failed_mails if mail.bounced]

    @property
    def unsent(self) -> list[FailedMail]:
        """The reminders that never left, whatever their address."""
        return [mail for mail in self.failed_mails if not mail.bounced]

    @property
    def total(self) -> int:
        """All renewals with rules."""
        return sum(self.counts.values()) - self.counts["no rules"]

    @property
    def is_healthy(self) -> bool:
        """Whether the nightly run ran today or yesterday, missed no night, and nothing failed.

        Bounced email is no failure of ours.
        """
        if self.last_evaluation is None or self.missed_nights or self.failures or self.unsent:
            return False
        return self.last_evaluation >= self.as_of - _DAY

    @property
    def figures(self) -> WeekFigures:
        """What later digests compare with."""
        return WeekFigures(self.monday, self.counts["met"], self.total, self.counts["behind"])


def count_week(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    monday: date,
    now: datetime,
    *,
    recent_months: int,
) -> Week:
    """Read and count everything that the digest of ``monday`` says.

    A provider is a recent one for ``recent_months`` after a session.
    """
    zone = rulebooks.associations[association].time_zone
    as_of, first, last = local_day(now, zone), monday - _WEEK, monday - _DAY
    start, end = (instant_of(day, time(0), zone) for day in (first, monday))
    runs = list_runs_since(session, association, monday - _WEEKS_OF_TREND * _WEEK)
    nights = [run for run in runs if run.job == "evaluate"]
    # A night that a later run caught up had no run: calling it healthy would hide an outage.
    missed = [run.local_date for run in nights if CAUGHT_UP in run.report]
    evaluated = [run.local_date for run in nights if CAUGHT_UP not in run.report]
    status_since, falls_behind_on = col(StandingRow.status_since), col(StandingRow.falls_behind_on)
    is_listed_now = is_listed(association, as_of)
    mails_sent, failed_mails = _list_finished_notices(session, association, start, end)
    return Week(
        association=association,
        monday=monday,
        as_of=as_of,
        counts=count_renewals(session, association, as_of),
        completed=session.exec(
            select(func.count()).where(
                is_listed_now, StandingRow.status == "met", status_since.between(first, last)
            )
        ).one(),
        fell_behind=session.exec(
            select(func.count()).where(is_listed_now, falls_behind_on.between(first, as_of))
        ).one(),
        minutes=_count_minutes(session, association, first, last),
        mails_sent=mails_sent,
        failed_mails=failed_mails,
        last_evaluation=max(evaluated, default=None),
        missed_nights=sum(first <= night <= as_of for night in missed),
        failures=list_failures(session, association),
        queue=read_queue(session, rulebooks, association, now),
        applicants=list_applicants(session, rulebooks, association, as_of),
        cutoffs=list_cutoffs(session, association, monday, recent_months),
        endings=list_endings(session, rulebooks, association, lambda _: as_of),
        earlier=_list_earlier(runs, monday),
        way=count_way(session, rulebooks, association, as_of),
    )


def _count_minutes(session: Session, association: str, first: date, last: date) -> int:
    """Minutes of sessions that the association's endorsees held from ``first`` to ``last``."""
    people = select(Endorsement.person_id).where(Endorsement.association == association)
    query = select(func.coalesce(func.sum(Entry.minutes), 0)).where(
        col(Entry.held_on).between(first, last), col(Entry.person_id).in_(people)
    )
    return int(session.exec(query).one())


def _list_finished_notices(
    session: Session, association: str, start: datetime, end: datetime
) -> tuple[int, list[FailedMail]]:
    """How many reminders were sent from ``start`` until before ``end``, and those that failed."""
    query = (
        sa_select(
            col(Outbox.state),
            col(Person.name),
            col(Outbox.recipient),
            col(Outbox.last_error),
            col(Outbox.bounced),
        )
        .outerjoin(Person)
        .where(
            col(Outbox.association) == association,
            col(Outbox.kind) == "notices",
            col(Outbox.state).in_(["sent", "failed"]),
            col(Outbox.finished_at) >= start,
            col(Outbox.finished_at) < end,
        )
        .order_by(col(Outbox.finished_at))
    )
    sent, failed = 0, []
    for state, name, recipient, error, bounced in session.connection().execute(query):
        if state == "failed":
            failed.append(FailedMail(name or "", recipient, error or "", bool(bounced)))
        else:
            sent += 1
    return sent, failed


def _list_earlier(runs: Sequence[RunRow], monday: date) -> list[WeekFigures]:
    earlier = []
    for run in reversed(runs):
        report = json.loads(run.report)
        if run.job == "digest" and run.local_date < monday and "met" in report:
            earlier.append(
                WeekFigures(run.local_date, report["met"], report["total"], report["behind"])
            )
    return earlier
