"""Whether the schedule and the mail keep up: what is late or stuck, for how long, and why.

The ledgers say so, not the process that is asked: one that only answers pages is as healthy as the
one that runs the jobs. No reason contains personal data.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import product
from operator import attrgetter
from typing import NamedTuple

from sqlmodel import Session, col, func, or_, select

from tracker.clock import instant_of
from tracker.db.ledgers import Outbox
from tracker.db.operations import Maintenance
from tracker.formatting import format_count
from tracker.jobs.schedule import Job, find_due, find_next, hour_of, list_ahead
from tracker.mail.outbox import NEXT_ATTEMPT_AT, find_claimable
from tracker.rulebooks import Rulebooks
from tracker.services import run_ledger
from tracker.services.dead_addresses import is_held
from tracker.services.maintenance import find_maintenance
from tracker.settings import Schedule, Settings

JOB_LATE, JOB_AHEAD, MAIL_STUCK = "job-late", "job-ahead", "mail-stuck"
# So many ticks pass before anything is late: jobs run one after another, and take their time.
_TICKS = 10
# Clocks of machines differ by a little. What is later than that was recorded by a wrong clock.
_CLOCK_TOLERANCE = timedelta(minutes=5)


class HealthProblem(NamedTuple):
    """Something that is late or stuck ``since`` an instant; ``text`` is the reason in words.

    ``job`` and ``association`` are those of a job that is late, or that ran for a day to come
    (``since`` is None).
    """

    kind: str
    since: datetime | None
    text: str
    job: str | None = None
    association: str | None = None


class Health(NamedTuple):
    """What is wrong, worst first, and the maintenance during which jobs and mail wait."""

    problems: Sequence[HealthProblem]
    maintenance: Maintenance | None

    @property
    def summary(self) -> str:
        """One line."""
        if self.problems:
            return "; ".join(problem.text for problem in self.problems)
        return "maintenance mode is on, jobs and mail wait" if self.maintenance else "healthy"


def read_health(
    session: Session, settings: Settings, rulebooks: Rulebooks, now: datetime
) -> Health:
    """Judge the ledgers as of ``now``.

    In maintenance nothing is late before its expected end, or ever if it has none.
    """
    maintenance = find_maintenance(session)
    if maintenance and (maintenance.ends_at is None or now <= maintenance.ends_at):
        return Health([], maintenance)
    allowed = timedelta(seconds=_TICKS * settings.schedule.tick_seconds)
    late_from = now - allowed
    if maintenance and maintenance.ends_at and maintenance.ends_at > late_from:
        return Health([], maintenance)
    ahead = _list_jobs_ahead(session, rulebooks, now)
    late = _list_late_jobs(session, settings, rulebooks, now, late_from)
    return Health([*ahead, *late, *_list_stuck_mail(session, now, late_from)], maintenance)


def _list_jobs_ahead(session: Session, rulebooks: Rulebooks, now: datetime) -> list[HealthProblem]:
    last_dates = run_ledger.list_last_run_dates(session)
    problems = []
    for job, association, last in list_ahead(rulebooks.associations, last_dates, now):
        text = f"{association}: {job} is recorded for {last}, and does not run before"
        problems.append(HealthProblem(JOB_AHEAD, None, text, job.value, association))
    return problems


def _list_late_jobs(
    session: Session, settings: Settings, rulebooks: Rulebooks, now: datetime, late_from: datetime
) -> list[HealthProblem]:
    """The jobs that were due by ``late_from`` and have not run.

    Jobs run one after another. If one ended after ``late_from``, the others are having their turn.
    """
    newest = _find_last_sign(session, now)
    if newest is None or newest > late_from:
        return []
    last_dates = run_ledger.list_last_run_dates(session)
    failures = run_ledger.list_failures(session)
    failed = {(one.job, one.association) for one in failures if not one.subject}
    problems = []
    for job, (association, rulebook) in product(Job, rulebooks.associations.items()):
        schedule, zone = settings.schedule_of(association), rulebook.time_zone
        last = last_dates.get((job, association))
        since = _find_due_since(schedule, job, zone, late_from, last or newest)
        if since and since <= late_from:
            reason = "failed, and is tried again" if (job, association) in failed else "has not run"
            text = f"{association}: {job} {reason}, due since {since:%Y-%m-%d %H:%M} UTC"
            problems.append(HealthProblem(JOB_LATE, since, text, job.value, association))
    return sorted(problems, key=attrgetter("since"))


def _find_due_since(
    schedule: Schedule, job: Job, zone: str, late_from: datetime, last: date | datetime
) -> datetime | None:
    """Since when a job has been due at ``late_from``; None if it was not.

    ``last`` is the date that it last ran for. For a job that is new here it is an instant at which
    something else ran: the job has been due since its first hour after that.
    """
    if isinstance(last, datetime):
        return find_next(schedule, job, zone, last)
    due = find_due(schedule, job, zone, late_from, last)
    if due is None:
        return None
    return instant_of((*due.missed, due.local_date)[0], hour_of(schedule, job), zone)


def _find_last_sign(session: Session, now: datetime) -> datetime | None:
    """When a job last ended; if none has, when the first email was queued here, if one was.

    What ended in the future, by a clock that was wrong, is no sign of life.
    """
    limit = now + _CLOCK_TOLERANCE
    finished = run_ledger.list_last_finished(session).values()
    if past := [instant for instant in finished if instant <= limit]:
        return max(past)
    return session.exec(select(Outbox.created_at).order_by(col(Outbox.id)).limit(1)).first()


def _list_stuck_mail(session: Session, now: datetime, late_from: datetime) -> list[HealthProblem]:
    """Mail that nobody tries to send, and mail that the server has not taken from anybody."""
    is_old = col(Outbox.created_at) <= late_from
    # What is urgent is due before it was queued.
    is_untried = or_(*find_claimable(late_from)) & is_old
    # The server's own trouble takes the attempt back (`mail.outbox.mark_retry`).
    is_unreachable = (
        (col(Outbox.state) == "waiting")
        & (col(Outbox.attempts) == 0)
        & col(Outbox.last_error).is_not(None)
        & is_old
        & ~is_held()
    )
    kinds = (
        (is_untried, NEXT_ATTEMPT_AT, "nobody has tried to send since"),
        (is_unreachable, col(Outbox.created_at), "the mail server can't be used; waiting since"),
    )
    problems = []
    for condition, moment, reason in kinds:
        count, since = session.exec(select(func.count(), func.min(moment)).where(condition)).one()
        if count and not _has_left(session, late_from, now):
            waiting = f"{format_count(count, 'message')} waiting"
            text = f"mail: {waiting}, {reason} {since:%Y-%m-%d %H:%M} UTC"
            problems.append(HealthProblem(MAIL_STUCK, since, text))
    return problems


def _has_left(session: Session, since: datetime, now: datetime) -> bool:
    """Whether a message left after ``since``: then the others have their turn.

    One that came back, or was dropped, ended too, and shows nothing about the mail server.
    """
    query = select(Outbox.id).where(
        Outbox.state == "sent",
        col(Outbox.finished_at) > since,
        col(Outbox.finished_at) <= now + _CLOCK_TOLERANCE,
    )
    return session.exec(query.limit(1)).first() is not None
