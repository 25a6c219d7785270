"""A process to kill: does all that is due at an instant.

Arguments: database URL, ISO instant, and after how many statements and commits it dies, if at all.
"""

import sys
from datetime import datetime

from tests.jobs.harness import JobHarness
from tests.support.dying import die_after

if __name__ == "__main__":
    jobs = JobHarness(sys.argv[1], may_be_killed=True)
    instant = datetime.fromisoformat(sys.argv[2])
    if sys.argv[3:]:
        die_after(jobs.engine, int(sys.argv[3]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    jobs.run(instant)
