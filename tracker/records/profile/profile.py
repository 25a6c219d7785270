"""What a person may say of themselves, and what we know of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from tracker.records.entries.entry_writes import Author, lock_person
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes

_PERSON = METADATA.tables["person"]


class Profile(NamedTuple):
    """A person's own facts; ``email_refused_at``: since when mail to the first address bounces."""

    name: str
    email: str
    second_email: str | None
    second_email_confirmed_at: datetime | None
    email_refused_at: datetime | None
    time_zone: str | None


def profile_of(connection: Connection, person_id: int) -> Profile:
    """What is stored of a person who is known to exist."""
    columns = [_PERSON.c[name] for name in Profile._fields]
    return Profile(*connection.execute(select(*columns).where(_PERSON.c.id == person_id)).one())


def set_time_zone(connection: Connection, author: Author, time_zone: str | None) -> None:
    """Choose a time zone (an IANA name) or none, with its audit event."""
    change_person(connection, author, {"time_zone": time_zone})


def change_person(connection: Connection, author: Author, values: Mapping[str, object]) -> None:
    """Set columns of a person's own row, with the audit event."""
    lock_person(connection, author.person_id)
    stored = profile_of(connection, author.person_id)._asdict()
    before = {name: stored[name] for name in values}
    own = _PERSON.c.id == author.person_id
    connection.execute(update(_PERSON).where(own).values(values))
    change = Change(author.who, author.at, "person", author.person_id, before, values)
    record_changes(connection, [change])
