"""One failure stays one failure: it is logged and recorded, and the work goes on."""

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import structlog
from sqlmodel import Session

from tracker.db.errors import is_passing
from tracker.services.run_ledger import Failure

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@contextmanager
def isolate(
    failures: list[Failure], subject: str, transaction: AbstractContextManager[T]
) -> Iterator[T]:
    """Run the block in ``transaction``; if it fails, undo it and add its error to ``failures``.

    ``transaction`` is a transaction of its own or a savepoint (`savepoint`). That others are
    writing, or that the database can't be used, is nobody's failure: it is raised, and the next
    tick tries again.
    """
    try:
        with transaction as session:
            yield session
    except Exception as error:
        if is_passing(error):
            raise
        _log.exception("part of a job failed and will be tried again", subject=subject)
        failures.append(Failure(subject, f"{type(error).__name__}: {error}"))
        # A result that was being read when it failed may keep its cursor in a reference cycle, and
        # SQLite drops no temporary table while one is open.
        gc.collect()


@contextmanager
def savepoint(session: Session) -> Iterator[Session]:
    """Undo only the block's own writes if it fails."""
    with session.begin_nested():
        yield session
