"""The evaluation job: what passing time may have moved, in batches that commit one by one.

What is done of a night stays if the process dies: to judge somebody again comes to the same, and
people who were judged today are not due again today. Pages write between two batches.
"""

from datetime import date, datetime

from tracker.db.engine import lock_names
from tracker.jobs.purge import purge
from tracker.notifications.context import JobContext
from tracker.services import run_ledger
from tracker.services.evaluation import evaluate_batch, prepare_evaluation
from tracker.services.run_ledger import RunKey


def run_evaluation(
    context: JobContext, association: str, now: datetime, since: date | None, key: RunKey | None
) -> int | None:
    """Judge what is due in ``association``, and forget what is kept long enough; returns how many.

    ``since`` is the local date of the last evaluation, None if there was none. Returns None if
    another process has done the run ``key`` meanwhile (None: it is done in any case).
    """
    rulebooks = context.rulebooks
    with context.transaction() as session:
        purge(session, now)
    with context.transaction() as session:
        if key is not None and run_ledger.has_run(session, key):
            return None
        due = prepare_evaluation(session, rulebooks, association, now, since=since)
    judged = 0
    for endorsement_ids in due.batches:
        with context.transaction() as session:
            # Two processes at once take turns.
            lock_names(session, [f"evaluate {association}"])
            if key is not None and run_ledger.has_run(session, key):
                return None
            judged += evaluate_batch(session, rulebooks, due, endorsement_ids, now, since=since)
    return judged
