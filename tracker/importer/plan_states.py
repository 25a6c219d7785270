"""How far stored imports have come, and which of them are forgotten."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from tracker.db.imports import ImportPlanRecord, ImportPlanRow, ImportProgress
from tracker.db.statements import upsert

MAPPING, PLANNING, PLANNED, APPLYING = "mapping", "planning", "planned", "applying"
APPLIED, UNDOING, UNDONE, DISCARDED = "applied", "undoing", "undone", "discarded"
# What a process does in the background, and another one continues if it ends.
WORKING = (PLANNING, APPLYING, UNDOING)
# What was never applied is forgotten after the first time, and everything after the second one.
_KEPT_UNAPPLIED, KEPT_APPLIED = timedelta(days=7), timedelta(days=90)


def list_working(session: Session) -> list[int]:
    """The imports whose work has begun, or waits to begin."""
    query = select(ImportPlanRecord.id).where(col(ImportPlanRecord.state).in_(WORKING))
    return list(session.exec(query.order_by(col(ImportPlanRecord.id))))


def note_progress(session: Session, plan_id: int, done: int, total: int) -> None:
    """Store how far the work on an import has come, for pages that other processes answer."""
    row = {"plan_id": plan_id, "done": done, "total": total}
    upsert(session, ImportProgress, [row], key=["plan_id"], update=["done", "total"])


def forget_progress(session: Session, plan_id: int) -> None:
    """Forget how far it has come: the work on it has ended."""
    session.exec(delete(ImportProgress).where(col(ImportProgress.plan_id) == plan_id))


def read_percent(session: Session, plan_id: int) -> int | None:
    """How much of the work on an import is done; None if it is not known."""
    stored = session.get(ImportProgress, plan_id)
    return min(99, 100 * stored.done // stored.total) if stored and stored.total else None


def forget_old_imports(session: Session, now: datetime) -> int:
    """Delete imports that were not applied for a week, and all of them after three months.

    Return how many.
    """
    deleted = 0
    unapplied = col(ImportPlanRecord.state).in_((MAPPING, PLANNED, DISCARDED))
    for is_old in (
        unapplied & (col(ImportPlanRecord.changed_at) < now - _KEPT_UNAPPLIED),
        col(ImportPlanRecord.changed_at) < now - KEPT_APPLIED,
    ):
        # Locked, so that none of them is taken up again meanwhile without its rows.
        old = session.exec(select(ImportPlanRecord.id).where(is_old).with_for_update()).all()
        session.exec(delete(ImportPlanRow).where(col(ImportPlanRow.plan_id).in_(old)))
        is_gone = col(ImportPlanRecord.id).in_(old)
        deleted += session.exec(delete(ImportPlanRecord).where(is_gone)).rowcount
    return deleted
