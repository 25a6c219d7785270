"""Reminders and the digest, where a rulebook asks when and how sessions were held."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.jobs.harness import JobHarness
from tests.rules.case_data import IMAGINED
from tracker.settings import Coordinator

# A morning 30 days before December 31, 2027, and a Monday in the grace period after it.
REMINDER = datetime(2027, 12, 1, 15, 0, tzinfo=UTC)
MONDAY = datetime(2028, 1, 10, 16, 0, tzinfo=UTC)
FORMATS = replace(IMAGINED, associations={"FORMATS": IMAGINED.associations["FORMATS"]})
MONTHS = [f"{year}-{month:02}" for year in (2025, 2026) for month in range(1, 9)]


@pytest.fixture
def jobs(sqlite_url: str) -> Iterator[JobHarness]:
    """Alice has all hours, but too few of them last year, and too few months."""
    dana = Coordinator(email="dana@example.org", name="Dana", association="FORMATS")
    jobs = JobHarness(sqlite_url, rulebooks=FORMATS, coordinators=(dana,))
    with jobs.storing(REMINDER) as people:
        people.add("Frances", ["FORMATS IFRS 2010-01-01"])
        people.add("Alice", ["FORMATS IFS 2025-01-01"])
        for day in (1, 2, 3):
            people.log(f"Alice: training 15h 2025-02-0{day}")
        for month in MONTHS:
            people.log(f"Alice: rsc 2h individual {month}-15 with Frances")
        people.log("Alice: rsc 6h individual 2027-01-15 with Frances")
    yield jobs
    jobs.engine.dispose()


def test_a_reminder_names_the_year_and_the_months(jobs: JobHarness) -> None:
    jobs.run(REMINDER)
    (mail,) = [mail for mail in jobs.mails() if mail.recipient == "alice@example.org"]
    assert mail.subject == ("30 days left: 3 RSC hours in the third year and more due Dec 31")
    assert "Yearly reflective supervision, third year (RSC): 6 of 9 hours, 3 short" in mail.text
    assert "Months of reflective supervision (RSC): 17 of 18 months, 1 short" in mail.text
    assert "Done: training, RSC, RSC in the first year, and RSC in the second year." in mail.text


def test_the_digest_says_what_is_missing(jobs: JobHarness) -> None:
    jobs.run(MONDAY)
    (mail,) = jobs.mails("digest")
    text = " ".join(mail.text.split())
    assert "3 RSC hours in the third year and RSC in 1 more month missing." in text
