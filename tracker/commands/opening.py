"""What most commands begin with: settings, rulebooks, and a database with the right schema."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Engine

from tracker.records.store.engine import ensure_schema, open_engine
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.settings import Settings, load_settings


class Opened(NamedTuple):
    """Everything a command works with."""

    settings: Settings
    books: Rulebooks
    engine: Engine


@contextmanager
def opened() -> Iterator[Opened]:
    """Open everything, and close the database at the end."""
    settings = load_settings()
    books = load_rulebooks(settings.config_dir)
    url = settings.database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    # What is loaded stays: to look through it for garbage again and again takes a twentieth of an
    # evaluation.
    gc.freeze()
    try:
        yield Opened(settings, books, engine)
    finally:
        engine.dispose()
