"""The nightly evaluation of one association, in one transaction."""

from datetime import date, datetime

from sqlmodel import Session

from tracker.rulebooks import Rulebooks
from tracker.services.evaluation import evaluate_batch, prepare_evaluation


def evaluate_due(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    now: datetime,
    *,
    since: date | None = None,
) -> int:
    """Judge and store what is due, as the job does, and return how many endorsements that were."""
    due = prepare_evaluation(session, rulebooks, association, now, since=since)
    judged = 0
    for endorsement_ids in due.batches:
        judged += evaluate_batch(session, rulebooks, due, endorsement_ids, now, since=since)
    return judged
