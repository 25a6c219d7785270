"""Workers that die or freeze lose nothing and double nothing.

The long form, with other faults: `python -m tests.faults.workers`.
"""

from tests.faults.workers import FROZEN, KILLED, run

LEASE = 6


def test_others_finish_the_day_of_a_killed_and_a_frozen_worker() -> None:
    tally = run([KILLED, FROZEN], people=6, lease=LEASE)
    assert (tally.lost, tally.altered, tally.different) == (0, 0, [])
    assert tally.mails > 0
    assert tally.slowest <= 2 * LEASE
