"""Looks whether the database can be used, without ever waiting for it for long."""

import asyncio
from concurrent.futures import Future
from threading import Lock, Thread

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tracker.records.engine import SchemaError, newest_version, schema_version

_LOG = structlog.get_logger()
_WITHIN_SECONDS = 3.0
_NO_ANSWER = "the database does not answer"


class Readiness:
    """One look at a time, in a thread of its own: whoever asks meanwhile waits for the same one.

    A database that hangs so holds one thread, and none of those that answer pages.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._looking: Future[str] | None = None

    async def look(self) -> str:
        """What stands in the way, in words; nothing where all is well."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._begin()), _WITHIN_SECONDS)
        except (TimeoutError, RuntimeError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER

    def _begin(self) -> Future[str]:
        with self._lock:
            if self._looking is None or self._looking.done():
                looking: Future[str] = Future()
                # Whoever no longer waits ends the look for nobody else.
                looking.set_running_or_notify_cancel()
                # A daemon: the process may end while it hangs.
                Thread(target=self._look, args=(looking,), name="readiness", daemon=True).start()
                self._looking = looking
            return self._looking

    def _look(self, looking: Future[str]) -> None:
        try:
            looking.set_result(self._found())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            looking.set_exception(error)

    def _found(self) -> str:
        try:
            version = schema_version(self._url)
        except (SQLAlchemyError, SchemaError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER
        if version != newest_version():
            return "the database has another schema: see `tracker migrate`"
        return ""
