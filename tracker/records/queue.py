"""Where the writers of an SQLite file wait for each other."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

_NO_FILE = (None, "", ":memory:")


@contextmanager
def one_at_a_time(url: URL) -> Iterator[None]:
    """Hold the file beside an SQLite database that says whose turn it is to write.

    SQLite lets waiting writers look again after ever longer sleeps, so that one of many comes
    late by seconds; here the system wakes them. The file is empty, and may be deleted while
    nothing runs: what keeps the database whole is its own lock.
    """
    if url.get_backend_name() != "sqlite" or url.database in _NO_FILE:
        yield
        return
    # To read is enough, so that a command of another account may wait at the same file.
    turn = os.open(f"{url.database}-turn", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
    finally:
        os.close(turn)
