"""Whether jobs and mail keep up, judged by the ledgers alone."""

from datetime import datetime, timedelta

import pytest

from tests.jobs.harness import TWO, JobHarness, at
from tracker.db.engine import reading, writing
from tracker.jobs.health import Health, read_health
from tracker.mail.outbox import Message, enqueue, list_messages
from tracker.rulebooks import Rulebooks
from tracker.services.maintenance import start_maintenance
from tracker.services.run_ledger import Failure, RunKey, record_failure
from tracker.settings import Schedule

AUTUMN = at("2024-09-15")
MORNING = at("2024-12-02")
# The next evaluation, and the moment at which it is late: ten ticks of a minute.
NIGHT, LATE = at("2024-12-03 02:00"), at("2024-12-03 02:10")
SECOND = timedelta(seconds=1)
# Sent by the site to somebody who waits for it.
CODE = Message(
    "code", "<1@example.org>", "sign-in", None, None, "al@example.org", "Code", b"", urgent=True
)


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def health(jobs: JobHarness, now: datetime) -> Health:
    with reading(jobs.engine) as session:
        return read_health(session, jobs.settings, jobs.rulebooks, now)


def run_and_send(jobs: JobHarness) -> None:
    jobs.run(MORNING)
    jobs.finish("sent", MORNING)


def kinds(jobs: JobHarness, now: datetime) -> list[tuple[str, str | None, str | None]]:
    found = health(jobs, now).problems
    return [(problem.kind, problem.job, problem.association) for problem in found]


def test_a_fresh_installation_is_healthy(jobs: JobHarness) -> None:
    assert health(jobs, MORNING).summary == "healthy"


def test_a_job_is_late_ten_ticks_after_its_hour(jobs: JobHarness) -> None:
    run_and_send(jobs)
    assert kinds(jobs, LATE - SECOND) == []
    late = health(jobs, LATE)
    assert [problem.job for problem in late.problems] == ["evaluate", "evaluate"]
    assert late.problems[0].since == NIGHT
    assert "NCIMHA: evaluate has not run, due since 2024-12-03 07:00 UTC" in late.summary


def test_longer_ticks_give_a_job_longer(sqlite_jobs: JobHarness) -> None:
    run_and_send(sqlite_jobs)
    slow = sqlite_jobs.settings.model_copy(update={"schedule": Schedule(tick_seconds=600)})
    sqlite_jobs.settings = slow
    assert kinds(sqlite_jobs, LATE) == []
    assert len(kinds(sqlite_jobs, NIGHT + timedelta(seconds=6000))) == 2


def test_a_missed_week_is_late_since_its_first_day(sqlite_jobs: JobHarness) -> None:
    run_and_send(sqlite_jobs)
    found = health(sqlite_jobs, at("2024-12-10")).problems
    assert {problem.job for problem in found} == {"evaluate", "notices", "references", "digest"}
    assert found[0].since == NIGHT


def test_while_jobs_run_the_others_have_their_turn(sqlite_jobs: JobHarness) -> None:
    run_and_send(sqlite_jobs)
    sqlite_jobs.execute(
        "UPDATE run_ledger SET finished_at = :at WHERE association = 'CT-AIMH'",
        at=(LATE - SECOND).replace(tzinfo=None),
    )
    assert kinds(sqlite_jobs, LATE) == []


def test_a_job_that_fails_is_late_and_says_so(jobs: JobHarness) -> None:
    run_and_send(jobs)
    with writing(jobs.engine) as session:
        key = RunKey("evaluate", "NCIMHA", LATE.date())
        record_failure(session, key, Failure("", "KeyError: alice@example.org"), LATE)
    late = health(jobs, LATE)
    assert "NCIMHA: evaluate failed, and is tried again" in late.summary
    assert "@" not in late.summary


def test_a_new_association_is_late_after_its_first_hour(sqlite_jobs: JobHarness) -> None:
    run_and_send(sqlite_jobs)
    sqlite_jobs.execute("DELETE FROM run_ledger WHERE association = 'NCIMHA'")
    sqlite_jobs.change("run_ledger", finished_at=MORNING)
    assert kinds(sqlite_jobs, at("2024-12-02 23:00")) == []
    assert ("job-late", "evaluate", "NCIMHA") in kinds(sqlite_jobs, LATE)


def test_mail_that_nobody_sends_is_stuck(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(MORNING)
    written = MORNING
    assert kinds(jobs, written + timedelta(minutes=10) - SECOND) == []
    stuck = health(jobs, written + timedelta(minutes=11))
    assert [problem.kind for problem in stuck.problems] == ["mail-stuck"]
    assert "3 messages waiting, nobody has tried to send since" in stuck.summary
    assert "@" not in stuck.summary
    jobs.change("outbox", state="sending", lease_until=written)
    assert kinds(jobs, written + timedelta(minutes=11)) == [("mail-stuck", None, None)]


def test_a_code_is_stuck_no_sooner_than_other_mail(sqlite_jobs: JobHarness) -> None:
    with writing(sqlite_jobs.engine) as session:
        enqueue(session, [CODE], MORNING)
        [listed] = list_messages(session)
        assert listed.next_attempt_at == MORNING
    assert kinds(sqlite_jobs, MORNING + timedelta(minutes=10) - SECOND) == []
    stuck = health(sqlite_jobs, MORNING + timedelta(minutes=11))
    assert [problem.since for problem in stuck.problems] == [MORNING]


def test_mail_that_the_server_never_takes_is_stuck(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(MORNING)
    now = MORNING + timedelta(minutes=11)
    sqlite_jobs.change("outbox", last_error="refused alice@example.org", next_attempt_at=now)
    assert "the mail server can't be used" in health(sqlite_jobs, now).summary
    assert "@" not in health(sqlite_jobs, now).summary


def test_mail_that_is_held_is_not_stuck(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(MORNING)
    jobs.execute("DELETE FROM outbox WHERE person_id IS NULL")
    jobs.change("person", email_refused_at=MORNING, email_refused_reason="550 5.1.1 unknown")
    now = MORNING + timedelta(minutes=11)
    assert kinds(jobs, now) == []
    jobs.change("outbox", last_error="refused")
    assert kinds(jobs, now) == []


def test_mail_that_came_back_shows_no_life(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(MORNING)
    now = MORNING + timedelta(minutes=11)
    assert kinds(sqlite_jobs, now) == [("mail-stuck", None, None)]
    returned = {"at": now.replace(tzinfo=None)}
    sqlite_jobs.execute(
        "UPDATE outbox SET state = 'failed', bounced = true, finished_at = :at"
        " WHERE id = (SELECT min(id) FROM outbox)",
        **returned,
    )
    assert kinds(sqlite_jobs, now) == [("mail-stuck", None, None)]
    sqlite_jobs.execute("UPDATE outbox SET state = 'sent' WHERE finished_at = :at", **returned)
    assert kinds(sqlite_jobs, now) == []


def test_mail_sent_by_a_wrong_clock_shows_no_life(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(MORNING)
    sqlite_jobs.execute(
        "UPDATE outbox SET state = 'sent', finished_at = :at"
        " WHERE id = (SELECT min(id) FROM outbox)",
        at=at("2026-12-02").replace(tzinfo=None),
    )
    assert kinds(sqlite_jobs, MORNING + timedelta(minutes=11)) == [("mail-stuck", None, None)]


def test_jobs_that_ran_far_ahead_are_reported(jobs: JobHarness) -> None:
    run_and_send(jobs)
    jobs.run(at("2026-01-05 15:00"))
    jobs.finish("sent", MORNING)
    ahead = health(jobs, MORNING)
    assert len(ahead.problems) == 4 * len(TWO.associations)
    assert {problem.kind for problem in ahead.problems} == {"job-ahead"}
    reason = "NCIMHA: evaluate is recorded for 2026-01-05, and does not run before"
    assert reason in ahead.summary


def test_a_jump_of_two_days_is_healthy(sqlite_jobs: JobHarness) -> None:
    run_and_send(sqlite_jobs)
    sqlite_jobs.run(MORNING + timedelta(days=2))
    sqlite_jobs.finish("sent", MORNING)
    assert kinds(sqlite_jobs, MORNING) == []


def test_a_run_that_ended_in_the_future_shows_no_life(sqlite_jobs: JobHarness) -> None:
    run_and_send(sqlite_jobs)
    sqlite_jobs.execute(
        "UPDATE run_ledger SET finished_at = :at WHERE association = 'CT-AIMH'",
        at=at("2026-12-02").replace(tzinfo=None),
    )
    assert kinds(sqlite_jobs, LATE)[0] == ("job-late", "evaluate", "NCIMHA")


@pytest.mark.parametrize(
    "put_off", [{"attempts": 3}, {"attempts": 0, "state": "sent", "finished_at": MORNING}]
)
def test_mail_that_is_put_off_or_sent_is_not_stuck(
    sqlite_jobs: JobHarness, put_off: dict[str, object]
) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(MORNING)
    now = MORNING + timedelta(minutes=11)
    sqlite_jobs.change("outbox", last_error="busy", next_attempt_at=now, **put_off)
    assert kinds(sqlite_jobs, now) == []


def test_maintenance_makes_nothing_late_before_its_end(jobs: JobHarness) -> None:
    run_and_send(jobs)
    ends_at = at("2024-12-03 06:00")
    with writing(jobs.engine) as session:
        start_maintenance(session, MORNING, ends_at, "")
    assert kinds(jobs, ends_at) == []
    assert "maintenance mode is on" in health(jobs, ends_at).summary
    assert len(kinds(jobs, ends_at + timedelta(minutes=10))) == 2


def test_maintenance_lets_jobs_wait(jobs: JobHarness) -> None:
    with writing(jobs.engine) as session:
        start_maintenance(session, MORNING, None, "")
    assert jobs.run(MORNING) == []
    jobs.execute("DELETE FROM maintenance")
    assert len(jobs.run(MORNING)) == 4 * len(TWO.associations)
