"""What is looked up for whoever asks, by one thread at a time, however many ask."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class OneLook(Generic[T]):
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
