"""Which association, person and day a listing is about, as the command line says it."""

from collections.abc import Callable
from datetime import date
from typing import Literal

from sqlalchemy import Connection, select

from tracker import clock
from tracker.commands.opening import Opened
from tracker.records.judging.evaluation import days_at
from tracker.records.judging.facts import make_id_table
from tracker.records.schema.tables import METADATA

_TABLE = "wanted"


class Unknown(Exception):  # noqa: N818 - reads as the sentence it prints
    """A name on the command line that nothing here has."""


def days_asked(tracker: Opened, as_of: date | None) -> Callable[[str], date]:
    """Each association's as-of date: the day given, else its own today."""
    return (lambda _: as_of) if as_of else days_at(tracker.books, clock.now())


def check_association(tracker: Opened, association: str | None) -> None:
    """Raise Unknown for an association that no rulebook is about."""
    if association is not None and association not in tracker.books.associations:
        known = ", ".join(tracker.books.associations)
        message = f"no rulebook is about {association!r}: there are {known}"
        raise Unknown(message)


def only_of(
    connection: Connection, what: Literal["endorsement", "application"], email: str | None
) -> str | None:
    """The name of a temporary table with the ids of what the person has; None for everybody's.

    Raises Unknown where nobody with that address has any.
    """
    if not email:
        return None
    email = email.strip().lower()
    person, held = METADATA.tables["person"], METADATA.tables[what]
    theirs = (person.c.email == email) | (person.c.second_email == email)
    ids = connection.scalars(
        select(held.c.id).join_from(held, person, person.c.id == held.c.person_id).where(theirs)
    ).all()
    if not ids:
        message = f"nobody with an {what} has the address {email!r}"
        raise Unknown(message)
    make_id_table(connection, _TABLE, ids)
    return _TABLE
