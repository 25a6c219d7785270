"""What most commands start with: settings, rulebooks, the database, and common arguments."""

import gc
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine

from tracker import clock
from tracker.db.engine import ensure_schema, open_engine
from tracker.errors import UserError
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.services.evaluation import days_at
from tracker.settings import Settings, load_settings

_BARE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class UnknownName(UserError):  # noqa: N818 - reads as the sentence it prints
    """A name on the command line that this installation doesn't know."""

    heading = "Not found:"


class AppContext(NamedTuple):
    """What a command works with."""

    settings: Settings
    rulebooks: Rulebooks
    engine: Engine

    def check_association(self, association: str | None) -> None:
        """Raise UnknownName unless a rulebook has this association; None is every association."""
        if association is not None and association not in self.rulebooks.associations:
            known = ", ".join(self.rulebooks.associations)
            raise UnknownName(f"There is no rulebook for {association!r}. There are {known}.")

    def day_of_association(self, as_of: date | None) -> Callable[[str], date]:
        """A function from an association to its day: ``as_of``, or today in its time zone."""
        if as_of is not None:
            return lambda _association: as_of
        return days_at(self.rulebooks, clock.now())


@contextmanager
def open_app() -> Iterator[AppContext]:
    """Load settings and rulebooks, open the database, and close it at the end."""
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    url = settings.database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    # What is loaded now stays. Scanning it for garbage takes a twentieth of an evaluation.
    gc.freeze()
    try:
        yield AppContext(settings, rulebooks, engine)
    finally:
        engine.dispose()


def parse_instant(text: str) -> datetime:
    """An ISO instant as aware UTC; without an offset it is UTC.

    A bare day is its last minute in UTC. By then the same day has started in every time zone of the
    Americas, and its morning jobs are due. Raises ValueError, saying what would be right.
    """
    if _BARE_DAY.fullmatch(text):
        text += "T23:59+00:00"
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        # OverflowError: in UTC the instant is in a year that dates don't have.
        message = f"{text!r} is not an instant. Write it as YYYY-MM-DDTHH:MM-05:00"
        raise ValueError(message) from error


def print_json_list(elements: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON list, one element a line as they come, so that a million need no memory.

    Dates and instants are printed in ISO form.
    """
    separator = "["
    for element in elements:
        sys.stdout.write(f"{separator}\n{json.dumps(element, default=_to_iso)}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def _to_iso(value: date) -> str:
    return value.isoformat()
