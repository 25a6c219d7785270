"""A run that is killed tears nothing. The long form: `python -m tests.faults.kill_run_due`."""

import pytest

from tests.faults.kill_run_due import run


@pytest.mark.usefixtures("durable_sqlite")
def test_after_a_kill_mails_are_those_of_the_decisions_and_a_rerun_tells_everyone_once(
    database_url: str,
) -> None:
    tally = run(database_url, kills=2, seed=1)
    assert (tally.kills, tally.torn, tally.lost, tally.twice, tally.owed) == (2, 0, 0, 0, 0)
