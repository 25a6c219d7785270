"""Reminders about submission windows, fees, the end of leave, and the end of a limited term."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.jobs.harness import JobHarness, Mail
from tests.rules.case_data import IMAGINED
from tests.support.cast import ATTESTING, PAYING
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.model import Rulebook
from tracker.settings import Coordinator

DAY = timedelta(days=1)
FAY = f"{ATTESTING} IFS 2020-05-01"
WINDOW = {"submission_opens": "10-01", "submission_closes": "11-30"}
OPENS, CLOSES = date(2027, 10, 1), date(2027, 11, 30)
Start = Callable[..., JobHarness]


def morning(day: date) -> datetime:
    """Ten in the morning in Honolulu, when the notices job has work to do everywhere."""
    return datetime(day.year, day.month, day.day, 20, tzinfo=UTC)


def books(name: str, **keys: str) -> Rulebooks:
    """One imagined association, whose cycles have these keys too."""
    one = replace(IMAGINED, associations={name: IMAGINED.associations[name]})
    if not keys:
        return one
    data = IMAGINED.associations[name].model_dump(by_alias=True, exclude_unset=True)
    cycles = [{**scheme, **keys} for scheme in data["cycles"]]
    rulebook = Rulebook.model_validate({**data, "cycles": cycles})
    return with_rulebook(one, rulebook)


@pytest.fixture
def start(sqlite_url: str) -> Iterator[Start]:
    """Let Fay hold an endorsement, and the jobs run on the day before; nothing is logged."""
    started: list[JobHarness] = []

    def start(rulebooks: Rulebooks, held: str, eve: date, leave: str = "") -> JobHarness:
        jobs = JobHarness(sqlite_url, rulebooks=rulebooks, coordinators=())
        with jobs.storing(morning(eve)) as people:
            people.add("Fay", [held])
            if leave:
                people.leave(f"Fay: {leave}")
        jobs.run(morning(eve))
        started.append(jobs)
        return jobs

    yield start
    for jobs in started:
        jobs.engine.dispose()


def decided(jobs: JobHarness, kind: str) -> list[tuple[int, date, str]]:
    rows = jobs.decisions()
    return [(r["step"], r["due_on"], r["outcome"]) for r in rows if r["kind"] == kind]


def mail_on(jobs: JobHarness, day: date) -> Mail:
    before = len(jobs.mails())
    jobs.run(morning(day))
    [mail] = jobs.mails()[before:]
    return mail


def test_a_mail_says_when_the_window_opens(start: Start) -> None:
    jobs = start(books(ATTESTING, **WINDOW), FAY, OPENS - DAY)
    mail = mail_on(jobs, OPENS)
    assert mail.subject == "You can submit your renewal through November 30, 2027"
    assert "/2025-01-01/submit" in mail.text
    assert "year" not in mail.text.replace("/my-year/", "")
    jobs.run(morning(OPENS + DAY))
    assert [key for key in decided(jobs, "window opens") if key[1] == OPENS] == [(0, OPENS, "sent")]


def test_mails_count_down_to_the_windows_last_day(start: Start) -> None:
    jobs = start(books(ATTESTING, **WINDOW), FAY, CLOSES - 8 * DAY)
    mail = mail_on(jobs, CLOSES - 7 * DAY)
    assert mail.subject == "7 days left: submit your renewal by Nov 30"
    assert "It can't be submitted after November 30, 2027." in mail.text
    jobs.run(morning(CLOSES + DAY))
    sent = [key for key in decided(jobs, "window closes") if key[2] == "sent"]
    assert sent[-1] == (-7, CLOSES, "sent")


def test_a_reminder_before_the_window_has_no_form(start: Start) -> None:
    later = {"submission_opens": "12-01", "submission_closes": "01-15"}
    jobs = start(books(ATTESTING, **later), FAY, date(2027, 10, 31))
    mail = mail_on(jobs, date(2027, 11, 1))
    assert "not submitted yet, opens December 1, 2027" in mail.text
    assert "/submit" not in mail.text


def test_a_reminder_says_what_is_to_be_paid(start: Start) -> None:
    jobs = start(books(PAYING), f"{PAYING} IFS 2020-05-01", date(2026, 11, 30))
    mail = mail_on(jobs, date(2026, 12, 1))
    assert "not paid yet: $75.00 by December 31, 2026" in mail.text


def test_the_end_of_leave_is_announced(start: Start) -> None:
    leave = f"{ATTESTING} IFS 2026-01-01..2026-06-30"
    jobs = start(books(ATTESTING), FAY, date(2026, 5, 30), leave)
    mail = mail_on(jobs, date(2026, 5, 31))
    assert mail.subject == "30 days left: leave ends on June 30, 2026"
    jobs.run(morning(date(2026, 6, 22)))
    assert mail_on(jobs, date(2026, 6, 23)).subject == "7 days left: leave ends on June 30, 2026"
    jobs.run(morning(date(2026, 7, 1)))
    assert [step for step, _, _ in decided(jobs, "absence ends")] == [-30, -7]


def test_the_end_of_a_limited_term_is_announced(start: Start) -> None:
    ends_on = date(2027, 2, 28)
    jobs = start(books("ADDING"), "ADDING EIFS 2025-03-01", ends_on - 31 * DAY)
    mail = mail_on(jobs, ends_on - 30 * DAY)
    assert mail.subject == "30 days left: your EIFS endorsement ends Feb 28"
    assert "Infant Family Specialist or Infant Mental Health Specialist" in mail.text
    assert decided(jobs, "term ends") == [(-30, ends_on, "sent")]


def test_the_digest_speaks_of_windows_audits_and_fees(sqlite_url: str) -> None:
    kai = Coordinator(email="kai@example.org", name="Kai", association=ATTESTING)
    jobs = JobHarness(sqlite_url, rulebooks=books(ATTESTING, **WINDOW), coordinators=(kai,))
    monday = date(2027, 11, 8)
    with jobs.storing(morning(monday)) as people:
        people.add("Fay", [FAY])
    jobs.run(morning(monday))
    [digest] = jobs.mails("digest")
    assert "1 renewal not submitted, 0 submitted and not decided" in digest.text
    assert "November 30, 2027" in digest.text
    assert "the last day to submit a renewal" in digest.text
    jobs.engine.dispose()
