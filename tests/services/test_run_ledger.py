"""The run ledger: a job runs once for an association and a local date."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from tracker.db.engine import open_engine, reading, writing
from tracker.services.run_ledger import (
    JobResult,
    RunKey,
    claim_run,
    finish_run,
    get_last_run_date,
    list_runs_since,
)

MONDAY = date(2024, 12, 2)
SUNDAY = date(2024, 12, 1)
NOW = datetime(2024, 12, 2, 12, tzinfo=UTC)


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


def test_the_last_run_is_the_latest_date_whatever_the_order(engine: Engine) -> None:
    with reading(engine) as session:
        assert get_last_run_date(session, "evaluate", "NCIMHA") is None
    claim(engine, "evaluate", "NCIMHA", MONDAY)
    claim(engine, "evaluate", "NCIMHA", SUNDAY)
    claim(engine, "evaluate", "CT-AIMH", date(2025, 1, 1))
    with reading(engine) as session:
        assert get_last_run_date(session, "evaluate", "NCIMHA") == MONDAY


def test_the_runs_since_a_date_are_newest_first_with_their_reports(engine: Engine) -> None:
    for day in (SUNDAY, MONDAY, date(2024, 11, 30)):
        claim(engine, "evaluate", "NCIMHA", day)
    with writing(engine) as session:
        finish_run(session, RunKey("evaluate", "NCIMHA", MONDAY), JobResult({"judged": 3}), NOW)
    with reading(engine) as session:
        runs = list_runs_since(session, "NCIMHA", SUNDAY)
    assert [(run.local_date, run.report) for run in runs] == [
        (MONDAY, '{"judged": 3}'),
        (SUNDAY, "{}"),
    ]
    assert runs[0].finished_at == NOW
