"""The benchmark: `make bench`, or `python -m tests.bench --endorsees 10000 --mails 1000`."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.bench.desk import measure_desk
from tests.bench.evaluating import measure_evaluation
from tests.bench.imports import measure_imports
from tests.bench.mailing import measure_mailing
from tests.bench.measuring import Hold, heading, measure, say, say_machine
from tests.bench.pages import measure_pages
from tests.bench.workers import measure_workers
from tests.support.postgres import running_server

_IMPORTED = 10_000
# The steps between the sizes whose growth is shown.
_STEP = 10
# As the largest of today's associations.
_OF_ONE_ASSOCIATION = 1_000
_DATABASES = 20


def main() -> None:
    """Measure on SQLite, then on PostgreSQL."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--endorsees", type=int, default=100_000)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--applicants", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=3_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--pages", action="store_true", help="measure nothing but the pages")
    parser.add_argument("--workers", action="store_true", help="measure nothing but workers")
    parser.add_argument("--associations", type=int, default=40, help="of --workers")
    parser.add_argument("--desk", action="store_true", help="measure nothing but the desk")
    parser.add_argument("--jobs", action="store_true", help="measure nothing but jobs and mail")
    chosen = parser.parse_args()
    say_machine()
    if chosen.workers:
        measure_workers(chosen.associations, min(chosen.endorsees, _OF_ONE_ASSOCIATION))
        return
    if chosen.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            _measure(iter(_sqlite_urls(Path(folder))), chosen)
    if chosen.only != "sqlite":
        with _postgres_urls() as urls:
            _measure(urls, chosen)


def _measure(urls: Iterator[str], chosen: argparse.Namespace) -> None:
    if not (chosen.pages or chosen.desk):
        measure_evaluation([(size, next(urls)) for size in _sizes(chosen.endorsees)])
        _measure_applicants(next(urls), chosen.applicants)
        measure_mailing([(size, next(urls)) for size in _sizes(chosen.mails)])
        measure_imports(urls, _IMPORTED)
    if not (chosen.pages or chosen.jobs):
        measure_desk(urls)
    if not (chosen.desk or chosen.jobs):
        measure_pages(urls, chosen.requests)


def _sizes(largest: int) -> list[int]:
    """Three sizes, each ten times the one before; the largest last."""
    return [largest // _STEP**2, largest // _STEP, largest]


def _measure_applicants(url: str, applicants: int) -> None:
    heading(f"{make_url(url).get_backend_name()}: {applicants:,} applicants with 30 entries each")
    measure("tests.bench.work", "fill-applicants", url, str(applicants), runs=1)
    floor = measure("tests.bench.work", "bare-applicants", url)
    say("the floor: one aggregate over the same tables", floor)
    judged = measure("tests.bench.work", "readiness", url)
    say("judge all applications", judged, floor=floor, hold=Hold(most=3, megabytes=128))


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
