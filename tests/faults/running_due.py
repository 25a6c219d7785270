"""A process to kill: does all that is due at an instant.

Arguments: database URL, ISO instant, and after how many statements it kills itself, if at all.
"""

import os
import signal
import sys
from datetime import datetime

from sqlalchemy import Engine, event

from tests.jobs.harness import JobHarness


def die_after(engine: Engine, statements: int) -> None:
    """Kill this process at the statement after so many others."""
    left = statements

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", count)


if __name__ == "__main__":
    jobs = JobHarness(sys.argv[1], may_be_killed=True)
    instant = datetime.fromisoformat(sys.argv[2])
    if sys.argv[3:]:
        die_after(jobs.engine, int(sys.argv[3]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    jobs.run(instant)
