"""The long form of a test of faults, as a command: so many rounds of it, on any database."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tracker.db.engine import migrate

Tally = TypeVar("Tally")


def run_long(
    told: str | None,
    numbers: Mapping[str, int],
    run: Callable[..., Tally],
    is_wrong: Callable[[Tally], object],
) -> None:
    """Run the long form, and end with 1 if anything is not as it should be.

    ``numbers`` are the options and what they are by default; ``run`` gets them by name, after the
    URL of a migrated database.
    """
    parser = argparse.ArgumentParser(description=told)
    for name, usual in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--database", help="an empty database; default: a new SQLite file")
    given = vars(parser.parse_args())
    named = given.pop("database")
    with tempfile.TemporaryDirectory() as folder:
        url = named or f"sqlite:///{Path(folder) / 'tracker.db'}"
        migrate(url)
        tally = run(url, **given)
    sys.stdout.write(f"{tally}\n")
    sys.exit(bool(is_wrong(tally)))
