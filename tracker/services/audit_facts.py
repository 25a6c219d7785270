"""Reads what audits of renewals came to, as facts for judging them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from tracker.clock import local_day
from tracker.db.audits import AuditCase, AuditHours
from tracker.db.submissions import Submission
from tracker.rules.plan import RenewalPlan
from tracker.rules.stages import Stage
from tracker.rules.standing import AuditFinding

# The decided audits of renewals with what each found supported, by endorsement.
Audits = Mapping[int, Sequence[tuple[Any, Mapping[str, int]]]]
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


_HOURS = select(
    col(AuditHours.case_id),
    col(AuditHours.endorsement_id),
    col(AuditHours.requirement),
    col(AuditHours.supported),
)


def read_audits(session: Session, ids: Sequence[int] | None) -> Audits:
    """The decided audits of these endorsements (default: all), in the order of their draws."""
    found: defaultdict[int, list[tuple[Any, Mapping[str, int]]]] = defaultdict(list)
    cases, hours = _CASES, _HOURS
    if ids is not None:
        cases = cases.where(col(AuditCase.endorsement_id).in_(ids))
        hours = hours.where(col(AuditHours.endorsement_id).in_(ids))
    connection = session.connection()
    decided = connection.execute(cases).all()
    supported: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(hours).all() if decided else ():
        supported[row.case_id][row.requirement] = row.supported
    for case in decided:
        found[case.endorsement_id].append((case, supported[case.id]))
    return found


def list_decision_days(
    plan: RenewalPlan, audits: Sequence[tuple[Any, Mapping[str, int]]]
) -> Iterator[date]:
    """The days on which audits of a plan's cycle were decided."""
    for case, _ in _list_of_cycle(plan, audits):
        yield local_day(case.decided_at, plan.rulebook.time_zone)


def _list_of_cycle(
    plan: RenewalPlan, audits: Sequence[tuple[Any, Mapping[str, int]]]
) -> list[tuple[Any, Mapping[str, int]]]:
    starts_on = plan.cycle.starts_on if plan.cycle else None
    return [each for each in audits if each[0].cycle_starts_on == starts_on]


def find_finding(
    plan: RenewalPlan, as_of: date, audits: Sequence[tuple[Any, Mapping[str, int]]]
) -> AuditFinding | None:
    """What the audits of a plan's cycle came to by a day (included); None without a decision.

    Of several, the last one says what documents support.
    """
    zone = plan.rulebook.time_zone
    decided = [
        (case, supported)
        for case, supported in _list_of_cycle(plan, audits)
        if local_day(case.decided_at, zone) <= as_of
    ]
    if not decided:
        return None
    return AuditFinding(any(case.state in FAILED for case, _ in decided), decided[-1][1])
