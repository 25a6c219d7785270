"""What an error of the database means to those who read and write it."""

from typing import Any

from psycopg import OperationalError, errors

# A canceled query counts: waiting for a lock is part of every statement timeout.
_LOCK_ERRORS = (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled)
_UNAVAILABLE = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")
_ENDED = (
    errors.AdminShutdown,
    errors.CannotConnectNow,
    errors.CrashShutdown,
    errors.IdleInTransactionSessionTimeout,
)


class Busy(Exception):  # noqa: N818 - reads as the sentence it prints
    """Somebody else has been writing for too long. Nothing of this write was saved."""


def is_busy(error: BaseException) -> bool:
    """Whether an error means that somebody else holds what a statement needs."""
    # SQLAlchemy keeps the driver's error in `orig`.
    cause: Any = getattr(error, "orig", None) or error
    locked = isinstance(cause, _LOCK_ERRORS)
    return locked or getattr(cause, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def is_unavailable(error: BaseException) -> bool:
    """Whether an error means that the database can't be used now: gone, read-only, or out of space.

    A write that ends so may have been saved all the same, if the connection broke at its very end.
    """
    cause: Any = getattr(error, "orig", None) or error
    failed = isinstance(cause, (errors.OperationalError, errors.ReadOnlySqlTransaction))
    return failed or getattr(cause, "sqlite_errorname", "").startswith(_UNAVAILABLE)


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the connection to the database has ended.

    The server ends those of a process that was frozen or cut off, and all when it restarts.
    """
    cause: Any = getattr(error, "orig", None) or error
    # Without an error number it is not the server that speaks.
    is_silent = isinstance(cause, OperationalError) and cause.sqlstate is None
    return is_silent or isinstance(cause, _ENDED)
