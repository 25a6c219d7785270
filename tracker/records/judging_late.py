"""Judging once, at the end of a transaction, everybody whose entries it has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from tracker.records.evaluation import evaluate_people
from tracker.rulebooks import Rulebooks

_OPTION = "judging_late"


@dataclass(slots=True)
class _Waiting:
    """Whom to judge by which rulebooks, and the latest instant at which one of them changed."""

    books: Rulebooks | None = None
    instant: datetime | None = None
    people: set[int] = field(default_factory=set)


@contextmanager
def judging_late(connection: Connection) -> Iterator[None]:
    """Whoever is to be judged `soon` within the block is judged at its end, all together.

    The standing table is therefore behind until then: for pages, that do not read it in the
    transaction in which they write.
    """
    waiting = _Waiting()
    connection.execution_options(**{_OPTION: waiting})
    yield
    connection.execution_options(**{_OPTION: None})
    if waiting.books is not None and waiting.instant is not None:
        evaluate_people(connection, waiting.books, waiting.people, waiting.instant)


def evaluate_soon(
    connection: Connection, books: Rulebooks, person_id: int, instant: datetime
) -> None:
    """Judge a person anew before the transaction ends: at once, or late where that is on."""
    waiting = connection.get_execution_options().get(_OPTION)
    if waiting is None:
        evaluate_people(connection, books, {person_id}, instant)
        return
    waiting.books = books
    waiting.instant = max(waiting.instant or instant, instant)
    waiting.people.add(person_id)
