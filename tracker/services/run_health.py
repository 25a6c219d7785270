"""How the system itself is doing at an association: its jobs, and the email that did not leave."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, col, exists, func, select

from tracker.clock import local_day
from tracker.db.ledgers import Outbox, RunFailure, RunRow
from tracker.db.people import Person
from tracker.services.dead_addresses import is_held
from tracker.services.run_ledger import get_last_run_date, list_failures

# The names of the jobs in the run ledger.
EVALUATE, DIGEST = "evaluate", "digest"
_DAY = timedelta(days=1)
# What could not be sent longer ago has no use anymore.
_RECENT = timedelta(days=30)
_WEEK = timedelta(days=7)


class JobProblem(NamedTuple):
    """A job, or part of one, that failed and will be tried again.

    ``about`` is the person or the coordinator it was for; empty if the whole job failed.
    """

    job: str
    about: str


class JobTrouble(NamedTuple):
    """A job of which ``failed`` parts failed; 0: nothing failed, but it has not run on time."""

    job: str
    failed: int
    since: date


class UnsentMail(NamedTuple):
    """Emails to people that the mail server did not take, though it refused no address."""

    total: int
    since: date


class MailState(NamedTuple):
    """An association's messages: those on their way, and those that failed in the last week.

    ``oldest`` is when the oldest one that waits was written (None: none waits). A message that
    failed either bounced or could not be sent.
    """

    waiting: int
    oldest: datetime | None
    bounced: int
    unsent: int


class RunHealth(NamedTuple):
    """When the last good runs ended (None: there was none), and how the mail stands."""

    last_evaluation: datetime | None
    last_digest: datetime | None
    problems: list[JobProblem]
    mail: MailState


def read_run_health(session: Session, association: str, now: datetime) -> RunHealth:
    """What the start page shows of the system itself."""
    query = (
        select(RunRow.job, func.max(RunRow.finished_at))
        .where(RunRow.association == association, col(RunRow.job).in_([EVALUATE, DIGEST]))
        .group_by(col(RunRow.job))
    )
    finished = dict(session.exec(query).all())
    return RunHealth(
        finished.get(EVALUATE),
        finished.get(DIGEST),
        list_job_problems(session, association),
        _read_mail_state(session, association, now),
    )


def list_job_problems(session: Session, association: str) -> list[JobProblem]:
    """What failed for an association at the last attempt."""
    failures = list_failures(session, association)
    ids = {int(failure.subject) for failure in failures if failure.subject.isdecimal()}
    names = dict(session.exec(select(Person.id, Person.name).where(col(Person.id).in_(ids))).all())
    problems = []
    for failure in failures:
        about = failure.subject
        if about.isdecimal():
            about = names.get(int(about), "")
        problems.append(JobProblem(failure.job, about))
    return problems


def list_job_troubles(
    session: Session, association: str, zone: str, today: date
) -> list[JobTrouble]:
    """Each job that failed, or whose night is missing; ``zone`` is the association's."""
    failures = defaultdict[str, list[RunFailure]](list)
    for failure in list_failures(session, association):
        failures[failure.job].append(failure)
    troubles = []
    for job, failed in failures.items():
        since = min(failure.first_failed_at for failure in failed)
        troubles.append(JobTrouble(job, len(failed), local_day(since, zone)))
    last = get_last_run_date(session, EVALUATE, association)
    if last is not None and last < today - _DAY and EVALUATE not in failures:
        troubles.append(JobTrouble(EVALUATE, 0, last + _DAY))
    return troubles


def find_unsent(session: Session, association: str, zone: str, now: datetime) -> UnsentMail | None:
    """The recent emails that people did not get because of the mail server; None if there are none.

    An email no longer counts once a later one has reached the same person.
    """
    later = aliased(Outbox)
    reached = exists().where(
        col(later.person_id) == Outbox.person_id,
        col(later.state) == "sent",
        col(later.finished_at) > Outbox.finished_at,
    )
    query = select(func.count(), func.min(Outbox.finished_at)).where(
        Outbox.association == association,
        Outbox.state == "failed",
        col(Outbox.bounced).is_not(True),
        col(Outbox.person_id).is_not(None),
        col(Outbox.finished_at) > now - _RECENT,
        ~reached,
    )
    total, first = session.exec(query).one()
    return UnsentMail(total, local_day(first, zone)) if first else None


def _read_mail_state(session: Session, association: str, now: datetime) -> MailState:
    is_waiting = and_(col(Outbox.state).in_(["waiting", "sending"]), ~is_held())
    waiting, oldest = session.exec(
        select(func.count(), func.min(Outbox.created_at)).where(
            Outbox.association == association, is_waiting
        )
    ).one()
    has_bounced = col(Outbox.bounced).is_(True)
    query = (
        select(has_bounced, func.count())
        .where(
            Outbox.association == association,
            Outbox.state == "failed",
            col(Outbox.finished_at) > now - _WEEK,
        )
        .group_by(has_bounced)
    )
    failed = {bool(bounced): count for bounced, count in session.exec(query)}
    return MailState(waiting, oldest, failed.get(True, 0), failed.get(False, 0))
