"""What a database's URL says without a database library, which takes a while to import."""

import re
from pathlib import Path
from urllib.parse import unquote

# How a database URL is written, for people who wrote it otherwise.
DATABASE_URL_FORMS = (
    "sqlite:////var/lib/tracker/tracker.db or postgresql+psycopg://user:password@host/database"
)
_FORMS = re.compile(r"(sqlite(\+pysqlite)?:///|postgresql(\+psycopg)?://).")
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///([^?]*)")


def is_database_url(url: str) -> bool:
    """Whether a URL begins as those of the databases that this program works with.

    Not one in memory, which every connection would find empty.
    """
    is_known, is_sqlite = _FORMS.match(url), _SQLITE.match(url)
    return is_known is not None and (not is_sqlite or find_sqlite_file(url) is not None)


def find_sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for one in memory, and for other databases."""
    matched = _SQLITE.match(url)
    file = unquote(matched[1]) if matched else ""
    return None if file in {"", ":memory:"} else Path(file)
