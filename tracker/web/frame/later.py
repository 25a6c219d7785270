"""Work that a visitor must not wait for, so that how long an answer takes tells nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore, Lock
from typing import Any

import structlog

_LOG = structlog.get_logger()
# A flood is dropped here rather than kept in memory: whoever got no mail asks again.
_WAITING = 500


class Later:
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
