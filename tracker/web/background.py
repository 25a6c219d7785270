"""Work that a visitor must not wait for, so that how long an answer takes tells nothing."""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tracker.db.engine import SchemaError, newest_version, schema_version

_LOG = structlog.get_logger()
# A flood is dropped here rather than kept in memory: whoever got no mail asks again.
_WAITING = 500


class BackgroundWork:
    """Runs small jobs one after the other in a thread of its own.

    A crash loses what waits here. That is the side chosen: a lost sign-in mail is asked for
    again, while an answer that waits for it would tell who is registered.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")
        self._room = BoundedSemaphore(_WAITING)
        self._lock = Lock()
        self._waiting_once: set[Callable[..., None]] = set()

    def run(self, job: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - the job's own
        """Have ``job`` run soon; its errors are logged, and it is dropped when too many wait."""
        if self._room.acquire(blocking=False):
            # In the context of the request, so that what is logged has its id.
            self._threads.submit(copy_context().run, self._run, job, arguments)
        else:
            self._no_longer_waits(job)
            _LOG.warning("dropped work: too much is waiting", job=job.__name__)

    def run_once(self, job: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401
        """The same for what tidies up: while it waits, it is not asked for again."""
        with self._lock:
            if job in self._waiting_once:
                return
            self._waiting_once.add(job)
        self.run(job, *arguments)

    def settle(self) -> None:
        """Wait until all that was asked for has run."""
        self._threads.submit(lambda: None).result()

    def _run(self, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._no_longer_waits(job)
        try:
            job(*arguments)
        except Exception:  # noqa: BLE001 - whatever it is, the thread goes on
            _LOG.exception("work failed", job=job.__name__)
        finally:
            self._room.release()

    def _no_longer_waits(self, job: Callable[..., None]) -> None:
        with self._lock:
            self._waiting_once.discard(job)


T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One look at a time, in a thread of its own: whoever asks meanwhile waits for the same one.

    A database that hangs so holds one thread, and none of those that answer pages.
    """

    def __init__(self, name: str, find: Callable[[], T]) -> None:
        self._name = name
        self._find = find
        self._lock = Lock()
        self._looking: Future[T] | None = None

    async def found(self, within_seconds: float) -> T:
        """What ``find`` gives, or raises.

        Raises TimeoutError where it takes longer, RuntimeError where there is no thread for it.
        """
        return await asyncio.wait_for(asyncio.wrap_future(self._begin()), within_seconds)

    def _begin(self) -> Future[T]:
        with self._lock:
            if self._looking is None or self._looking.done():
                looking: Future[T] = Future()
                # Whoever no longer waits ends the look for nobody else.
                looking.set_running_or_notify_cancel()
                # A daemon: the process may end while it hangs.
                # What it logs has the id of the request that was the first to ask.
                look = partial(copy_context().run, self._look, looking)
                Thread(target=look, name=self._name, daemon=True).start()
                self._looking = looking
            return self._looking

    def _look(self, looking: Future[T]) -> None:
        try:
            looking.set_result(self._find())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            looking.set_exception(error)


# Of things made and not yet dropped; Python's own 700 are no more than one request is made of.
_YOUNG = 20_000
_ROUNDS = 20


def collect_rarely() -> None:
    """Leave all that there is by now out of the search, and search less often for the rest.

    Rulebooks, templates and libraries stay for as long as the process does. To look through them
    again and again took a third of the time of a save, and each time all other requests waited.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _ROUNDS, _ROUNDS)


_WITHIN_SECONDS = 3.0
_NO_ANSWER = "the database does not answer"


class Readiness:
    """Whether the site can work with the database at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._looking = SingleFlight("readiness", self._found)

    async def look(self) -> str:
        """What stands in the way, in words; nothing where all is well."""
        try:
            return await self._looking.found(_WITHIN_SECONDS)
        except (TimeoutError, RuntimeError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER

    def _found(self) -> str:
        try:
            version = schema_version(self._url)
        except (SQLAlchemyError, SchemaError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER
        if version != newest_version():
            return "the database has another schema: see `tracker migrate`"
        return ""
