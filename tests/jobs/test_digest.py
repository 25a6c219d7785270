"""The weekly digest: what a coordinator reads, and that it comes once."""

from datetime import date, timedelta

import pytest

from tests.jobs.harness import ALICE, BOB, DANA, MEMBER, TRAINED, TWO, JobHarness, Mail, at
from tracker.db.engine import reading, writing
from tracker.notifications.digest_mail import write_digest
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import DigestSize
from tracker.services.notification_preferences import (
    Subscription,
    read_unsubscribe_token,
    unsubscribe,
)
from tracker.services.week import count_week
from tracker.settings import Coordinator, Schedule

DAY = timedelta(days=1)
AUTUMN = at("2024-09-15")
MONDAY = at("2024-12-02")
SUNDAY = at("2024-12-01")


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def digest_of(jobs: JobHarness, recipient: str = "dana@nc.example") -> Mail:
    return [mail for mail in jobs.mails("digest") if mail.recipient == recipient][-1]


def lines(mail: Mail) -> list[str]:
    return [line.strip() for line in mail.text.splitlines() if line.strip()]


def test_a_quiet_week_prints_zeros_and_says_that_nothing_is_to_do(jobs: JobHarness) -> None:
    jobs.run(SUNDAY, MONDAY)
    digest = digest_of(jobs)
    assert digest.subject == "NCIMHA: nothing needs your attention, 0 of 0 renewals complete"
    assert lines(digest)[:7] == [
        "NCIMHA renewals, Monday, November 25, to Sunday, December 1, 2024",
        "Nothing needs your attention. 0 of 0 renewals complete.",
        "Last nightly run: today, healthy. 0 reminders went out this week, 0 bounced.",
        "0 complete, same as last week",
        "0 open, on pace",
        "0 behind",
        "0 need your attention",
    ]
    assert "Nothing needs your attention." in digest.html
    assert "Nothing on the calendar" in digest.text


def test_the_first_digest_compares_with_nothing(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.run(MONDAY)
    text = digest_of(sqlite_jobs).text
    assert "last week" not in text.lower().replace("since last week", "")
    assert "TREND" not in text


def test_each_coordinator_gets_one_a_week(jobs: JobHarness) -> None:
    week = [MONDAY + number * timedelta(hours=5) for number in range(5 * 7)]  # to the Monday after
    jobs.run(*week)
    assert [mail.dedupe_key for mail in jobs.mails("digest")] == [
        "digest:NCIMHA:dana@nc.example:2024-12-02",
        "digest:CT-AIMH:carla@ct.example:2024-12-02",
        "digest:NCIMHA:dana@nc.example:2024-12-09",
        "digest:CT-AIMH:carla@ct.example:2024-12-09",
    ]


def test_two_coordinators_of_an_association_both_get_it(sqlite_url: str) -> None:
    erin = Coordinator(email="erin@nc.example", name="Erin", association="NCIMHA")
    jobs = JobHarness(sqlite_url, coordinators=(DANA, erin))
    jobs.run(MONDAY)
    jobs.engine.dispose()
    assert [mail.recipient for mail in jobs.mails("digest")] == [
        "dana@nc.example",
        "erin@nc.example",
    ]


def test_a_digest_comes_on_the_weekday_of_the_configuration(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, schedule=Schedule(digest_on="thursday"))
    jobs.run(at("2024-12-04"), at("2024-12-05"))
    jobs.engine.dispose()
    assert jobs.runs("digest", "NCIMHA") == [date(2024, 11, 28), date(2024, 12, 5)]
    assert "Thursday, November 28, to Wednesday, December 4, 2024" in digest_of(jobs).text


def test_a_coordinator_sees_nothing_of_another_association(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.add("Connie", ["CT-AIMH IFS 2020-01-01"])
        people.log("Connie: rsc 2h 2024-11-20 with Newcomer")
    jobs.run(AUTUMN, SUNDAY, MONDAY)
    nc, ct = digest_of(jobs), digest_of(jobs, "carla@ct.example")
    assert "Alice" in nc.text
    assert "Alice" not in ct.text
    assert "Connie" in ct.text
    assert "Connie" not in nc.text
    assert "Newcomer" not in nc.text


def test_whoever_unsubscribed_gets_none(jobs: JobHarness) -> None:
    with writing(jobs.engine) as session:
        unsubscribe(session, Subscription("dana@nc.example", "digest", "NCIMHA"), AUTUMN)
    jobs.run(MONDAY)
    assert [mail.recipient for mail in jobs.mails("digest")] == ["carla@ct.example"]


def test_unsubscribing_from_another_association_changes_nothing(sqlite_jobs: JobHarness) -> None:
    with writing(sqlite_jobs.engine) as session:
        unsubscribe(session, Subscription("dana@nc.example", "digest", "CT-AIMH"), AUTUMN)
    sqlite_jobs.run(MONDAY)
    assert len(sqlite_jobs.mails("digest")) == 2


def test_a_digest_can_be_unsubscribed_from_with_one_click(jobs: JobHarness) -> None:
    jobs.run(MONDAY)
    message = digest_of(jobs).message
    url = message["List-Unsubscribe"].strip("<>")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url.startswith("https://hours.example.org/unsubscribe/")
    with writing(jobs.engine) as session:
        wish = read_unsubscribe_token(session, url.rpartition("/")[2])
    assert wish == ("dana@nc.example", "digest", "NCIMHA")


def test_a_reminder_cannot_be_unsubscribed_from(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, SUNDAY)
    assert sqlite_jobs.mails()[0].message["List-Unsubscribe"] is None


# --- what it says


def test_those_who_need_somebody_come_worst_first(sqlite_jobs: JobHarness) -> None:
    with sqlite_jobs.storing(at("2024-12-31")) as people:
        people.add("Bob", [BOB], provides_rsc=True)
        # Lapsed for 2023; behind; and with a provider nobody has confirmed.
        people.add("Lena", ["NCIMHA IFS 2020-01-01"])
        people.add("Otto", ["NCIMHA IFS 2024-01-01"])
        people.add("Nora", ["NCIMHA IFS 2024-02-01"])
        people.join("Nora: NCIMHA 2024-01-01..2026-12-31")
        people.log("Nora: rsc 2h 2025-01-02 with Newcomer")
    sqlite_jobs.run(at("2025-01-06"))
    needs = [line for line in lines(digest_of(sqlite_jobs)) if line.startswith("*")]
    assert needs[0] == "* Lena, IFS: reach out"
    assert "* Otto, IFS: reach out" in needs
    assert "* Newcomer: confirm provider" in needs


def test_the_list_is_capped_and_the_rest_counted(sqlite_jobs: JobHarness) -> None:
    notices = sqlite_jobs.context.notices.installation
    sqlite_jobs.configure(notices.model_copy(update={"digest": DigestSize(most_people=3)}))
    with sqlite_jobs.storing(AUTUMN) as people:
        for number in range(5):
            people.add(f"Otto{number}", ["NCIMHA IFS 2024-01-01"])
            people.hold(f"Otto{number}", "NCIMHA IFS 2020-01-01")
    sqlite_jobs.run(MONDAY)
    digest = digest_of(sqlite_jobs)
    needs = [line for line in lines(digest) if line.startswith("* Otto")]
    assert len(needs) == 3
    [more] = [line for line in lines(digest) if "more on the dashboard" in line]
    total = int(digest.subject.split(": ")[1].split()[0])
    assert more == f"and {total - 3} more on the dashboard"


def test_changes_and_trend_follow_the_weeks(jobs: JobHarness) -> None:
    with jobs.storing(at("2024-01-10")) as people:
        people.add("Bob", [BOB], provides_rsc=True)
        people.add("Alice", [ALICE])
        people.join(MEMBER)
        people.log(TRAINED)
        people.log("rsc 8.5h 2024-03-01 with Bob")
    jobs.run(*(at("2024-11-10") + number * DAY for number in range(16)))
    with jobs.storing(at("2024-11-27")) as people:
        people.log("rsc 3.5h 2024-11-26 with Bob")
    jobs.run(*(at("2024-11-27") + number * DAY for number in range(6)))
    digest = digest_of(jobs)
    assert "1 completed, 0 fell behind, 3.5 hours of sessions" in digest.text
    assert "complete, 1 more than last week" in digest.text
    trend = [line for line in lines(digest) if line.startswith("* ") and " complete, " in line]
    assert [line.split(":")[0] for line in trend] == [
        "* Nov 4",
        "* Nov 11",
        "* Nov 18",
        "* Nov 25",
        "* Dec 2",
    ]
    assert trend[-1].startswith("* Dec 2: 1 complete")


def test_cutoffs_ahead_name_the_day_and_count_whom_they_concern(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Vera", ["vetted NCIMHA 2015-01-01..2025-06-30"], provides_rsc=True)
        for name in ("Alice", "Carol"):
            people.add(name, [ALICE])
            people.log(f"{name}: rsc 1h 2024-06-01 with Vera")
    jobs.run(MONDAY)
    assert "* June 30, 2025: the last day on which 1 provider counts (2 endorsees)" in lines(
        digest_of(jobs)
    )


def test_an_endorsement_that_ends_before_it_is_due_is_coming_up(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", ["NCIMHA IFS 2020-01-01..2024-12-20"])
        people.add("Carol", ["NCIMHA IFS 2020-01-01..2024-11-20"])
    jobs.run(MONDAY)
    digest = digest_of(jobs)
    line = "* December 20, 2024: the last day of Alice's IFS endorsement (due December 31, 2024)"
    assert line in lines(digest)
    assert "the last day of Alice" in digest.html
    assert "last day of Carol" not in digest.text


def test_mail_that_came_back_is_listed_with_its_reason(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-11-01"))
    jobs.finish("failed", at("2024-11-27"), "550 5.1.1 no such mailbox", bounced=True)
    jobs.run(MONDAY)
    digest = digest_of(jobs)
    assert "0 reminders went out this week, 1 bounced." in digest.text
    assert "* Alice <alice@example.org>: 550 5.1.1 no such mailbox" in lines(digest)
    assert "COULD NOT BE SENT" not in digest.text


def test_an_outage_is_not_blamed_on_the_addresses(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-11-01"))
    error = "given up after 72 hours; last: the mail server does not answer"
    jobs.finish("failed", at("2024-11-27"), error, bounced=False)
    jobs.run(MONDAY)
    digest = digest_of(jobs)
    health = "0 bounced. 1 could not be sent: please tell your operator."
    assert health in digest.text
    said = lines(digest)
    assert said[said.index("BOUNCED EMAIL") + 1] == "None"
    assert f"* Alice <alice@example.org>: {error}" in said[said.index("BOUNCED EMAIL") + 2 :]
    assert "The addresses are not the reason." in digest.html
    assert "Alice" in digest.html


def test_mail_that_went_out_is_counted_in_its_week_only(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, at("2024-11-01"))
    sqlite_jobs.finish("sent", at("2024-11-27"))
    sqlite_jobs.run(MONDAY, at("2024-12-09"))
    first, second = (
        m
        for m in sqlite_jobs.mails("digest")
        if m.recipient == DANA.email and m.dedupe_key >= "digest:NCIMHA:dana@nc.example:2024-12-02"
    )
    assert "1 reminder went out this week, 0 bounced." in first.text
    assert "0 reminders went out this week, 0 bounced." in second.text


def test_someone_whose_address_was_refused_is_to_be_reached(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Nora", ["NCIMHA IFS 2024-02-01"])
        people.join("Nora: NCIMHA 2024-01-01..2026-12-31")
    jobs.execute("UPDATE person SET email_refused_at = :at", at="2024-11-20 12:00:00")
    jobs.run(MONDAY)
    assert "email to nora@example.org bounced; no second address" in digest_of(jobs).text
    jobs.execute("UPDATE person SET second_email = 'nora@home.example'")
    jobs.run(at("2024-12-09"))
    assert "bounced; it goes to nora@home.example now" in digest_of(jobs).text
    jobs.execute("UPDATE person SET email_refused_at = NULL")
    jobs.run(at("2024-12-16"))
    assert "Nothing needs your attention." in digest_of(jobs).text


def test_a_week_without_its_nightly_runs_is_not_called_healthy(jobs: JobHarness) -> None:
    jobs.run(at("2024-11-20"))
    # Down from Thursday to the next Wednesday: Monday's digest comes late, and says so.
    jobs.run(at("2024-12-04"))
    digest = digest_of(jobs)
    assert "Monday, November 25, to Sunday, December 1, 2024" in digest.text
    assert lines(digest)[2].startswith(
        "Last nightly run: today, after 9 nights without one: please tell your operator."
    )


def test_a_digest_without_any_nightly_run_since_says_when_the_last_was(jobs: JobHarness) -> None:
    jobs.run(at("2024-11-27"))
    with reading(jobs.engine) as session:
        week = count_week(
            session, jobs.rulebooks, "NCIMHA", date(2024, 12, 2), MONDAY, recent_months=12
        )
    digest = write_digest(week, "https://hours.example.org", "https://hours.example.org/u", 12)
    assert not digest.healthy
    assert digest.health.startswith(
        "Last nightly run: on November 27, 2024, and not since: please tell your operator."
    )


def test_a_digest_before_any_nightly_run_says_so(sqlite_jobs: JobHarness) -> None:
    with reading(sqlite_jobs.engine) as session:
        week = count_week(
            session, sqlite_jobs.rulebooks, "NCIMHA", date(2024, 12, 2), MONDAY, recent_months=12
        )
    digest = write_digest(week, "https://hours.example.org", "https://hours.example.org/u", 12)
    assert not digest.healthy
    assert digest.health.startswith("The nightly run has not run yet.")


@pytest.mark.parametrize("run_on", ["2024-12-01", "2024-12-02"])
def test_a_nightly_run_of_today_or_yesterday_is_healthy(
    sqlite_jobs: JobHarness, run_on: str
) -> None:
    sqlite_jobs.run(at(run_on), MONDAY)
    assert "healthy" in lines(digest_of(sqlite_jobs))[2]
