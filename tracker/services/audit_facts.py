"""Reads what audits of renewals came to, as facts for judging them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from tracker.clock import local_day
from tracker.db.audits import AuditCase
from tracker.db.submissions import Submission
from tracker.rules.plan import RenewalPlan
from tracker.rules.stages import Stage
from tracker.rules.standing import AuditFinding

# The decided audits of renewals, by endorsement.
Audits = Mapping[int, Sequence[Any]]
# An appeal does not undo the decision until there is another one.
FAILED = (Stage.NOT_PASSED.value, Stage.APPEALED.value)
_CASES = (
    select(
        col(AuditCase.id),
        col(AuditCase.endorsement_id),
        col(AuditCase.state),
        col(AuditCase.decided_at),
        col(Submission.cycle_starts_on),
    )
    .join(Submission, col(Submission.id) == AuditCase.submission_id)
    .where(col(AuditCase.decided_at).is_not(None))
    .order_by(col(AuditCase.id))
)


def read_audits(session: Session, ids: Sequence[int] | None) -> Audits:
    """The decided audits of these endorsements (default: all), in the order of their draws."""
    found: defaultdict[int, list[Any]] = defaultdict(list)
    query = _CASES
    if ids is not None:
        query = query.where(col(AuditCase.endorsement_id).in_(ids))
    for case in session.connection().execute(query):
        found[case.endorsement_id].append(case)
    return found


def find_finding(plan: RenewalPlan, as_of: date, cases: Sequence[Any]) -> AuditFinding | None:
    """What the audits of a plan's cycle came to by a day (included); None without a decision."""
    zone, cycle = plan.rulebook.time_zone, plan.cycle
    decided = [
        case
        for case in cases
        if cycle is not None
        and case.cycle_starts_on == cycle.starts_on
        and local_day(case.decided_at, zone) <= as_of
    ]
    if not decided:
        return None
    return AuditFinding(any(case.state in FAILED for case in decided))
