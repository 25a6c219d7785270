"""A connection of an event loop's own to SQLite, which never makes the loop wait."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from tracker.clock import stopwatch
from tracker.records.store.engine import PATIENTLY, wait_until
from tracker.records.store.queue import is_busy


class AtOnce:
    """Opened in a thread when it is first needed, and again after a transaction that failed.

    To open a database one has to read in it, which whoever writes may keep one from for long.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    @asynccontextmanager
    async def writing(self, patience: float) -> AsyncIterator[Connection]:
        """A transaction that writes, for whoever has the turn.

        Where somebody else writes in spite of that an error is raised that `is_busy` knows; the
        same where readers keep it from its end for ``patience`` seconds, through which the loop
        goes on.
        """
        until = stopwatch() + patience
        connection = self._connection
        if connection is None:
            connection = await asyncio.to_thread(self._engine.connect)
        # Until it has ended well it is nobody's: what is left open by an error is given back.
        self._connection = None
        try:
            async with _never_waiting(connection, until):
                yield connection
        except BaseException:
            connection.close()
            raise
        self._connection = connection


@asynccontextmanager
async def _never_waiting(connection: Connection, until: float) -> AsyncIterator[None]:
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        with connection.execution_options(writes=True).begin():
            yield
            await _commit(driver, until)
    finally:
        driver.execute(PATIENTLY)


async def _commit(driver: sqlite3.Connection, until: float) -> None:
    try:
        driver.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
        await asyncio.to_thread(_commit_patiently, driver, until)


def _commit_patiently(driver: sqlite3.Connection, until: float) -> None:
    wait_until(driver, until)
    driver.execute("COMMIT")
