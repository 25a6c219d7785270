"""Reading what is typed on the command line."""

import gc
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Engine, select
from sqlmodel import Session

from tracker import clock
from tracker.db.engine import ensure_schema, open_engine
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.services.evaluation import days_at
from tracker.services.facts import make_id_table
from tracker.settings import Settings, load_settings

_BARE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_instant(text: str) -> datetime:
    """An ISO instant as aware UTC; without an offset it is UTC.

    A bare day is its last minute in UTC, when the same day has come in every zone of the
    Americas and its morning jobs are due. Raises ValueError, saying what would be right.
    """
    if _BARE_DAY.fullmatch(text):
        text += "T23:59+00:00"
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        # An overflow: in UTC it would be in a year that dates do not have.
        message = f"{text!r} is not an instant: write it as YYYY-MM-DDTHH:MM-05:00"
        raise ValueError(message) from error


def print_json_list(elements: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON list, an element a line as they come: a million need no memory.

    Days and instants are written in ISO form.
    """
    between = "["
    for element in elements:
        sys.stdout.write(f"{between}\n{json.dumps(element, default=str)}")
        between = ","
    sys.stdout.write("[]\n" if between == "[" else "\n]\n")


class AppContext(NamedTuple):
    """Everything a command works with."""

    settings: Settings
    rulebooks: Rulebooks
    engine: Engine


@contextmanager
def open_app() -> Iterator[AppContext]:
    """Open everything, and close the database at the end."""
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    url = settings.database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    # What is loaded stays: to look through it for garbage again and again takes a twentieth of an
    # evaluation.
    gc.freeze()
    try:
        yield AppContext(settings, rulebooks, engine)
    finally:
        engine.dispose()


_TABLE = "wanted"


class NotFound(UserError):  # noqa: N818 - reads as the sentence it prints
    """A name on the command line that nothing here has."""

    heading = "Not found:"


def day_of_each_association(tracker: AppContext, as_of: date | None) -> Callable[[str], date]:
    """Each association's as-of date: the day given, else its own today."""
    return (lambda _: as_of) if as_of else days_at(tracker.rulebooks, clock.now())


def check_association(tracker: AppContext, association: str | None) -> None:
    """Raise NotFound for an association that no rulebook is about."""
    if association is not None and association not in tracker.rulebooks.associations:
        known = ", ".join(tracker.rulebooks.associations)
        message = f"no rulebook is about {association!r}: there are {known}"
        raise NotFound(message)


def person_filter(
    session: Session, what: Literal["endorsement", "application"], email: str | None
) -> str | None:
    """The name of a temporary table with the ids of what the person has; None for everybody's.

    Raises NotFound where nobody with that address has any.
    """
    if not email:
        return None
    email = email.strip().lower()
    person, held = METADATA.tables["person"], METADATA.tables[what]
    theirs = (person.c.email == email) | (person.c.second_email == email)
    ids = session.scalars(
        select(held.c.id).join_from(held, person, person.c.id == held.c.person_id).where(theirs)
    ).all()
    if not ids:
        message = f"nobody with an {what} has the address {email!r}"
        raise NotFound(message)
    make_id_table(session, _TABLE, ids)
    return _TABLE
