"""The run ledger: a job runs once for an association and a local date."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tracker.db.engine import open_engine, reading, writing
from tracker.services.run_ledger import (
    CAUGHT_UP,
    Failure,
    JobResult,
    RunKey,
    claim_run,
    find_first_run_date,
    finish_run,
    get_last_run_date,
    has_run,
    list_failures,
    list_last_finished,
    list_last_run_dates,
    list_runs_since,
    record_failure,
    record_missed,
    replace_failures,
)

MONDAY = date(2024, 12, 2)
SUNDAY = date(2024, 12, 1)
NOW = datetime(2024, 12, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
EVALUATE = RunKey("evaluate", "NCIMHA", MONDAY)
OTHERS = [
    RunKey("digest", "NCIMHA", MONDAY),
    RunKey("evaluate", "CT-AIMH", MONDAY),
    RunKey("evaluate", "NCIMHA", SUNDAY),
]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def claim(engine: Engine, job: str, association: str, day: date) -> bool:
    with writing(engine) as session:
        return claim_run(session, RunKey(job, association, day), NOW)


def test_a_run_is_claimed_by_the_first_who_asks(engine: Engine) -> None:
    assert claim(engine, "evaluate", "NCIMHA", MONDAY)
    assert not claim(engine, "evaluate", "NCIMHA", MONDAY)


def test_other_jobs_associations_and_dates_are_other_runs(engine: Engine) -> None:
    assert claim(engine, "evaluate", "NCIMHA", MONDAY)
    assert claim(engine, "digest", "NCIMHA", MONDAY)
    assert claim(engine, "evaluate", "CT-AIMH", MONDAY)
    assert claim(engine, "evaluate", "NCIMHA", SUNDAY)


def test_a_claim_rolled_back_can_be_taken_again(engine: Engine) -> None:
    def fail() -> None:
        with writing(engine) as session:
            assert claim_run(session, RunKey("evaluate", "NCIMHA", MONDAY), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert claim(engine, "evaluate", "NCIMHA", MONDAY)


def test_first_and_last_runs_are_those_of_a_job_and_association(engine: Engine) -> None:
    with writing(engine) as session:
        assert get_last_run_date(session, "evaluate", "NCIMHA") is None
        assert find_first_run_date(session, "NCIMHA") is None
        for key in (
            EVALUATE,
            RunKey("evaluate", "NCIMHA", SUNDAY),
            RunKey("evaluate", "CT-AIMH", date(2025, 1, 1)),
            RunKey("evaluate", "CT-AIMH", date(2024, 1, 1)),
            RunKey("digest", "NCIMHA", date(2025, 2, 1)),
        ):
            claim_run(session, key, NOW)
        finish_run(session, EVALUATE, JobResult({}), LATER)
        assert get_last_run_date(session, "evaluate", "NCIMHA") == MONDAY
        assert find_first_run_date(session, "NCIMHA") == SUNDAY
        assert list_last_run_dates(session) == {
            ("evaluate", "NCIMHA"): MONDAY,
            ("evaluate", "CT-AIMH"): date(2025, 1, 1),
            ("digest", "NCIMHA"): date(2025, 2, 1),
        }
        assert list_last_finished(session) == {
            ("evaluate", "NCIMHA"): LATER,
            ("evaluate", "CT-AIMH"): NOW,
            ("digest", "NCIMHA"): NOW,
        }


def test_the_runs_since_a_date_are_newest_first_with_their_reports(engine: Engine) -> None:
    with writing(engine) as session:
        for day in (SUNDAY, MONDAY, date(2024, 11, 30)):
            claim_run(session, EVALUATE._replace(local_date=day), NOW)
        for key in OTHERS[:2]:
            claim_run(session, key, NOW)
        finish_run(session, EVALUATE, JobResult({"judged": 3}), LATER)
    with reading(engine) as session:
        runs = list_runs_since(session, "NCIMHA", SUNDAY)
    assert [
        (run.job, run.local_date, run.started_at, run.finished_at, run.report) for run in runs
    ] == [
        ("digest", MONDAY, NOW, NOW, "{}"),
        ("evaluate", MONDAY, NOW, LATER, '{"judged": 3}'),
        ("evaluate", SUNDAY, NOW, NOW, "{}"),
    ]


def test_a_finished_run_is_that_of_its_job_and_day(engine: Engine) -> None:
    with writing(engine) as session:
        for key in OTHERS:
            claim_run(session, key, NOW)
        assert not has_run(session, EVALUATE)
        claim_run(session, EVALUATE, NOW)
        assert has_run(session, EVALUATE)
        finish_run(session, EVALUATE, JobResult({}, [Failure("1", "broken")]), LATER)
        finished = [
            (run.finished_at, run.job) for run in list_runs_since(session, "CT-AIMH", SUNDAY)
        ]
        finished += [
            (run.finished_at, run.job) for run in list_runs_since(session, "NCIMHA", SUNDAY)
        ]
        assert finished == [
            (NOW, "evaluate"),
            (NOW, "digest"),
            (LATER, "evaluate"),
            (NOW, "evaluate"),
        ]
        assert [(each.subject, each.error) for each in list_failures(session)] == [("1", "broken")]


def test_missed_dates_name_the_run_that_did_their_work(engine: Engine) -> None:
    missed = date(2024, 11, 30)
    with writing(engine) as session:
        claim_run(session, RunKey("evaluate", "NCIMHA", SUNDAY), NOW)
        record_missed(session, EVALUATE, [missed, SUNDAY], LATER)
        runs = list_runs_since(session, "NCIMHA", missed)
        # A date with a run of its own keeps its report.
        assert [(run.local_date, run.started_at, run.report) for run in runs] == [
            (SUNDAY, NOW, "{}"),
            (missed, LATER, f'{{"{CAUGHT_UP}": "2024-12-02"}}'),
        ]


def test_a_failure_counts_its_attempts_until_it_ends(engine: Engine) -> None:
    with writing(engine) as session:
        for key in (EVALUATE, *OTHERS[:2]):
            for subject in ("1", "2"):
                record_failure(session, key, Failure(subject, "x" * 501), NOW)
        replace_failures(session, EVALUATE, [Failure("1", "again"), Failure("3", "new")], LATER)
        found = [
            (each.job, each.subject, each.error, each.attempts, each.first_failed_at)
            for each in list_failures(session, "NCIMHA")
        ]
        assert found == [
            ("digest", "1", "x" * 500, 1, NOW),
            ("digest", "2", "x" * 500, 1, NOW),
            ("evaluate", "1", "again", 2, NOW),
            ("evaluate", "3", "new", 1, LATER),
        ]
        every = [(each.association, each.job, each.subject) for each in list_failures(session)]
        last = {each.subject: each.last_failed_at for each in list_failures(session, "NCIMHA")}
    assert every == [
        ("CT-AIMH", "evaluate", "1"),
        ("CT-AIMH", "evaluate", "2"),
        ("NCIMHA", "digest", "1"),
        ("NCIMHA", "digest", "2"),
        ("NCIMHA", "evaluate", "1"),
        ("NCIMHA", "evaluate", "3"),
    ]
    assert last == {"1": LATER, "2": NOW, "3": LATER}
