"""What decided audits of renewals are as facts: when they were decided, and what they found."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.auditing import store_audit, store_submission, store_submitted
from tests.support.cast import ATTESTING, BOOKS, CAROL, NOW
from tests.support.submitting import CYCLE
from tracker.db.audits import AuditCase
from tracker.rules.audit_sampling import FrameLine
from tracker.rules.plan import RenewalPlan
from tracker.rules.standing import AuditFinding
from tracker.services.audit_facts import find_finding, list_decision_days, read_audits

DAY = timedelta(days=1)
NEXT_CYCLE = date(2028, 1, 1)
# The evening of November 22 in Honolulu.
DECIDED_AT, DECIDED_ON = datetime(2026, 11, 23, 5, 0, tzinfo=UTC), date(2026, 11, 22)


@pytest.fixture(scope="module")
def plan() -> RenewalPlan:
    plan = BOOKS.plan(ATTESTING, "IFS", CYCLE, CYCLE)
    assert plan is not None
    return plan


def audit(
    session: Session,
    held: int,
    state: str,
    *,
    starts_on: date = CYCLE,
    decided_at: datetime | None = DECIDED_AT,
    **supported: int,
) -> AuditCase:
    """Store the audit of one more submission, and what it found supported."""
    line = FrameLine("IFS", held, starts_on)
    submission = store_submission(session, line, state="returned")
    case = session.get_one(AuditCase, store_audit(session, held, submission.id, state))
    case.decided_at = decided_at
    session.flush()
    for requirement, amount in supported.items():
        found = {"requirement": requirement, "supported": amount}
        decided = {"decided_at": NOW, "decided_by": CAROL}
        insert_row(session, "audit_hours", case_id=case.id, endorsement_id=held, **found, **decided)
    return case


def test_decided_audits_are_read_by_endorsement(session: Session) -> None:
    anns, bens = (store_submitted(session, name).endorsement_id for name in ("Ann", "Ben"))
    assert read_audits(session, None) == {}
    ben = audit(session, bens, "passed", rsc=30)
    first = audit(session, anns, "not passed", training=60, rsc=0)
    audit(session, anns, "asked", decided_at=None, training=10)
    second = audit(session, anns, "passed", starts_on=NEXT_CYCLE)

    def read(ids: list[int] | None) -> dict[int, list[tuple[int, date, str, dict[str, int]]]]:
        return {
            held: [(case.id, case.cycle_starts_on, case.state, dict(s)) for case, s in audits]
            for held, audits in read_audits(session, ids).items()
        }

    of_ann = [
        (first.id, CYCLE, "not passed", {"training": 60, "rsc": 0}),
        (second.id, NEXT_CYCLE, "passed", {}),
    ]
    of_ben = [(ben.id, CYCLE, "passed", {"rsc": 30})]
    assert read([anns]) == {anns: of_ann}
    assert read([bens]) == {bens: of_ben}
    assert read([]) == {}
    assert read(None) == {anns: of_ann, bens: of_ben}


def test_a_finding_stands_from_its_local_day_on(session: Session, plan: RenewalPlan) -> None:
    held = store_submitted(session, "Ann").endorsement_id
    audit(session, held, "passed", training=60)
    audit(session, held, "passed", starts_on=NEXT_CYCLE, decided_at=DECIDED_AT + DAY)
    audits = read_audits(session, [held])[held]
    assert list(list_decision_days(plan, audits)) == [DECIDED_ON]
    assert find_finding(plan, DECIDED_ON - DAY, audits) is None
    for day in (DECIDED_ON, DECIDED_ON + 2 * DAY):
        assert find_finding(plan, day, audits) == AuditFinding(
            has_failed=False, supported={"training": 60}
        )
    without_cycle = replace(plan, cycle=None)
    assert find_finding(without_cycle, DECIDED_ON, audits) is None


@pytest.mark.parametrize(
    ("first", "second", "has_failed"),
    [
        ("passed", "passed", False),
        ("not passed", "passed", True),
        ("passed", "appealed", True),
    ],
)
def test_one_failed_audit_is_enough_and_the_last_counts(
    session: Session, plan: RenewalPlan, first: str, second: str, *, has_failed: bool
) -> None:
    held = store_submitted(session, "Ann").endorsement_id
    audit(session, held, first, training=60)
    audit(session, held, second, training=90, decided_at=DECIDED_AT + DAY)
    audits = read_audits(session, [held])[held]
    found = find_finding(plan, DECIDED_ON + DAY, audits)
    assert found == AuditFinding(has_failed=has_failed, supported={"training": 90})
    earlier = find_finding(plan, DECIDED_ON, audits)
    assert earlier == AuditFinding(has_failed=first == "not passed", supported={"training": 60})
    assert list(list_decision_days(plan, audits)) == [DECIDED_ON, DECIDED_ON + DAY]
