"""Removes lapsed endorsements by itself where the rulebook has it so, and mails the endorsees."""

from datetime import datetime

from sqlmodel import Session

from tracker.jobs.isolation import isolate, savepoint
from tracker.notifications.context import JobContext
from tracker.notifications.removal_mail import notify_removed
from tracker.services.context import Actor, ServiceContext, lock_person
from tracker.services.lapse_removals import find_lapsed, list_removed_by_itself, remove_lapsed
from tracker.services.run_ledger import Failure, JobResult

_ACTOR = Actor("evaluate")


def run_removals(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """Remove what is due. It belongs after the evaluation, which says what has lapsed."""
    service = ServiceContext(session, context.rulebooks, _ACTOR, now)
    failures: list[Failure] = []
    removed = 0
    for lapsed in list_removed_by_itself(service, association):
        endorsement_id = lapsed.endorsement.id
        with isolate(failures, f"endorsement {endorsement_id}", savepoint(session)):
            lock_person(session, lapsed.person.id)
            if find_lapsed(service, endorsement_id).waits:
                # The person has just asked for something, which is decided first.
                continue
            notify_removed(context, session, remove_lapsed(service, endorsement_id), now)
            removed += 1
    return JobResult({"removed": removed} if removed else {}, failures)
