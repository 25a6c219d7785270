"""Hold many slow forms open, and count the pages that others get meanwhile.

``python -m tests.faults.slow_forms --forms 1100 --clients 4 --seconds 45``; the test suite holds
a few. Each client sends from an address of its own of this machine (Linux). Half of the forms stop
within their headers, half after the first byte of fifty; every second one of all drips on.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.long_form import Fault, run_long
from tests.support.live_server import free_port

_FIRST_CLIENT = 2
_PAGES = 20
_TIMEOUT = 5
_HEADERS = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
_FORM = _HEADERS + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\ne"


@dataclass
class Tally:
    """What became of the forms, and of the pages that somebody else asked for meanwhile.

    ``held`` connections were still open at the end. ``most_files`` are the files that the server
    had open, ``lines`` those of its log.
    """

    pages: int = 0
    failed: int = 0
    held: int = 0
    most_files: int = 0
    lines: int = 0


def run(database_url: str, forms: int, clients: int, seconds: int) -> Tally:
    """Open so many slow forms, and keep them for so many seconds."""
    tally = Tally()
    with tempfile.TemporaryFile() as log, served(database_url, log.fileno()) as (port, process):
        files = Path(f"/proc/{process.pid}/fd")
        opened = [open_form(port, number, clients) for number in range(forms)]
        ends = time.monotonic() + seconds
        while True:
            for _ in range(_PAGES):
                tally.pages += 1
                try:
                    urllib.request.urlopen(
                        f"http://127.0.0.1:{port}/sign-in", timeout=_TIMEOUT
                    ).close()
                except OSError:
                    tally.failed += 1
            tally.most_files = max(tally.most_files, len([*files.iterdir()]))
            if time.monotonic() >= ends:
                break
            time.sleep(1)
            for form in opened[::2]:
                with suppress(OSError):
                    form.send(b"e")
        tally.held = sum(is_open(form) for form in opened)
        for form in opened:
            form.close()
        log.seek(0)
        tally.lines = len(log.readlines())
    return tally


@contextmanager
def served(database_url: str, log: int) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """`tracker serve` on a port, writing its log to the file ``log``."""
    port = free_port()
    environment = {
        **os.environ,
        "TRACKER_DATABASE_URL": database_url,
        "TRACKER_BASE_URL": f"http://127.0.0.1:{port}",
        "TRACKER_WEB__PORT": str(port),
    }
    command = [sys.executable, "-m", "tracker", "serve"]
    process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
    try:
        while not shows_page(port, "/healthz"):
            time.sleep(0.1)
            assert process.poll() is None, "the server ended"
        yield port, process
    finally:
        process.kill()
        process.wait()


def shows_page(port: int, path: str) -> bool:
    """Whether a page is there for somebody who asks now."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def open_form(port: int, number: int, clients: int) -> socket.socket:
    """A connection that has sent only a part of a form."""
    address = f"127.0.0.{_FIRST_CLIENT + number % clients}"
    form = socket.create_connection(("127.0.0.1", port), _TIMEOUT, (address, 0))
    with suppress(OSError):
        form.sendall(_HEADERS if number // clients % 2 else _FORM)
    return form


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has not closed a connection; what it has sent is read."""
    connection.settimeout(0)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


FAULT = Fault(run, {"forms": 1100, "clients": 4, "seconds": 45}, lambda found: found.failed)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
