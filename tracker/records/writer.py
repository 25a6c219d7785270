"""Where pages write: one transaction for each thing that somebody saves."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from tracker.records.engine import writing

T = TypeVar("T")


class Writer:
    """Runs what pages save on ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, job: Callable[[Connection], T]) -> T:
        """What ``job`` returns, once all that it wrote is stored for good.

        If it raises, nothing of it is stored. It may be run more than once (only the last run
        counts), so it must do nothing but read and write on its connection.
        """
        with writing(self._engine) as connection:
            return job(connection)
