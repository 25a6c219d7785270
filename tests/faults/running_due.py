"""A process to kill: does all that is due at an instant. Arguments: database URL, ISO instant."""

import sys
from datetime import datetime

from tests.jobs.harness import JobHarness

if __name__ == "__main__":
    jobs = JobHarness(sys.argv[1], may_be_killed=True)
    instant = datetime.fromisoformat(sys.argv[2])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    jobs.run(instant)
