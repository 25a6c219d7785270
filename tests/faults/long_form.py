"""The long form of a test of faults, as a command: so many rounds of it, on any database."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.databases import postgres_database, sqlalchemy_url
from tests.support.postgres import client_programs, running_server
from tracker.db.migrate import migrate


@dataclass(frozen=True)
class Fault:
    """What is tried again and again: a module of this package has it as ``FAULT``.

    ``run`` gets the URL of a migrated database without rows, and ``numbers`` by name (here: those
    of the long form, first how often). It returns a tally: a dataclass of counts, first how often
    it was tried. ``is_wrong`` says whether the promise was broken.
    """

    run: Callable[..., Any]
    numbers: Mapping[str, int]
    is_wrong: Callable[[Any], object]


def run_long(told: str | None, fault: Fault) -> None:
    """Run the long form, and end with 1 if anything is not as it should be.

    The numbers are options.
    """
    parser = argparse.ArgumentParser(description=told)
    for name, usual in fault.numbers.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--database", help="an empty database; default: a new SQLite file")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own")
    given = vars(parser.parse_args())
    named, on_postgres = given.pop("database"), given.pop("postgres")
    with new_sqlite() as file, new_server(wanted=on_postgres) as of_server:
        url = named or of_server or file
        migrate(url)
        tally = fault.run(url, **given)
    sys.stdout.write(f"{tally}\n")
    sys.exit(bool(fault.is_wrong(tally)))


@contextmanager
def new_sqlite() -> Iterator[str]:
    """URL of an SQLite file that is not there yet, and is removed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'tracker.db'}"


@contextmanager
def new_server(*, wanted: bool) -> Iterator[str | None]:
    """URL of an empty database on a new PostgreSQL server, if one is wanted."""
    if not wanted:
        yield None
        return
    programs = f"{client_programs()}{os.pathsep}{os.environ['PATH']}"
    with (
        patch.dict(os.environ, {"PATH": programs}),
        running_server(durable=True) as server,
        postgres_database(server) as name,
    ):
        yield sqlalchemy_url(server, name)
