"""An association's week in figures: what a digest says, before it is put into words."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta
from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.jobs.office import Office
from tracker.jobs.schedule import instant_of
from tracker.records.applying.applicants import applicants
from tracker.records.mailing.digest import (
    CutoffAhead,
    NamedProvider,
    StandingLine,
    cutoffs_ahead,
    mail_counts,
    minutes_held,
    named_providers,
    standing_lines,
)
from tracker.records.mailing.run_ledger import CAUGHT_UP, runs_since
from tracker.records.profile.time_requests import Request, requests_within
from tracker.rules.standing import Standing

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS_OF_TREND = 4
# How far ahead a digest looks for providers who stop counting.
_MONTHS_AHEAD = 18
# More than any digest names; who has more than these has them on the page.
_MOST_REQUESTS = 1_000


@dataclass
class Week:
    """One association's week, of which ``monday`` is the digest's day.

    The period is the seven days before it, both ends included.
    ``as_of`` is the day on which it is written: the same, unless it had to be caught up.

    ``met`` to ``lapsed`` count renewals; ``behind`` are open and off an even pace. ``needs`` are
    the renewals that need somebody, in no order; ``applicants`` the undecided applications, the
    ready first; ``requests`` for leave or a later due date wait for a decision, the oldest first.
    """

    association: str
    monday: date
    as_of: date
    met: int = 0
    open: int = 0
    behind: int = 0
    overdue: int = 0
    lapsed: int = 0
    excused: int = 0
    completed: int = 0
    fell_behind: int = 0
    minutes: int = 0
    sent: int = 0
    last_evaluation: tuple[date, datetime] | None = None
    missed_nights: int = 0
    needs: list[StandingLine] = field(default_factory=list)
    unconfirmed: list[NamedProvider] = field(default_factory=list)
    ahead: list[CutoffAhead] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    earlier: list[tuple[date, dict[str, int]]] = field(default_factory=list)
    applicants: list[Standing] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @property
    def first(self) -> date:
        """The period's first day."""
        return self.monday - _WEEK

    @property
    def last(self) -> date:
        """The period's last day."""
        return self.monday - _DAY

    @property
    def total(self) -> int:
        """All renewals counted."""
        return self.met + self.open + self.behind + self.overdue + self.lapsed + self.excused

    @property
    def healthy(self) -> bool:
        """Whether the nightly evaluation ran today or yesterday, and missed no night before."""
        if self.last_evaluation is None or self.missed_nights:
            return False
        return self.last_evaluation[0] >= self.as_of - _DAY

    def figures(self) -> dict[str, int]:
        """What later digests compare with."""
        return {"met": self.met, "total": self.total, "behind": self.behind}


def count_week(
    office: Office, connection: Connection, association: str, monday: date, now: datetime
) -> Week:
    """Read and count everything that the digest of ``monday`` says."""
    zone = office.books.associations[association].time_zone
    week = Week(association, monday, as_of=local_day(now, zone))
    for line in standing_lines(connection, association, week.as_of):
        _count(week, line)
    week.minutes = minutes_held(connection, association, week.first, week.last)
    start, end = (instant_of(day, time(0), zone) for day in (week.first, week.monday))
    week.sent, week.refused = mail_counts(connection, association, start, end)
    week.unconfirmed = named_providers(
        connection, association, week.monday - relativedelta(years=1), week.monday
    )
    months = office.notices.provider_cutoff.used_within_months
    week.ahead = cutoffs_ahead(
        connection,
        association,
        week.monday - relativedelta(months=months),
        week.monday,
        week.monday + relativedelta(months=_MONTHS_AHEAD),
    )
    week.requests = requests_within(
        connection, association, undecided=True, skip=0, most=_MOST_REQUESTS
    )
    week.applicants = applicants(connection, office.books, association, week.as_of)
    _remember(week, connection)
    return week


def _count(week: Week, line: StandingLine) -> None:
    behind = line.falls_behind_on is not None and line.falls_behind_on <= week.as_of
    name = "behind" if line.status == "open" and behind else line.status
    if line.is_current:
        # Of the cycle before only what still needs somebody is listed, and it is not counted.
        setattr(week, name, getattr(week, name) + 1)
    if line.status == "met" and week.first <= line.status_since <= week.last:
        week.completed += 1
    if behind and line.falls_behind_on and line.falls_behind_on >= week.first:
        week.fell_behind += 1
    if name in ("behind", "overdue", "lapsed") or (line.email_refused_at and not line.second_email):
        week.needs.append(line)


def _remember(week: Week, connection: Connection) -> None:
    """The last evaluation, and the figures of earlier digests (oldest first)."""
    runs = runs_since(connection, week.association, week.monday - _WEEKS_OF_TREND * _WEEK)
    nights = [r for r in runs if r.job == "evaluate"]
    # A night that a later one caught up had no run: to call it healthy would hide an outage.
    missed = [r.local_date for r in nights if CAUGHT_UP in r.report]
    week.missed_nights = sum(week.first <= night <= week.as_of for night in missed)
    evaluations = [r for r in nights if CAUGHT_UP not in r.report]
    if evaluations:
        week.last_evaluation = (evaluations[0].local_date, evaluations[0].finished_at)
    week.earlier = [
        (run.local_date, json.loads(run.report))
        for run in reversed(runs)
        if run.job == "digest" and run.local_date < week.monday and "met" in run.report
    ]
