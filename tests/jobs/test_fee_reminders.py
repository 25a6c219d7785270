"""Reminders of renewals that lack only their fee."""

from dataclasses import replace
from datetime import UTC, date, datetime

from tests.jobs.harness import JobHarness
from tests.support.cast import BOOKS, PAYING
from tracker.db.engine import writing
from tracker.services.context import Actor, ServiceContext
from tracker.services.submissions import SubmissionInput, submit_renewal

ONE = replace(BOOKS, associations={PAYING: BOOKS.associations[PAYING]})
# Ten in the morning in Chicago, 30 days before the due date.
BEFORE = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)


def test_a_reminder_of_a_fee_leads_to_my_year(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, rulebooks=ONE)
    with jobs.storing(BEFORE) as people:
        people.add("Ivy", [f"{PAYING} IFRS 2020-05-01"])
        people.log("Ivy: training 4h 2026-03-02")
    jobs.run(BEFORE)
    [mail] = jobs.mails()
    assert "Renewal fee: not paid yet" in mail.text
    assert "https://hours.example.org/my-year" in mail.text
    assert "Already paid? It counts once your coordinator has recorded it." in mail.text
    assert "Log your hours" not in mail.text
    jobs.engine.dispose()


def test_a_submitted_renewal_is_reminded_of_its_fee_alone(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, rulebooks=ONE)
    with jobs.storing(BEFORE) as people:
        people.add("Ivy", [f"{PAYING} IFS 2026-01-01"])
    with writing(jobs.engine) as session:
        context = ServiceContext(session, ONE, Actor("ivy@example.org", jobs.ids["Ivy"]), BEFORE)
        held = jobs.endorsements[f"Ivy: {PAYING} IFS"]
        new = SubmissionInput(held, date(2026, 1, 1), "Ivy", frozenset(), "a" * 32)
        submit_renewal(context, new)
    jobs.run(BEFORE)
    [mail] = jobs.mails()
    assert "Your renewal is submitted, with one requirement left to meet." in mail.text
    assert "not paid yet: $75.00 by December 31, 2026, $100.00 later" in mail.text
    assert "Renewal fee: Mail a check to the Association of Fees" in mail.text
    assert "Log" not in mail.text
    jobs.engine.dispose()
