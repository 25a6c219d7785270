"""Work that a visitor must not wait for, so that how long an answer takes tells nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
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

    def run(self, job: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - the job's own
        """Have ``job`` run soon; its errors are logged, and it is dropped when too many wait."""
        if self._room.acquire(blocking=False):
            self._threads.submit(self._run, job, arguments)
        else:
            _LOG.warning("dropped work: too much is waiting", job=job.__name__)

    def settle(self) -> None:
        """Wait until all that was asked for has run."""
        self._threads.submit(lambda: None).result()

    def _run(self, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        try:
            job(*arguments)
        except Exception:  # noqa: BLE001 - whatever it is, the thread goes on
            _LOG.exception("work failed", job=job.__name__)
        finally:
            self._room.release()
