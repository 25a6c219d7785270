"""A sender that is killed loses nothing. The long form: `python -m tests.faults.kill_delivery`."""

import pytest

from tests.faults.kill_delivery import run

CONNECTIONS = 4


@pytest.mark.usefixtures("durable_sqlite")
def test_a_killed_sender_loses_nothing_and_repeats_at_most_one_mail_a_connection(
    database_url: str,
) -> None:
    tally = run(database_url, kills=4, connections=CONNECTIONS, seed=1)
    assert (tally.kills, tally.lost, tally.altered) == (4, 0, 0)
    assert tally.worst <= CONNECTIONS
    assert tally.repeats <= tally.kills * CONNECTIONS
