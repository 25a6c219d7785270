"""Two transactions at the same moment, in an order that is certain: for tests on PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlmodel import Session

from tracker.db.engine import writing

A = TypeVar("A")
B = TypeVar("B")
_MOST_SECONDS = 10
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def overlap(
    engine: Engine, first: Callable[[Session], A], second: Callable[[Session], B]
) -> tuple[A, B | Exception]:
    """Do both, each in a transaction; what they return, or the error of the second one.

    The second one begins when the first one has done its work, and has not committed. That commits
    when the second one has ended, or waits for a lock.
    """

    def run_second() -> B:
        with writing(engine) as session:
            return second(session)

    return overlap_call(engine, first, run_second)


def overlap_call(
    engine: Engine,
    first: Callable[[Session], A],
    second: Callable[[], B],
    finish: Callable[[Session], object] = lambda _session: None,
) -> tuple[A, B | Exception]:
    """As `overlap`; the second one opens its own transactions, as a page does.

    ``finish`` is what the first one does besides before it commits.
    """
    with ThreadPoolExecutor(1) as thread:
        with writing(engine) as session:
            result = first(session)
            session.flush()
            running = thread.submit(second)
            _wait(engine, running)
            finish(session)
        try:
            return result, running.result(_MOST_SECONDS)
        except Exception as error:  # noqa: BLE001 - for the test to look at
            return result, error


def _wait(engine: Engine, running: Future[B]) -> None:
    """Wait until the call has ended, or waits for a lock."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(_WAITING).scalar_one():
            try:
                running.exception(0.002)
            except TimeoutError:
                continue
            return
