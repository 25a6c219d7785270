"""What an error of the database means to those who read and write it.

On SQLite psycopg is not imported for it.
"""

import sqlite3
from typing import Any

from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.orm.exc import StaleDataError

from tracker.errors import UserError

# PostgreSQL's codes (appendix A of its manual). A lock that is not available, a deadlock, and a
# canceled query, as waiting for a lock is part of every statement timeout.
_LOCK_STATES = {"55P03", "40P01", "57014"}
# A key that is taken, and a row that is referred to or not there. The last class covers a row that
# can't be read again.
_CONFLICT_STATES = {"23505", "23503"}
_CONFLICTS = (StaleDataError, InvalidRequestError)
# The last one: the transaction was ended while a statement read.
_UNAVAILABLE = (
    *("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"),
    "SQLITE_ABORT_ROLLBACK",
)
# Of SQLAlchemy, and of the driver where we use it directly.
_DATABASE_ERRORS = (SQLAlchemyError, sqlite3.Error)
# PostgreSQL's classes of errors: connections, resources, its operator, the system; then read-only,
# and a transaction that was left idle, as by a process that was frozen or cut off.
_UNAVAILABLE_STATES = ("08", "53", "57", "58", "25006", "25P03")


class SchemaError(UserError):
    """The database's schema is not the one that this program works with."""

    heading = "The database can't be used:"


class Busy(Exception):  # noqa: N818 - reads as the sentence it prints
    """Somebody else has been writing for too long. Nothing of this write was saved."""


def is_busy(error: BaseException) -> bool:
    """Whether an error means that somebody else holds what a statement needs."""
    if isinstance(error, Busy):
        return True
    # SQLAlchemy keeps the driver's error in `orig`.
    cause: Any = getattr(error, "orig", None) or error
    is_locked = getattr(cause, "sqlstate", None) in _LOCK_STATES
    return is_locked or getattr(cause, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def is_conflict(error: BaseException) -> bool:
    """Whether a write may have failed because another one was stored while it ran.

    A key was taken, or a row that it had read, or refers to, is gone.
    """
    cause: Any = getattr(error, "orig", None) or error
    return isinstance(cause, _CONFLICTS) or getattr(cause, "sqlstate", None) in _CONFLICT_STATES


def is_unavailable(error: BaseException) -> bool:
    """Whether an error means that the database can't be used now: gone, read-only, or out of space.

    A write that ends so may have been saved all the same, if the connection broke at its very end.
    """
    cause: Any = getattr(error, "orig", None) or error
    # SQLite ends the transaction, and then there is none to roll back, which is another error.
    first = error.__context__
    is_of_database = isinstance(error, _DATABASE_ERRORS) or hasattr(cause, "sqlstate")
    if is_of_database and first is not None and is_unavailable(first):
        return True
    if not hasattr(cause, "sqlstate"):
        return getattr(cause, "sqlite_errorname", "").startswith(_UNAVAILABLE)
    state: str | None = cause.sqlstate
    if state is None:
        # Without an error number it is not the server that speaks.
        return any(each.__name__ == "OperationalError" for each in type(cause).__mro__)
    return state.startswith(_UNAVAILABLE_STATES)


def is_passing(error: BaseException) -> bool:
    """Whether an error is nobody's failure: others are writing, or the database can't be used."""
    return is_busy(error) or is_unavailable(error)


def name_error(error: BaseException) -> str:
    """What an error of the database is called, such as ``SQLITE_FULL``: without its message."""
    cause: Any = getattr(error, "orig", None) or error
    return getattr(cause, "sqlite_errorname", "") or type(cause).__name__
