"""The benchmark: `make bench`, or `python -m tests.bench --endorsees 10000 --mails 1000`."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.bench.desk import measure_desk
from tests.bench.imports import measure_imports
from tests.bench.mailing import measure_mailing
from tests.bench.measuring import heading, measure, say
from tests.bench.pages import measure_pages
from tests.support.postgres import running_server

_APPLICANTS = 10_000
_IMPORTED = 10_000
_DATABASES = 9


def main() -> None:
    """Measure on SQLite, then on PostgreSQL."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--endorsees", type=int, default=100_000)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=3_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--pages", action="store_true", help="measure nothing but the pages")
    parser.add_argument("--desk", action="store_true", help="measure nothing but the desk")
    chosen = parser.parse_args()
    if chosen.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            _measure(iter(_sqlite_urls(Path(folder))), chosen)
    if chosen.only != "sqlite":
        with _postgres_urls() as urls:
            _measure(urls, chosen)


def _measure(urls: Iterator[str], chosen: argparse.Namespace) -> None:
    if not (chosen.pages or chosen.desk):
        _measure_jobs(urls, chosen.endorsees, chosen.mails)
    measure_desk(urls)
    if not chosen.desk:
        measure_pages(urls, chosen.requests)


def _measure_jobs(urls: Iterator[str], endorsees: int, mails: int) -> None:
    url = next(urls)
    name = make_url(url).get_backend_name()
    heading(f"{name}: {endorsees:,} endorsees with 20 entries each")
    measure("tests.bench.work", "fill", url, str(endorsees), runs=1)
    full = measure("tests.bench.work", "night", url, runs=1)
    say("first night: all judged twice and stored", full)
    floor = measure("tests.bench.work", "bare", url)
    say("the floor: the bare aggregate", floor)
    evaluation = measure("tests.bench.work", "evaluate", url)
    say("evaluate all", evaluation, floor=floor, hold="hold 1.5 x, 128 MB")
    measure("tests.bench.work", "touch", url, runs=1)
    night = measure("tests.bench.work", "night", url, runs=1)
    say("a night in which 1 % changed", night, floor=evaluation, hold="hold 0.10 x evaluate all")
    tenth = next(urls)
    measure("tests.bench.work", "fill", tenth, str(endorsees // 10), runs=1)
    measure("tests.bench.work", "night", tenth, runs=1)
    say("evaluate a tenth", measure("tests.bench.work", "evaluate", tenth), hold="memory is flat")
    heading(f"{name}: {_APPLICANTS:,} applicants with 30 entries each")
    applied = next(urls)
    measure("tests.bench.work", "fill-applicants", applied, str(_APPLICANTS), runs=1)
    floor = measure("tests.bench.work", "bare-applicants", applied)
    say("the floor: the bare aggregate", floor)
    judged = measure("tests.bench.work", "readiness", applied)
    say("judge all applications", judged, floor=floor)
    heading(f"{name}: {mails:,} endorsees with a reminder due, whole commands, to a local sink")
    measure_mailing(next(urls), mails)
    measure_imports(urls, _IMPORTED)


def _sqlite_urls(folder: Path) -> Iterator[str]:
    for number in range(_DATABASES):
        yield f"sqlite:///{folder / f'{number}.db'}"


@contextmanager
def _postgres_urls() -> Iterator[Iterator[str]]:
    with running_server(durable=True) as server:
        yield _databases(server)


def _databases(server: str) -> Iterator[str]:
    for number in range(_DATABASES):
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE bench{number}".encode())
        url = make_url(server).set(drivername="postgresql+psycopg", database=f"bench{number}")
        yield url.render_as_string(hide_password=False)


if __name__ == "__main__":
    main()
