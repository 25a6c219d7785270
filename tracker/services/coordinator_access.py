"""Which of a person's entries and files an association's coordinators may see.

While an application is undecided, all of them. With an endorsement, what was held through its last
day. Once an application is decided, what the decision could rest on: held and uploaded by that
day.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session

from tracker.clock import local_day
from tracker.rulebooks import Rulebooks
from tracker.services.applications import list_applications
from tracker.services.endorsements import endorsements_of


@dataclass(frozen=True, slots=True)
class AccessWindow:
    """Access to entries held through a day, and files added through a day; None: no limit."""

    association: str
    held_to: date | None = None
    added_to: date | None = None

    def shows(self, held_on: date) -> bool:
        """Whether the window covers sessions of that day."""
        return self.held_to is None or held_on <= self.held_to


def access_windows(
    session: Session, person_id: int, associations: Collection[str]
) -> list[AccessWindow]:
    """What coordinators of these associations may see of a person; empty: nothing."""
    windows = [
        AccessWindow(endorsement.association, held_to=endorsement.ends_on)
        for endorsement in endorsements_of(session, person_id)
    ]
    for application in list_applications(session, person_id):
        day = application.decided_on
        windows.append(AccessWindow(application.association, held_to=day, added_to=day))
    return [window for window in windows if window.association in associations]


def sees_entry(windows: Iterable[AccessWindow], held_on: date) -> bool:
    """Whether an entry of that day may be seen."""
    return any(window.shows(held_on) for window in windows if window.added_to is None)


def sees_file(
    rulebooks: Rulebooks, windows: Iterable[AccessWindow], held_on: date, added_at: datetime
) -> bool:
    """Whether a file may be seen that was added at an instant to an entry of that day."""
    for window in windows:
        if window.shows(held_on):
            if window.added_to is None:
                return True
            rulebook = rulebooks.associations.get(window.association)
            zone = rulebook.time_zone if rulebook else "UTC"
            if local_day(added_at, zone) <= window.added_to:
                return True
    return False
