"""Mails to referees: the first, and the reminders on their days, each once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from tests.jobs.harness import CARLA, DANA, JobHarness, Mail, at
from tests.support.referees import REF, REF_BOOKS, apply, decided
from tracker.db.engine import reading, writing
from tracker.jobs.references import find_due_step
from tracker.notifications.reference_mail import ask_referee
from tracker.rules.notice_config import NoticeConfig, ReferenceSteps
from tracker.services.context import Actor, ServiceContext
from tracker.services.reference_submission import (
    ReferenceAnswer,
    decline_reference,
    find_request,
    submit_reference,
)
from tracker.services.references import RefereeInput, name_referee
from tracker.settings import Coordinator

REFERENCE, REMINDER = "reference", "reference-reminder"
ASKED = at("2026-11-02 15:00")
DAY = timedelta(days=1)
# Two of the five: each association costs every run its share of time.
_TWO = replace(
    REF_BOOKS, associations={name: REF_BOOKS.associations[name] for name in ("NCIMHA", REF)}
)
CORA = Coordinator(email="cora@ref.example", name="Cora", association="REF")
RATED = {"work": "Good"}
GIVEN = ReferenceAnswer(True, "I lead their programme", None, None, False, "Pat Doe", RATED)  # noqa: FBT003


class ReferenceHarness(JobHarness):
    """Ann applies to REF, and asks."""

    def __init__(self, url: str) -> None:
        super().__init__(url, rulebooks=_TWO, coordinators=(DANA, CARLA, CORA))
        with self.storing(ASKED) as people:
            people.add("Ann")
        with writing(self.engine) as session:
            self.application = apply(session, self.ids["Ann"])

    def ask(self, email: str = "pat@example.org", instant: datetime = ASKED) -> None:
        actor = Actor("ann@example.org", self.ids["Ann"])
        referee = RefereeInput(email, email.partition("@")[0].capitalize(), "supervisor")
        with writing(self.engine) as session:
            context = ServiceContext(session, _TWO, actor, instant)
            number = name_referee(context, self.application, referee)
            assert number is not None
            ask_referee(self.context, session, number, instant)

    def token(self) -> str:
        return self.mails(REFERENCE)[0].text.partition("/reference/")[2].split()[0]

    def reminded_on(self) -> list[str]:
        return [str(mail.message["Date"].datetime.date()) for mail in self.mails(REMINDER)]


@pytest.fixture
def ref_jobs(database_url: str) -> Iterator[ReferenceHarness]:
    jobs = ReferenceHarness(database_url)
    yield jobs
    jobs.engine.dispose()


def mornings(first: datetime, number: int) -> list[datetime]:
    return [first.replace(hour=14) + n * DAY for n in range(number)]


def test_asking_writes_one_mail_with_the_link(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    [mail] = ref_jobs.mails(REFERENCE)
    assert mail.recipient == "pat@example.org"
    assert mail.association == "REF"
    assert mail.subject == "Ann is asking you for a reference"
    assert mail.message["Reply-To"] == "cora@ref.example"
    assert mail.message["Message-ID"] == mail.message_id
    for part in (mail.text, mail.html):
        assert "Infant Family Specialist (IFS)" in part
        assert "Current program supervisor" in part
        assert f"https://hours.example.org/reference/{ref_jobs.token()}" in part
    with reading(ref_jobs.engine) as session:
        assert find_request(session, _TWO, ref_jobs.token()) is not None


def test_reminders_come_on_their_days_and_then_no_more(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.run(*mornings(ASKED, 60))
    assert ref_jobs.reminded_on() == ["2026-11-09", "2026-11-23"]
    first, last = ref_jobs.mails(REMINDER)
    assert first.subject == "Reminder: a reference for Ann"
    assert last.subject == "Last reminder: a reference for Ann"
    assert "asked you for it on November 2, 2026" in first.text
    assert ref_jobs.token() in first.text
    assert ref_jobs.token() in last.html


def test_a_second_run_on_a_day_reminds_nobody_again(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.run(at("2026-11-09"), at("2026-11-09 18:00"), at("2026-11-10"))
    assert ref_jobs.reminded_on() == ["2026-11-09"]
    ref_jobs.execute("DELETE FROM run_ledger WHERE job = 'references'")
    ref_jobs.run(at("2026-11-10 10:00"))
    assert ref_jobs.reminded_on() == ["2026-11-09"]


def test_after_an_outage_only_the_latest_step_is_sent(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.run(at("2026-12-05"), at("2026-12-06"))
    assert ref_jobs.reminded_on() == ["2026-12-05"]
    assert ref_jobs.mails(REMINDER)[0].subject.startswith("Last reminder")


def test_who_has_answered_or_declined_is_not_reminded(ref_jobs: ReferenceHarness) -> None:
    for name in ("pat", "quinn", "rae"):
        ref_jobs.ask(f"{name}@example.org")
    with writing(ref_jobs.engine) as session:
        tokens = [m.text.partition("/reference/")[2].split()[0] for m in ref_jobs.mails(REFERENCE)]
        pat, quinn, _ = tokens
        assert submit_reference(
            ServiceContext(session, _TWO, Actor("pat@example.org"), ASKED), pat, GIVEN
        )
        assert decline_reference(
            ServiceContext(session, _TWO, Actor("quinn@example.org"), ASKED), quinn
        )
    ref_jobs.run(at("2026-11-09"))
    assert [mail.recipient for mail in ref_jobs.mails(REMINDER)] == ["rae@example.org"]


def test_nobody_is_reminded_once_the_application_is_decided(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.change("application", **decided(ASKED))
    ref_jobs.run(*mornings(ASKED, 30))
    assert ref_jobs.mails(REMINDER) == []


def test_who_was_never_asked_is_not_reminded(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.change("reference", asked_at=None)
    ref_jobs.run(*mornings(ASKED, 30))
    assert ref_jobs.mails(REMINDER) == []


def test_without_steps_nobody_is_reminded(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.configure(NoticeConfig())
    ref_jobs.ask()
    ref_jobs.run(*mornings(ASKED, 30))
    assert ref_jobs.mails(REMINDER) == []


def test_the_days_are_the_associations_own(ref_jobs: ReferenceHarness) -> None:
    # 23:30 on November 2 in New York is the 3rd in UTC.
    ref_jobs.ask(instant=at("2026-11-02 23:30"))
    ref_jobs.run(at("2026-11-08"), at("2026-11-09"))
    assert ref_jobs.reminded_on() == ["2026-11-09"]


def test_each_day_leaves_a_row_in_the_run_ledger(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ran = ref_jobs.run(at("2026-11-09"))
    [report] = [r.report for r in ran if (r.job, r.association) == ("references", "REF")]
    assert report == {"messages": 1}
    assert ref_jobs.runs("references", "REF") == [date(2026, 11, 9)]


def test_a_steps_change_in_the_settings_reminds_nobody_twice(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.run(at("2026-11-09"))
    steps = ReferenceSteps(remind_after_days=(3, 5, 7, 21))
    ref_jobs.configure(NoticeConfig(references=steps))
    ref_jobs.run(at("2026-11-10"))
    assert ref_jobs.reminded_on() == ["2026-11-09"]


def test_a_replacement_referee_gets_a_mail(
    ref_jobs: ReferenceHarness,
) -> None:
    ref_jobs.ask("pat@example.org")
    ref_jobs.execute("DELETE FROM reference")
    ref_jobs.ask("quinn@example.org")
    recipients = [mail.recipient for mail in ref_jobs.mails(REFERENCE)]
    assert recipients == ["pat@example.org", "quinn@example.org"]


@pytest.mark.parametrize("name", ["Ann", "A" * 36, "A" * 60])
def test_a_subject_fits_and_the_stages_differ(ref_jobs: ReferenceHarness, name: str) -> None:
    ref_jobs.change("person", name=name)
    ref_jobs.ask()
    ref_jobs.run(*mornings(ASKED, 30))
    mails: list[Mail] = [*ref_jobs.mails(REFERENCE), *ref_jobs.mails(REMINDER)]
    subjects = [mail.subject for mail in mails]
    assert len(set(subjects)) == 3
    assert max(map(len, subjects)) <= 65


def test_each_step_is_due_from_its_day_until_a_reminder_of_that_day_or_later() -> None:
    asked = date(2026, 11, 2)
    days = [asked + n * DAY for n in range(40)]
    due = [find_due_step((7, 21), asked, None, day) for day in days]
    assert due == [None] * 7 + [7] * 14 + [21] * 19
    for before, day in pairwise(days):
        assert find_due_step((7, 21), asked, day, day) is None
        expected = {7: 7, 21: 21}.get((day - asked).days)
        assert find_due_step((7, 21), asked, before, day) == expected
