"""What a database's URL says without a database library, which takes a while to import."""

import re
from pathlib import Path
from urllib.parse import unquote

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///([^?]*)")


def find_sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for one in memory, and for other databases."""
    matched = _SQLITE.match(url)
    file = unquote(matched[1]) if matched else ""
    return None if file in {"", ":memory:"} else Path(file)
