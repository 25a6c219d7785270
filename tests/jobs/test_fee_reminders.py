"""Reminders of renewals that lack only their fee."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.jobs.harness import JobHarness
from tests.support.cast import BOOKS, PAYING

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
