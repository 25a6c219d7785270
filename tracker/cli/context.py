"""What most commands start with: settings, rulebooks, the database, and common arguments."""

import gc
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from operator import methodcaller
from typing import Any, NamedTuple

from sqlalchemy import Engine

from tracker import clock
from tracker.database_urls import find_sqlite_file
from tracker.db.engine import open_engine
from tracker.db.in_use import using
from tracker.db.schema import require_schema, schema_version
from tracker.errors import UserError
from tracker.rulebooks import Rulebooks, check_own_settings, load_rulebooks
from tracker.services.evaluation import days_at
from tracker.settings import Settings, load_settings

# Of dates and instants.
_TO_ISO = methodcaller("isoformat")


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


def is_terminal() -> bool:
    """Whether a person can answer a question."""
    # A process can be started without a standard input.
    return sys.stdin is not None and sys.stdin.isatty()


def ensure_schema(url: str) -> None:
    """Create the schema in an empty database; refuse one that is older or another program's.

    Raises SchemaError, saying what to do.
    """
    if file := find_sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    if schema_version(url) is None:
        # Alembic would cost every other command its time and memory.
        from tracker.db.migrate import migrate

        migrate(url)
    else:
        require_schema(url)


@contextmanager
def open_database(settings: Settings, *, is_first: bool = False) -> Iterator[Engine]:
    """Open the database, and close it at the end.

    ``is_first``: what a new installation begins with, so a missing database is made. All other
    commands refuse one: its URL is wrong. Raises SchemaError for that and for another schema, and
    InUse while `tracker upgrade` works.
    """
    url = settings.database_url.get_secret_value()
    with using(url, is_first=is_first):
        if is_first:
            ensure_schema(url)
        else:
            require_schema(url)
        engine = open_engine(url, master_key=settings.installation_key)
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def open_app(*, is_first: bool = False) -> Iterator[AppContext]:
    """Load settings and rulebooks, open the database, and close it at the end.

    ``is_first`` and errors are those of `open_database`.
    """
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    check_own_settings(settings, rulebooks.associations)
    with open_database(settings, is_first=is_first) as engine:
        # What is loaded now stays. Scanning it for garbage takes a twentieth of an evaluation.
        gc.freeze()
        yield AppContext(settings, rulebooks, engine)


def print_json_list(elements: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON list, one element a line as they come, so that a million need no memory.

    Dates and instants are printed in ISO form.
    """
    separator = "["
    for element in elements:
        sys.stdout.write(f"{separator}\n{json.dumps(element, default=_TO_ISO)}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")
