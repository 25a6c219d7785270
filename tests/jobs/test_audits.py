"""Reminders of the documents that audits ask for: a week before, once for each due date."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.jobs.harness import JobHarness
from tests.support.cast import ATTESTING, BOOKS
from tracker.db.engine import writing
from tracker.rules.audit_sampling import Quota
from tracker.services.audit_decisions import (
    ask_for_documents,
    decide_audit,
    extend_audit,
    record_verdicts,
)
from tracker.services.audit_draws import DrawInput, draw_renewals, freeze_frame
from tracker.services.audits import list_waiting
from tracker.services.context import Actor, ServiceContext
from tracker.services.submissions import SubmissionInput, submit_renewal
from tracker.settings import Coordinator

ONE = replace(BOOKS, associations={ATTESTING: BOOKS.associations[ATTESTING]})
KAI = Coordinator(email="kai@example.org", name="Kai", association=ATTESTING)
ENDS, DUE = date(2027, 12, 31), date(2027, 12, 20)
# Ten in the morning in Honolulu, eight days before the due date.
BEFORE = datetime(2027, 12, 12, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)
REMINDER = "Reminder: documents for your renewal are due"


@pytest.fixture
def jobs(sqlite_url: str) -> Iterator[JobHarness]:
    """Fay has attested to everything, and documents were asked for."""
    jobs = JobHarness(sqlite_url, rulebooks=ONE, coordinators=(KAI,))
    with jobs.storing(BEFORE) as people:
        people.add("Fay", [f"{ATTESTING} IFS 2020-05-01"])
        people.join(f"Fay: {ATTESTING} 2024-01-01..2031-12-31")
    with writing(jobs.engine) as session:
        fay = Actor("fay@example.org", jobs.ids["Fay"])
        held = jobs.endorsements[f"Fay: {ATTESTING} IFS"]
        signed = frozenset({"ethics", "hours"})
        renewal = SubmissionInput(held, date(2025, 1, 1), "Fay", signed, "a" * 32)
        submit_renewal(ServiceContext(session, ONE, fay, BEFORE - DAY), renewal)
        kai = as_kai(session, BEFORE - DAY)
        fixed = freeze_frame(kai, DrawInput(ATTESTING, ENDS, ENDS, Quota.NUMBER, 1, "6 3"))
        draw_renewals(kai, fixed.id)
        ask_for_documents(kai, fixed.id, DUE)
    yield jobs
    jobs.engine.dispose()


def as_kai(session: object, now: datetime) -> ServiceContext:
    actor = Actor("kai@example.org", None, (ATTESTING,))
    return ServiceContext(session, ONE, actor, now)  # type: ignore[arg-type]


def reminders(jobs: JobHarness) -> list[str]:
    return [mail.subject for mail in jobs.mails("request") if mail.subject.startswith(REMINDER)]


def test_hours_that_an_audit_refuted_are_reminded_of_as_short(jobs: JobHarness) -> None:
    with writing(jobs.engine) as session:
        [case] = list_waiting(session, ATTESTING, DUE + DAY)
        kai = as_kai(session, BEFORE + 9 * DAY)
        record_verdicts(kai, case.case.id, {}, {"training": 0, "rsc": 36 * 60})
        decide_audit(kai, case.case.id, passed=False, reason="Nothing came")
    jobs.run(BEFORE + 12 * DAY)
    [mail] = jobs.mails()
    assert mail.subject == "7 days left: 45 training hours and more due Dec 31"
    assert "0 of 45 hours, 45 short" in mail.text
    assert "log or attest" not in mail.text
    assert "Log your hours." in mail.text


def test_a_reminder_leaves_a_week_before_and_once(jobs: JobHarness) -> None:
    jobs.run(BEFORE)
    assert reminders(jobs) == []
    jobs.run(BEFORE + DAY)
    assert reminders(jobs) == [f"{REMINDER} December 20, 2027"]
    jobs.run(BEFORE + 2 * DAY)
    assert len(reminders(jobs)) == 1


def test_a_later_due_date_has_its_own_reminder(jobs: JobHarness) -> None:
    jobs.run(BEFORE + DAY)
    with writing(jobs.engine) as session:
        extend_audit(as_kai(session, BEFORE + DAY), 1, DUE + 2 * DAY, "A flood")
    jobs.run(BEFORE + 3 * DAY)
    assert reminders(jobs)[-1] == f"{REMINDER} December 22, 2027"


def test_nobody_is_reminded_after_the_due_date(jobs: JobHarness) -> None:
    jobs.run(BEFORE + 9 * DAY)
    assert reminders(jobs) == []
