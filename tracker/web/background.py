"""Work that a visitor must not wait for, and reads that many visitors share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore, Lock
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tracker.clock import stopwatch
from tracker.db.engine import reading
from tracker.db.errors import SchemaError
from tracker.db.operations import Maintenance
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version
from tracker.services.maintenance import find_maintenance

_LOG = structlog.get_logger()
_MOST_WAITING = 500
_TIMEOUT_SECONDS = 3.0
_SWITCH_SECONDS = 2.0
_NO_ANSWER = "the database does not answer"
T = TypeVar("T")


class BackgroundWork:
    """Runs small jobs one after another in a thread of its own.

    So the time that an answer takes tells nothing about the job (such as whether an address is
    registered), and a flood of jobs takes no thread from pages: what comes while too many wait is
    dropped. A crash loses what waits; the visitor can ask for a lost sign-in mail again.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._places = BoundedSemaphore(_MOST_WAITING)
        self._lock = Lock()
        self._waiting_once: set[Callable[..., None]] = set()

    def run(self, job: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - the job's own
        """Run ``job`` soon. Its errors are logged with the id of the request."""
        if self._places.acquire(blocking=False):
            self._thread.submit(copy_context().run, self._run, job, arguments)
        else:
            self._forget(job)
            _LOG.warning("dropped work: too much is waiting", job=job.__name__)

    def run_once(self, job: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401
        """Run ``job`` soon, unless it is waiting already."""
        with self._lock:
            if job in self._waiting_once:
                return
            self._waiting_once.add(job)
        self.run(job, *arguments)

    def settle(self) -> None:
        """Wait until every job has run."""
        self._thread.submit(lambda: None).result()

    def _run(self, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._forget(job)
        try:
            job(*arguments)
        except Exception:  # noqa: BLE001 - whatever it is, the thread goes on
            _LOG.exception("work failed", job=job.__name__)
        finally:
            self._places.release()

    def _forget(self, job: Callable[..., None]) -> None:
        with self._lock:
            self._waiting_once.discard(job)


class SingleFlight(Generic[T]):
    """Runs ``read`` in a thread of its own, one at a time: requests that come meanwhile share it.

    So a database that hangs holds one thread, and none of those that answer pages.
    """

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._read = read
        self._running: Future[T] | None = None

    async def result(self, timeout_seconds: float) -> T:
        """Return what ``read`` returns, or raise what it raises; TimeoutError if that takes longer.

        Raises RuntimeError if no thread can be started.
        """
        if self._running is None or self._running.done():
            self._running = self._thread.submit(self._read)
        # Shielded: a request that gives up does not end the read for the others.
        waiting = asyncio.shield(asyncio.wrap_future(self._running))
        return await asyncio.wait_for(waiting, timeout_seconds)


class MaintenanceSwitch:
    """Whether maintenance mode is on, as every request asks; the database says so.

    It is read again after `_SWITCH_SECONDS`, so that much later every process follows. While the
    database doesn't answer, what it said last counts.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._flight = SingleFlight("maintenance", self._read)
        self._found: Maintenance | None = None
        self._read_at: float | None = None

    async def find(self) -> Maintenance | None:
        """The maintenance that is going on; None if there is none."""
        if self._read_at is None or stopwatch() - self._read_at >= _SWITCH_SECONDS:
            try:
                self._found = await self._flight.result(_TIMEOUT_SECONDS)
            except (TimeoutError, RuntimeError, SQLAlchemyError) as error:
                _LOG.warning("maintenance mode unknown", error=type(error).__name__)
            self._read_at = stopwatch()
        return self._found

    def _read(self) -> Maintenance | None:
        with reading(self._engine) as session:
            found = find_maintenance(session)
            if found is not None:
                session.expunge(found)
            return found


class Readiness:
    """Whether the site can work with the database at ``url``."""

    def __init__(self, url: str) -> None:
        self._version = SingleFlight("readiness", lambda: schema_version(url))

    async def find_problem(self) -> str:
        """What keeps the site from working, or an empty string."""
        try:
            version = await self._version.result(_TIMEOUT_SECONDS)
        except (TimeoutError, RuntimeError, SQLAlchemyError, SchemaError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER
        if version != newest_version():
            return "the database has another schema: see `tracker upgrade`"
        return ""
