"""A process that empties an outbox and prints a line when it is done: for tests that kill it."""

import asyncio
import sys

from tracker import clock
from tracker.db.engine import open_engine
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.settings import Mail


def main(database_url: str, smtp_url: str, connections: str) -> None:
    """Deliver until nothing is due."""
    mail = Mail(sender="renewals@example.org", connections=int(connections), timeout_seconds=5)
    engine = open_engine(database_url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    asyncio.run(deliver_once(engine, parse_server(smtp_url), mail, clock.now))
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
