"""What of somebody's log an association's coordinators may read: what belongs to its time.

While an application is undecided they read all of it. Of whoever holds or held their endorsement
they read what was held up to the day on which it ended. Once an application is decided, what the
decision could rest on stays theirs: held, and handed in, by that day.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.clock import local_day
from tracker.rulebooks import Rulebooks
from tracker.services.applications import list_applications
from tracker.services.endorsements import Endorsed, endorsements_of

_NO_BOOK = "UTC"


class AccessWindow(NamedTuple):
    """Entries held up to a day, and their files added up to a day; None sets no limit."""

    association: str
    held_to: date | None = None
    added_to: date | None = None


def access_windows(
    session: Session, person_id: int, associations: Collection[str]
) -> list[AccessWindow]:
    """What coordinators of these associations may read of a person; empty: nothing."""
    found = [of_endorsement(one) for one in endorsements_of(session, person_id)]
    for one in list_applications(session, person_id):
        day = one.decided_on if one.is_decided else None
        found.append(AccessWindow(one.association, held_to=day, added_to=day))
    return [sight for sight in found if sight.association in associations]


def of_endorsement(one: Endorsed) -> AccessWindow:
    """What goes with an endorsement."""
    return AccessWindow(one.association, held_to=one.ends_on)


def sees_entry(sights: Iterable[AccessWindow], held_on: date) -> bool:
    """Whether an entry of that day may be read, whatever became of an application since."""
    return any((s.held_to is None or held_on <= s.held_to) for s in sights if s.added_to is None)


def sees_file(
    rulebooks: Rulebooks, sights: Sequence[AccessWindow], held_on: date, added_at: datetime
) -> bool:
    """Whether a file may be read that was added at an instant to an entry of that day."""
    if sees_entry(sights, held_on):
        return True
    return any(
        held_on <= s.held_to and _day(rulebooks, s.association, added_at) <= s.added_to
        for s in sights
        if s.held_to is not None and s.added_to is not None
    )


def _day(rulebooks: Rulebooks, association: str, at: datetime) -> date:
    rulebook = rulebooks.associations.get(association)
    return local_day(at, rulebook.time_zone if rulebook else _NO_BOOK)
