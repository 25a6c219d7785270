"""Findings about backups, as far as `tracker restore --drill` has tried them (T215 to T218)."""

from datetime import datetime, timedelta

from sqlmodel import Session, func, select

from tracker.checks.environment import Fact, Finding, Findings, problem, warning
from tracker.db.ledgers import RunRow
from tracker.db.operations import RestoreDrill
from tracker.services.restore_drill import (
    DrillRecord,
    format_backup_age,
    is_outdated,
    read_drills,
)

# A drill every month, and some days for one that was forgotten.
_LONGEST_UNTRIED = timedelta(days=40)


def check_drills(session: Session, now: datetime) -> Findings:
    """Find backups that could not be restored, that are old, or that nobody has tried lately."""
    drills = read_drills(session)
    proven, failed = drills.proven, drills.failed
    yield from _check_last(drills)
    if failed is not None and (proven is None or failed.id > proven.id):
        yield problem(
            "T215",
            f"the backup {failed.backup} could not be restored on {failed.tried_at:%Y-%m-%d}: "
            f"{failed.detail}",
            "Correct what it says, make a backup, and run `tracker restore --drill` again.",
        )
    elif proven is not None:
        yield from _check_proven(proven, now)
    else:
        first_run: datetime | None = session.exec(select(func.min(RunRow.started_at))).one()
        if first_run is not None and now - first_run > _LONGEST_UNTRIED:
            yield _warn_of_untried("yet")


def _check_last(drills: DrillRecord) -> Findings:
    verdicts = [drill.id for drill in (drills.proven, drills.failed) if drill is not None]
    undone = drills.undone
    if undone is not None and undone.id > max(verdicts, default=0):
        yield warning(
            "T218",
            f"the drill on {undone.tried_at:%Y-%m-%d} could not be done: {undone.detail}",
            "Correct what it says, and run `tracker restore --drill` again. It says nothing about "
            "the backup: the result before it still counts.",
        )


def _check_proven(proven: RestoreDrill, now: datetime) -> Findings:
    if is_outdated(proven):
        yield warning(
            "T217",
            f"the newest backup, {proven.backup}, was {format_backup_age(proven)} old when it was "
            f"tried on {proven.tried_at:%Y-%m-%d}: what came later can't be restored",
            "See why no newer backup is made, make one, and run `tracker restore --drill` again.",
        )
    if now - proven.tried_at > _LONGEST_UNTRIED:
        yield _warn_of_untried(f"since {proven.tried_at:%Y-%m-%d}")
    elif not is_outdated(proven):
        tried_on = proven.tried_at.date()
        yield Fact(f"backups: {proven.backup} was restored and checked on {tried_on}")


def _warn_of_untried(since: str) -> Finding:
    return warning(
        "T216",
        f"no backup has been tried {since}: nobody knows whether one can be restored",
        "Run `tracker restore --drill FOLDER` every month, with the folder of the backups.",
    )
