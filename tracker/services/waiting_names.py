"""The queue of RSC providers whom people of an association named and nobody has confirmed yet."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy
from sqlmodel import Session, and_, col, or_, select

from tracker.db.applications import UNDECIDED, Application
from tracker.db.ledgers import StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.plain_text import plain_name
from tracker.services.dashboard import is_listed
from tracker.services.declined_providers import list_declined_keys
from tracker.services.provider_names import belongs_to


class WaitingEntry(NamedTuple):
    """A session whose provider is only a name; ``logged_at`` is None for an imported one.

    ``is_urgent``: it could count in a renewal or an application that is not settled.
    """

    id: int
    person_id: int
    person_name: str
    provider_name: str
    held_on: date
    minutes: int
    logged_at: datetime | None
    is_urgent: bool


class NamedBy(NamedTuple):
    """A person who named a provider: in how many sessions, and their minutes."""

    person_id: int
    name: str
    sessions: int
    minutes: int


@dataclass(frozen=True, slots=True)
class WaitingName:
    """A provider's name with its sessions, the oldest first.

    ``key`` is the name as names are compared; ``spellings`` are as people wrote it.
    """

    key: str
    spellings: tuple[str, ...]
    entries: tuple[WaitingEntry, ...]

    @property
    def name(self) -> str:
        """The spelling that was used first, if possible one with capital letters."""
        capitalized = [spelling for spelling in self.spellings if not spelling.islower()]
        return (capitalized or list(self.spellings))[0]

    @property
    def minutes(self) -> int:
        """The minutes of all sessions."""
        return sum(entry.minutes for entry in self.entries)

    @property
    def waiting_since(self) -> date:
        """The day of the oldest session."""
        return min(entry.held_on for entry in self.entries)

    @property
    def is_urgent(self) -> bool:
        """Whether a session could count in a renewal or an application that is not settled."""
        return any(entry.is_urgent for entry in self.entries)

    @property
    def named_by(self) -> list[NamedBy]:
        """Who named the provider, those with the most minutes first."""
        by_person = defaultdict[int, list[WaitingEntry]](list)
        for entry in self.entries:
            by_person[entry.person_id].append(entry)
        named = []
        for person_id, own in by_person.items():
            minutes = sum(entry.minutes for entry in own)
            named.append(NamedBy(person_id, own[0].person_name, len(own), minutes))
        return sorted(named, key=lambda each: (-each.minutes, each.name))


def list_waiting_names(session: Session, association: str, today: date) -> list[WaitingName]:
    """The queue: names with sessions that could still count, those with the most minutes first.

    Names that the association declined are left out. Each has all of its sessions.
    """
    declined = list_declined_keys(session, association)
    names = _read_names(session, association, today)
    queue = [each for each in names if each.is_urgent and each.key not in declined]
    return sorted(queue, key=lambda each: (-each.minutes, each.key))


def find_waiting_names(
    session: Session, association: str, today: date, keys: Collection[str]
) -> list[WaitingName]:
    """These plain names with all of their sessions, whether or not they are in the queue."""
    return [each for each in _read_names(session, association, today) if each.key in keys]


def _read_names(session: Session, association: str, today: date) -> list[WaitingName]:
    urgent = _list_urgent(session, association, today)
    # In the order of WaitingEntry. Columns only: there can be thousands of rows.
    columns: list[Any] = [Entry.id, Entry.person_id, Person.name, Entry.provider_name]
    columns += [Entry.held_on, Entry.minutes, Entry.logged_at]
    query = (
        sqlalchemy.select(*columns)
        .join(Person, col(Person.id) == Entry.person_id)
        .where(col(Entry.provider_name).is_not(None), belongs_to(association))
        .order_by(col(Entry.held_on), col(Entry.id))
    )
    by_key = defaultdict[str, list[WaitingEntry]](list)
    for row in session.connection().execute(query):
        entry = WaitingEntry._make((*row, row.id in urgent))
        by_key[plain_name(entry.provider_name)].append(entry)
    return [_name_of(key, entries) for key, entries in by_key.items()]


def _name_of(key: str, entries: Iterable[WaitingEntry]) -> WaitingName:
    waiting = tuple(entries)
    spellings = tuple(dict.fromkeys(entry.provider_name for entry in waiting))
    return WaitingName(key, spellings, waiting)


def _list_urgent(session: Session, association: str, today: date) -> set[int]:
    """The ids of waiting entries in listed renewals and undecided applications."""
    in_renewal = (
        select(Entry.id)
        .join(Endorsement, col(Endorsement.person_id) == Entry.person_id)
        .join(
            StandingRow,
            and_(
                col(StandingRow.endorsement_id) == Endorsement.id,
                col(Entry.held_on).between(StandingRow.cycle_starts_on, StandingRow.cycle_ends_on),
            ),
        )
        .where(col(Entry.provider_name).is_not(None), is_listed(association, today))
    )
    applying = select(Application.person_id).where(
        Application.association == association, col(Application.state).in_(UNDECIDED)
    )
    query = select(Entry.id).where(
        col(Entry.provider_name).is_not(None),
        or_(col(Entry.id).in_(in_renewal), col(Entry.person_id).in_(applying)),
    )
    return set(session.exec(query))
