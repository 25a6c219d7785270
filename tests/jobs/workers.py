"""A worker of the tests: with the people of a `JobHarness`, short leases, and any clock."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.jobs.harness import JobHarness
from tracker.cli.desk_work import BATCHES
from tracker.db.engine import open_engine
from tracker.jobs.distributed import WorkerContext
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context


def build_worker(
    jobs: JobHarness,
    smtp_url: str,
    clock: Callable[[], datetime],
    *,
    lease_seconds: int = 5,
    set_clock: Callable[[], None] = lambda: None,
    patience: float | None = None,
) -> WorkerContext:
    """A worker on a PostgreSQL database; ``lease_seconds`` are also those of the outbox."""
    settings = jobs.settings
    changed: dict[str, dict[str, Any]] = {
        "schedule": {"tick_seconds": 1},
        "worker": {"lease_seconds": lease_seconds, "poll_seconds": 0.5},
        "mail": {"lease_seconds": lease_seconds, "timeout_seconds": 5},
    }
    parts = {
        name: getattr(settings, name).model_copy(update=values) for name, values in changed.items()
    }
    settings = settings.model_copy(update=parts)
    engine = open_engine(jobs.url, idle_seconds=lease_seconds)
    context = open_context(settings, jobs.rulebooks, engine, patience)
    server = parse_server(smtp_url)
    return WorkerContext(context, engine, jobs.url, server, clock, set_clock, BATCHES)
