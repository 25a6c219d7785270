"""Renewals that are submitted: reminders lead to the form, and overnight decisions are mailed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.jobs.harness import JobHarness
from tests.support.cast import ATTESTING, BOOKS, PAYING
from tracker.db.engine import writing
from tracker.services.context import Actor, ServiceContext
from tracker.services.submissions import SubmissionInput, submit_renewal
from tracker.settings import Coordinator

ONE = replace(BOOKS, associations={ATTESTING: BOOKS.associations[ATTESTING]})
KAI = Coordinator(email="kai@example.org", name="Kai", association=ATTESTING)
CYCLE = date(2025, 1, 1)
# Ten in the morning in Honolulu, 30 days before the due date.
BEFORE = datetime(2027, 12, 1, 20, 0, tzinfo=UTC)


@pytest.fixture
def jobs(sqlite_url: str) -> Iterator[JobHarness]:
    """Fay has logged nothing, and is a member."""
    jobs = JobHarness(sqlite_url, rulebooks=ONE, coordinators=(KAI,))
    with jobs.storing(BEFORE) as people:
        people.add("Fay", [f"{ATTESTING} IFS 2020-05-01"])
        people.join(f"Fay: {ATTESTING} 2024-01-01..2027-12-31")
    yield jobs
    jobs.engine.dispose()


def submit(jobs: JobHarness, now: datetime, *, signed: frozenset[str]) -> None:
    with writing(jobs.engine) as session:
        context = ServiceContext(session, ONE, Actor("fay@example.org", jobs.ids["Fay"]), now)
        held = jobs.endorsements[f"Fay: {ATTESTING} IFS"]
        renewal = SubmissionInput(held, CYCLE, "Fay", signed, "a" * 32)
        submit_renewal(context, renewal)


def test_a_reminder_leads_to_the_form(jobs: JobHarness) -> None:
    jobs.run(BEFORE)
    [mail] = jobs.mails()
    held = jobs.endorsements[f"Fay: {ATTESTING} IFS"]
    assert f"https://hours.example.org/my-year/{held}/2025-01-01/submit" in mail.text
    assert "0 of 45 hours logged" in mail.text
    # The button comes after the other links.
    assert mail.text.index("Log hours:") < mail.text.index("Submit my renewal:")
    assert mail.subject == "30 days left: signature and submission due Dec 31"
    assert "Log your hours" not in mail.text
    assert "not submitted yet" in mail.text


def test_reminders_stop_once_a_renewal_is_accepted(jobs: JobHarness) -> None:
    jobs.change("membership", ends_on=date(2031, 1, 1))
    submit(jobs, BEFORE, signed=frozenset({"ethics", "hours"}))
    jobs.run(BEFORE)
    assert jobs.mails() == []


def test_what_is_accepted_overnight_is_mailed_once(jobs: JobHarness) -> None:
    jobs.change("membership", ends_on=date(2027, 11, 30))
    submit(jobs, BEFORE, signed=frozenset({"ethics", "hours"}))
    jobs.change("membership", ends_on=date(2027, 12, 31))
    jobs.execute("UPDATE standing SET recheck_on = '2027-12-02'")
    jobs.run(BEFORE, BEFORE.replace(day=2), BEFORE.replace(day=3))
    [mail] = jobs.mails("request")
    assert mail.subject == "You are renewed through December 31, 2030"


def test_a_renewal_that_closes_without_a_submission_is_mailed_once(sqlite_url: str) -> None:
    attesting = BOOKS.associations[ATTESTING]
    logged = [each for each in attesting.requirements if each.id == "membership"]
    by_records = attesting.model_copy(update={"requirements": tuple(logged)})
    books = replace(BOOKS, associations={ATTESTING: by_records})
    jobs = JobHarness(sqlite_url, rulebooks=books, coordinators=(KAI,))
    with jobs.storing(BEFORE) as people:
        people.add("Fay", [f"{ATTESTING} IFS 2020-05-01"])
        people.join(f"Fay: {ATTESTING} 2024-01-01..2028-12-31")
    closed = datetime(2028, 2, 1, 20, 0, tzinfo=UTC)
    jobs.run(BEFORE, closed, closed.replace(day=2))
    jobs.execute("UPDATE person SET name = 'Fay Lani'")
    jobs.run(closed.replace(day=3))
    [mail] = jobs.mails("request")
    assert mail.subject == "You are renewed through December 31, 2030"
    assert "renewal for 2025 to 2027 is complete" in mail.text
    assert "Certificate number" in mail.text
    jobs.engine.dispose()


def test_the_digest_says_what_waits_for_a_decision(jobs: JobHarness) -> None:
    submit(jobs, BEFORE, signed=frozenset({"ethics"}))
    jobs.run(datetime(2027, 12, 6, 20, 0, tzinfo=UTC))
    [mail] = jobs.mails("digest")
    assert "submitted the renewal for 2025 to 2027: 45 training hours" in mail.text


def test_who_owes_only_a_fee_is_reminded(sqlite_url: str) -> None:
    books = replace(BOOKS, associations={PAYING: BOOKS.associations[PAYING]})
    lee = Coordinator(email="lee@example.org", name="Lee", association=PAYING)
    jobs = JobHarness(sqlite_url, rulebooks=books, coordinators=(lee,))
    now = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)
    with jobs.storing(now) as people:
        people.add("Ivy", [f"{PAYING} IFS 2020-05-01"])
        people.log("Ivy: training 10:00 2026-03-01")
    with writing(jobs.engine) as session:
        context = ServiceContext(session, books, Actor("ivy@example.org", jobs.ids["Ivy"]), now)
        held = jobs.endorsements[f"Ivy: {PAYING} IFS"]
        cycle = date(2026, 1, 1)
        submit_renewal(context, SubmissionInput(held, cycle, "Ivy", frozenset(), "a" * 32))
    jobs.run(now)
    [mail] = jobs.mails()
    assert "Renewal fee: not paid yet" in mail.text
    assert "https://hours.example.org/my-year" in mail.text
    jobs.engine.dispose()


def test_a_submitted_renewal_that_waits_gets_no_reminder(jobs: JobHarness) -> None:
    jobs.change("membership", ends_on=date(2031, 1, 1))
    submit(jobs, BEFORE, signed=frozenset({"ethics"}))
    jobs.run(BEFORE, BEFORE.replace(day=28))
    assert jobs.mails() == []
    reasons = {row["reason"] for row in jobs.decisions(kind="renewal")}
    assert "the renewal is submitted, and waits for the association" in reasons


def test_a_submitted_renewal_does_not_lapse_while_it_waits(jobs: JobHarness) -> None:
    jobs.change("membership", ends_on=date(2031, 1, 1))
    submit(jobs, BEFORE, signed=frozenset({"ethics"}))
    after_grace = datetime(2028, 2, 3, 20, 0, tzinfo=UTC)
    jobs.run(BEFORE, after_grace)
    assert jobs.mails() == []
    with jobs.engine.connect() as connection:
        query = "SELECT status FROM standing WHERE cycle_starts_on = '2025-01-01'"
        assert connection.exec_driver_sql(query).scalars().all() == ["overdue"]
