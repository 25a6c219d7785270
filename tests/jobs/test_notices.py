"""The notices job on both engines: from what people did to the mail that they get."""

from datetime import date, datetime, timedelta

import pytest

from tests.jobs.harness import ALICE, BOB, TRAINED, JobHarness, Step, at
from tests.rules.case_data import insert_row
from tracker.db.engine import reading, writing
from tracker.mail import outbox
from tracker.rules.notice_config import NoticeConfig, RenewalSteps

AUTUMN = at("2024-09-15")
DAY = timedelta(days=1)


def mornings_around(due_on: date, first: int = -90) -> list[datetime]:
    """The eve of each step of a renewal, its day, and the day after."""
    steps = [step for step in (-90, -60, -30, -14, -7, -1, 1, 14, 32) if step >= first]
    days = {due_on + (step + near) * DAY for step in steps for near in (-1, 0, 1)}
    return [at(str(day)) for day in sorted(days)]


@pytest.mark.parametrize(
    ("morning", "step"),
    [
        ("2024-10-02", "renewal -90 2024-12-31"),
        ("2024-11-01", "renewal -60 2024-12-31"),
        ("2024-12-01", "renewal -30 2024-12-31"),
        ("2024-12-17", "renewal -14 2024-12-31"),
        ("2024-12-24", "renewal -7 2024-12-31"),
        ("2024-12-30", "renewal -1 2024-12-31"),
        ("2025-01-01", "renewal 1 2024-12-31"),
        ("2025-01-14", "renewal 14 2024-12-31"),
        ("2025-02-01", "lapse 32 2024-12-31"),
    ],
)
def test_each_step_is_mailed_on_its_morning(jobs: JobHarness, morning: str, step: str) -> None:
    jobs.add_alice(AUTUMN)
    eve = at(morning) - DAY
    jobs.run(AUTUMN, eve)
    told = jobs.sent()
    assert step not in told
    jobs.run(at(morning))
    assert jobs.sent() == [*told, step]
    assert len(jobs.mails()) == len(told) + 1


def test_nothing_is_mailed_before_the_hour_of_the_day(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, at("2024-10-01"), at("2024-10-02 06:59"))
    assert sqlite_jobs.mails() == []
    sqlite_jobs.run(at("2024-10-02 07:00"))
    assert sqlite_jobs.sent() == ["renewal -90 2024-12-31"]


def test_a_year_of_mornings_sends_each_step_once(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, *mornings_around(date(2024, 12, 31)))
    assert sqlite_jobs.sent(category="IFS") == [
        *(f"renewal {step} 2024-12-31" for step in (-90, -60, -30, -14, -7, -1, 1, 14)),
        "lapse 32 2024-12-31",
    ]


def test_hours_logged_since_the_evaluation_keep_the_reminder_back(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-11-30"), at("2024-12-01 06:00"))
    # Written past everything that judges: the job looks at the entries themselves.
    with writing(jobs.engine) as session:
        insert_row(
            session,
            "entry",
            person_id=jobs.ids["Alice"],
            activity="rsc",
            held_on=date(2024, 11, 30),
            minutes=210,
            title="The rest",
            provider_id=jobs.ids["Bob"],
        )
    jobs.run(at("2024-12-01 07:00"))
    assert [what for what in jobs.sent() if "-30" in what] == []
    assert jobs.steps("skipped")[-1] == Step("renewal -30 2024-12-31", "every requirement is met")


def test_whoever_renewed_within_the_grace_period_is_not_told_of_a_lapse(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2025-01-31"))
    with jobs.storing(at("2025-01-31 23:30")) as people:
        people.log("rsc 3.5h 2024-12-31 with Bob")
    jobs.run(at("2025-02-01 06:00"), at("2025-02-01 07:00"), at("2025-02-02"))
    assert [what for what in jobs.sent() if what.startswith("lapse")] == []


def test_a_moved_due_date_sends_nothing_until_its_next_step(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2025-01-01"))
    told = jobs.sent()
    with jobs.storing(at("2025-01-01 10:00")) as people:
        people.extend("NCIMHA IFS 2024-01-01 2025-02-28")
    jobs.run(at("2025-01-02"), at("2025-01-03"), at("2025-01-14"), at("2025-01-28"))
    assert jobs.sent() == told
    jobs.run(at("2025-01-29"))
    assert jobs.sent() == [*told, "renewal -30 2025-02-28"]


def test_a_moved_due_date_takes_nothing_from_the_next_year(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, at("2025-01-01"))
    with sqlite_jobs.storing(at("2025-01-01 10:00")) as people:
        people.extend("NCIMHA IFS 2024-01-01 2025-02-28")
    sqlite_jobs.run(
        *mornings_around(date(2025, 2, 28), first=-57), *mornings_around(date(2025, 12, 31))
    )
    assert [what for what in sqlite_jobs.sent() if what.endswith("2025-12-31")] == [
        *(f"renewal {step} 2025-12-31" for step in (-90, -60, -30, -14, -7, -1, 1, 14)),
        "lapse 32 2025-12-31",
    ]


def test_an_extension_to_the_next_due_date_reminds_of_both_years(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(at("2024-12-20")) as people:
        # This year's hours are done: only the extended year is short.
        people.extend("NCIMHA IFS 2024-01-01 2025-12-31")
        people.log("training 15h DEIA 1h 2025-02-01")
        people.log("rsc 12h 2025-03-01 with Bob")
    jobs.run(at("2025-09-01"), at("2025-10-02"))
    assert jobs.sent() == ["renewal -90 2025-12-31"]
    assert "3.5 short" in jobs.mails()[0].text


def test_an_excused_renewal_is_skipped_with_its_reason(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    with sqlite_jobs.storing(AUTUMN) as people:
        people.leave("NCIMHA IFS 2024-12-01..2025-01-31")
    sqlite_jobs.run(AUTUMN, at("2024-12-01"))
    assert sqlite_jobs.sent() == []
    assert sqlite_jobs.steps()[-1] == Step("renewal -30 2024-12-31", "on leave on the due date")


def test_a_waiver_of_all_that_is_missing_ends_the_reminders(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    with sqlite_jobs.storing(AUTUMN) as people:
        people.waive("NCIMHA IFS 2024-01-01 rsc")
    sqlite_jobs.run(AUTUMN, at("2024-12-01"))
    assert sqlite_jobs.sent() == []


def test_a_category_without_rules_leaves_no_decision(sqlite_jobs: JobHarness) -> None:
    with sqlite_jobs.storing(AUTUMN) as people:
        people.add("Val", ["VAIMH IFS 2020-01-01"])
    sqlite_jobs.run(AUTUMN, at("2024-12-31"), at("2025-02-15"))
    assert sqlite_jobs.decisions() == []


def test_people_imported_after_a_step_get_the_latest_step_once(jobs: JobHarness) -> None:
    jobs.run(AUTUMN, at("2024-12-18"))
    jobs.add_alice(at("2024-12-18 12:00"))
    jobs.run(at("2024-12-19"), at("2024-12-20"))
    assert jobs.sent() == ["renewal -14 2024-12-31"]
    assert [step for step in jobs.steps("skipped") if step.what.endswith("2024-12-31")] == [
        Step(f"renewal {step} 2024-12-31", "a later step was due as well")
        for step in (-90, -60, -30)
    ]


def test_the_first_run_says_nothing_of_renewals_that_are_not_judged(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, judge_renewals_due_from={"NCIMHA": date(2025, 12, 31)})
    jobs.add_alice(at("2025-01-10"))
    jobs.run(at("2025-01-10"), at("2025-02-05"))
    jobs.engine.dispose()
    assert jobs.sent() == []
    assert {step.what for step in jobs.steps()} == set()


def test_a_reminder_says_that_earlier_hours_may_be_missing(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, judge_renewals_due_from={"NCIMHA": date(2024, 7, 1)})
    jobs.add_alice(at("2024-12-01"))
    jobs.run(at("2024-12-01"), at("2024-12-17"))
    jobs.engine.dispose()
    text = " ".join(jobs.mails()[-1].text.split())
    expected = "Hours held before July 1, 2024 may not be in this system yet: please log them"
    assert expected in text


def test_the_steps_are_those_of_the_configuration(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.configure(NoticeConfig(renewal=RenewalSteps(before=(10,), after=(3,))))
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, *(at("2024-12-20") + day * DAY for day in range(16)))
    assert sqlite_jobs.sent() == ["renewal -10 2024-12-31", "renewal 3 2024-12-31"]


# --- membership


def member_until(jobs: JobHarness, day: str) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Bob", [BOB], provides_rsc=True)
        people.add("Alice", [ALICE])
        people.join(f"NCIMHA 2024-01-01..{day}")
        people.log(TRAINED)
        people.log("rsc 12h 2024-03-01 with Bob")
    jobs.run(AUTUMN)


def test_a_membership_is_told_of_before_its_end_and_once_after_it(jobs: JobHarness) -> None:
    member_until(jobs, "2024-11-15")
    for eve in ("2024-10-15", "2024-11-07", "2024-11-15"):
        jobs.run(at(eve), at(eve) + DAY, at(eve) + 2 * DAY)
    assert [what for what in jobs.sent() if what.startswith("membership")] == [
        "membership -30 2024-11-15",
        "membership -7 2024-11-15",
        "membership 1 2024-11-15",
    ]


def test_a_membership_renewed_in_between_is_told_of_no_more(jobs: JobHarness) -> None:
    member_until(jobs, "2024-11-15")
    jobs.run(at("2024-10-16"))
    with jobs.storing(at("2024-10-20")) as people:
        people.join("NCIMHA 2024-11-16..2025-12-31")
    jobs.run(at("2024-11-08"), at("2024-11-15"), at("2024-11-16"), at("2024-11-17"))
    assert jobs.sent() == ["membership -30 2024-11-15"]


def test_a_membership_that_ends_with_the_year_is_told_of_as_lapsed_once(jobs: JobHarness) -> None:
    member_until(jobs, "2024-12-31")
    jobs.run(*(at("2024-12-20") + day * DAY for day in range(20)))
    assert jobs.sent() == [f"membership {step} 2024-12-31" for step in (-30, -7, 1)]


# --- the mail


def test_the_mail_of_a_decision_is_the_one_in_the_outbox(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    [decision] = [d for d in jobs.decisions() if d["outcome"] == "sent"]
    [mail] = jobs.mails()
    assert decision["message_id"] == mail.message_id == mail.message["Message-ID"]


def test_a_mail_says_what_is_missing_by_when_and_where_to_log_it(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, at("2024-12-01"))
    [mail] = sqlite_jobs.mails()
    assert mail.subject == "30 days left: 3.5 RSC hours due Dec 31"
    for part in (mail.text, mail.html):
        assert "You have one requirement left to meet by December 31, 2024." in part
        assert "8.5 of 12 hours" in part
        assert "3.5 short" in part
        assert "December 17" in part
    assert "https://hours.example.org/log?activity=rsc" in mail.text


def test_a_mail_comes_from_a_machine_and_is_answered_by_the_coordinator(
    sqlite_jobs: JobHarness,
) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, at("2024-12-01"))
    [mail] = sqlite_jobs.mails()
    assert mail.message["Reply-To"] == "dana@nc.example"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["To"] == "Alice <alice@example.org>"


def test_a_mail_without_coordinators_has_nobody_to_reply_to(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, coordinators=())
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    jobs.engine.dispose()
    assert jobs.mails()[0].message["Reply-To"] is None


def test_once_the_first_address_is_dead_the_second_is_written_to(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.execute(
        "UPDATE person SET second_email = 'alice@home.example', email_refused_at = :at "
        "WHERE name = 'Alice'",
        at="2024-09-20 00:00:00",
    )
    sqlite_jobs.run(AUTUMN, at("2024-12-01"))
    [mail] = sqlite_jobs.mails()
    assert mail.recipient == "alice@home.example"
    assert mail.message["To"] == "Alice <alice@home.example>"
    # Decided once, and one mail a day: a second run adds nothing.
    assert {d["message_id"] for d in sqlite_jobs.decisions(outcome="sent")} == {mail.message_id}
    sqlite_jobs.execute("DELETE FROM run_ledger WHERE job = 'notices'")
    sqlite_jobs.run(at("2024-12-01 10:00"))
    assert len(sqlite_jobs.mails()) == 1


def test_without_a_second_address_notices_are_decided_and_held(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.execute("UPDATE person SET email_refused_at = :at", at="2024-09-20 00:00:00")
    sqlite_jobs.run(AUTUMN, at("2024-12-01"))
    with reading(sqlite_jobs.engine) as session:
        [message] = [each for each in outbox.list_messages(session) if each.kind == "notices"]
    assert (message.recipient, message.held) == ("alice@example.org", True)


def test_more_people_than_a_batch_holds_are_all_told(sqlite_jobs: JobHarness) -> None:
    with sqlite_jobs.storing(AUTUMN) as people:
        for number in range(260):
            people.add(f"Alice{number}", [ALICE])
    sqlite_jobs.run(at("2024-12-01"))
    assert len({mail.recipient for mail in sqlite_jobs.mails()}) == 260
