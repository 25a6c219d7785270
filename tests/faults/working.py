"""A worker to kill, freeze, or cut off, at a day in the past.

Arguments: database URL, SMTP URL, seconds to subtract from the server's time, lease in seconds.
"""

import asyncio
import signal
import sys
from datetime import timedelta

from tests.jobs.harness import JobHarness
from tests.jobs.workers import build_worker
from tracker.db.server_clock import ServerClock
from tracker.jobs import distributed
from tracker.logs import configure_logs


async def main(database_url: str, smtp_url: str, behind: str, lease: str) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    jobs = JobHarness(database_url)
    server_clock = ServerClock(jobs.engine)
    worker = build_worker(
        jobs,
        smtp_url,
        lambda: server_clock() - timedelta(seconds=float(behind)),
        lease_seconds=int(lease),
        set_clock=server_clock.read_server,
        patience=20,
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await distributed.run_worker(worker, stop)


if __name__ == "__main__":
    configure_logs()
    asyncio.run(main(*sys.argv[1:]))
