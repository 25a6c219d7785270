"""Saving several things in one transaction: what each needs at its end is done once for all."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection

from tracker.records.judging.evaluation import evaluate_people
from tracker.records.judging.providers import providers_of
from tracker.records.store.audit import write_events
from tracker.records.store.late import Late, late_on, leave
from tracker.rulebooks import Rulebooks


@contextmanager
def judging_late(connection: Connection) -> Iterator[None]:
    """Within the block, audit events and whoever is to be judged `soon` wait for its end.

    Until then the standing and audit tables are behind: for pages, that do not read them in the
    transaction in which they write.
    """
    late = Late()
    leave(connection, late)
    yield
    leave(connection, None)
    write_events(connection, late.events)
    if late.books is None or late.instant is None:
        return
    providers = late.providers | late.changed | providers_of(connection, late.changed)
    evaluate_people(connection, late.books, late.people, late.instant, providers=providers)


def evaluate_soon(
    connection: Connection,
    books: Rulebooks,
    person_id: int,
    instant: datetime,
    *,
    providers: Collection[int] | None = None,
) -> None:
    """Judge a person anew before the transaction ends: at once, or late where that is on.

    Where nothing but their entries changed, ``providers`` are those whom these entries name.
    """
    late = late_on(connection)
    if late is None:
        evaluate_people(connection, books, {person_id}, instant, providers=providers)
        return
    late.books, late.instant = books, max(late.instant or instant, instant)
    late.people.add(person_id)
    if providers is None:
        late.changed.add(person_id)
    else:
        late.providers.update(providers)
