"""The day of many associations: one embedded process, and 1, 2, and 4 workers, in one run.

``python -m tests.bench --workers --associations 40 --endorsees 1000`` fills a database of
PostgreSQL once and copies it for each line. A line is timed from the start of the processes until
every job of every association is done, and all mail has been taken by a local server.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tests.bench.mailing import running_sink
from tests.bench.measuring import Figure, heading, say
from tests.bench.population import ASSOCIATION, PROVIDERS, fill
from tests.rules.case_data import TESTS
from tests.support.databases import sqlalchemy_url
from tests.support.postgres import running_server
from tracker.db.engine import libpq_url, open_engine
from tracker.db.migrate import migrate
from tracker.jobs.schedule import Job

CONFIG = TESTS.parent / "config"
WORKERS = (1, 2, 4)
_PORT = "18321"
_LONGEST = 3_600.0
_SPREAD = """
    UPDATE {table} SET {column} = 'A' || (person_id % {associations})
    WHERE person_id > {providers}
"""


def measure_workers(associations: int, endorsees: int) -> None:
    """Fill the associations with so many endorsees each, and print a line for each arrangement."""
    heading(f"postgresql: a day of {associations} associations with {endorsees:,} endorsees each")
    with ExitStack() as stack:
        server = stack.enter_context(running_server(durable=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write_rulebooks(folder, associations)
        _fill(sqlalchemy_url(server, _create(server, "filled")), associations, endorsees)
        total = associations * endorsees
        embedded = _measure(server, folder, "embedded", ["serve"], associations)
        say("tracker serve (embedded)", embedded._replace(done=total))
        for number in WORKERS:
            figure = _measure(server, folder, f"w{number}", ["worker"] * number, associations)
            name = f"tracker worker x {number}"
            faster = f"{embedded.seconds / figure.seconds:.2f} x as fast by the clock"
            say(f"{name}, {faster}", figure._replace(done=total))


def _write_rulebooks(folder: Path, associations: int) -> None:
    """A rulebook for each association: the real one of another name."""
    (folder / "rulebooks").mkdir()
    (folder / "notices.toml").write_bytes((CONFIG / "notices.toml").read_bytes())
    organizations = (CONFIG / "organizations.toml").read_text()
    text = (CONFIG / "rulebooks" / "ncimha.toml").read_text()
    for number in range(associations):
        (folder / "rulebooks" / f"a{number}.toml").write_text(
            text.replace(ASSOCIATION, f"A{number}")
        )
        organizations += (
            f'\n[[organizations]]\nid = "A{number}"\nname = "Association {number}"\n'
            "infant_mental_health = true\n"
        )
    (folder / "organizations.toml").write_text(organizations)


def _create(server: str, name: str, template: str = "template0") -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return name


def _fill(url: str, associations: int, endorsees: int) -> None:
    migrate(url)
    engine = open_engine(url)
    fill(engine, associations * endorsees)
    with engine.begin() as connection:
        for table, column in (("endorsement", "association"), ("membership", "organization")):
            numbers = {"associations": associations, "providers": PROVIDERS}
            statement = _SPREAD.format(table=table, column=column, **numbers)
            connection.exec_driver_sql(statement.replace("%", "%%"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _measure(
    server: str, folder: Path, name: str, commands: list[str], associations: int
) -> Figure:
    """How long these processes take for the day; their largest memory; messages sent."""
    url = sqlalchemy_url(server, _create(server, name, "filled"))
    with ExitStack() as stack:
        port = stack.enter_context(running_sink())
        environment = {
            **os.environ,
            "TRACKER_CONFIG_DIR": str(folder),
            "TRACKER_DATABASE_URL": url,
            "TRACKER_MASTER_KEY": "k" * 32,
            "TRACKER_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
            "TRACKER_SCHEDULE__TICK_SECONDS": "5",
            "TRACKER_WEB__PORT": _PORT,
        }
        began = time.perf_counter()
        processes = [stack.enter_context(_process(command, environment)) for command in commands]
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            _wait_until_done(connection, associations * len(Job))
        seconds = time.perf_counter() - began
        memory = max(_peak(process.pid) for process in processes)
        cpu = sum(_processor_seconds(process.pid) for process in processes)
    return Figure(cpu, seconds, memory, 0)


def _wait_until_done(connection: psycopg.Connection, runs: int) -> None:
    """Wait until all runs are recorded and nothing waits to be sent."""
    until = time.monotonic() + _LONGEST
    query = (
        "SELECT (SELECT count(DISTINCT (job, association)) FROM run_ledger),"
        " (SELECT count(*) FROM outbox WHERE state <> 'sent')"
    )
    while connection.execute(query).fetchone() != (runs, 0):
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.2)


def _processor_seconds(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


@contextmanager
def _process(command: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-m", "tracker", command], env=environment, stdout=quiet, stderr=quiet
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
