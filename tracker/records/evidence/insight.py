"""What of somebody's log an association's coordinators may read: what belongs to its time.

While an application is undecided they read all of it. Of whoever holds or held their endorsement
they read what was held up to the day on which it ended. Once an application is decided, what the
decision could rest on stays theirs: held, and handed in, by that day.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.records.applying.applications import applications_of
from tracker.records.judging.endorsees import Endorsed, endorsements_of
from tracker.rulebooks import Rulebooks

_NO_BOOK = "UTC"


class Sight(NamedTuple):
    """Entries held up to a day, and their files added up to a day; None sets no limit."""

    association: str
    held_to: date | None = None
    added_to: date | None = None


def sights_of(connection: Connection, person_id: int, associations: Collection[str]) -> list[Sight]:
    """What coordinators of these associations may read of a person; empty: nothing."""
    found = [of_endorsement(one) for one in endorsements_of(connection, person_id)]
    for one in applications_of(connection, person_id):
        day = one.decided_on if one.decided else None
        found.append(Sight(one.association, held_to=day, added_to=day))
    return [sight for sight in found if sight.association in associations]


def of_endorsement(one: Endorsed) -> Sight:
    """What goes with an endorsement."""
    return Sight(one.association, held_to=one.ends_on)


def sees_entry(sights: Iterable[Sight], held_on: date) -> bool:
    """Whether an entry of that day may be read, whatever became of an application since."""
    return any((s.held_to is None or held_on <= s.held_to) for s in sights if s.added_to is None)


def sees_file(books: Rulebooks, sights: Sequence[Sight], held_on: date, added_at: datetime) -> bool:
    """Whether a file may be read that was added at an instant to an entry of that day."""
    if sees_entry(sights, held_on):
        return True
    return any(
        held_on <= s.held_to and _day(books, s.association, added_at) <= s.added_to
        for s in sights
        if s.held_to is not None and s.added_to is not None
    )


def _day(books: Rulebooks, association: str, at: datetime) -> date:
    book = books.associations.get(association)
    return local_day(at, book.time_zone if book else _NO_BOOK)
