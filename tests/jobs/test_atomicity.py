"""Promise 3: whatever statement fails, mails are those of the decisions, and a rerun ends well."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.jobs.harness import JobHarness, at

AUTUMN = at("2024-09-15")
MORNING = at("2024-12-02")


class Broken(Exception):  # noqa: N818 - what happens to a statement
    """A statement that fails."""


@contextmanager
def failing_at(jobs: JobHarness, number: int) -> Iterator[list[int]]:
    """Let every statement from the ``number``-th (from 1) on fail; yields the count of those begun.

    0: none fails. One failing statement alone would be one association's failure.
    """
    begun = [0]

    def count(*_arguments: object) -> None:
        begun[0] += 1
        if number and begun[0] >= number:
            raise Broken

    event.listen(jobs.engine, "before_cursor_execute", count)
    try:
        yield begun
    finally:
        event.remove(jobs.engine, "before_cursor_execute", count)


def prepare(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.add("Carol", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2021-01-01"])
    jobs.run(AUTUMN)


def outcome(jobs: JobHarness) -> dict[str, object]:
    """Everything that a run leaves, without the random Message-IDs and the moments."""
    rows = jobs.everything()
    return {
        "decisions": sorted(
            str({**decision, "message_id": bool(decision["message_id"])})
            for decision in jobs.decisions()
        ),
        "mails": sorted(m.dedupe_key + m.text for m in jobs.mails()),
        "digests": sorted(m.dedupe_key for m in jobs.mails("digest")),
        "runs": sorted(str(row[:3]) for row in rows["run_ledger"]),
        "standings": sorted(str(row[:9]) for row in rows["standing"]),
    }


def assert_whole(jobs: JobHarness) -> None:
    sent = {d["message_id"] for d in jobs.decisions(outcome="sent")}
    assert sent == {mail.message_id for mail in jobs.mails()}


def test_mails_are_those_of_the_decisions_whatever_statement_fails(jobs: JobHarness) -> None:
    prepare(jobs)
    number = 1
    while True:
        try:
            with failing_at(jobs, number):
                jobs.run(MORNING)
        except Broken:
            assert_whole(jobs)
            # A sample: every second statement on SQLite, every fourth on PostgreSQL.
            number += 2 if jobs.engine.dialect.name == "sqlite" else 4
        else:
            break
    # Each rerun gets one statement further, or ends.
    assert number > 10
    assert_whole(jobs)
    assert len(jobs.mails()) == 2


def statements_of_a_run(jobs: JobHarness) -> int:
    """How many statements the run takes; what it did is what `expected` compares with."""
    with failing_at(jobs, 0) as begun:
        jobs.run(MORNING)
    return begun[0]


@pytest.mark.parametrize("part", range(10))
def test_a_rerun_ends_as_if_nothing_had_failed(
    migrated_sqlite: Path, tmp_path: Path, part: int
) -> None:
    def fresh(name: str) -> JobHarness:
        (tmp_path / name).write_bytes(migrated_sqlite.read_bytes())
        jobs = JobHarness(f"sqlite:///{tmp_path / name}")
        prepare(jobs)
        return jobs

    undisturbed = fresh("undisturbed.db")
    total = statements_of_a_run(undisturbed)
    expected = outcome(undisturbed)
    undisturbed.engine.dispose()
    jobs = fresh("disturbed.db")
    with failing_at(jobs, total * part // 10 + 1), pytest.raises(Broken):
        jobs.run(MORNING)
    assert_whole(jobs)
    jobs.run(MORNING)
    found = outcome(jobs)
    jobs.engine.dispose()
    assert found == expected
