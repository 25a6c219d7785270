"""Uploads on a running server: little memory, places for everybody, and one total deadline."""

import socket
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cast import ALICE, BOB
from tests.support.files import PDF
from tests.support.live_server import LiveServer, open_server
from tests.web.client import TRAINING
from tracker.web import middleware

PART = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.pdf"\r\n\r\n'
MEGABYTE = 1024 * 1024


def start_upload(live: LiveServer, email: str, begin: bytes, length: int) -> socket.socket:
    """A connection that has sent the beginning of a form with files."""
    port = int(live.url.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), 10)
    head = (
        f"POST /log HTTP/1.1\r\nHost: x\r\nOrigin: {live.url}\r\n"
        f"Cookie: session={live.cookie(email)}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    connection.sendall(head.encode() + begin)
    return connection


def whole_form() -> bytes:
    """A session with a file that is too large for memory."""
    fields = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in TRAINING.items()
    )
    return fields + PART % b"files" + PDF + b" " * 1_000 + b"\r\n--x--\r\n" + b" " * 70_000


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(1000).split()[1])


def test_files_that_come_take_no_memory(tmp_path: Path) -> None:
    with open_server(tmp_path) as live, ExitStack() as opened:
        parts = PART % b"files" + b"x" * MEGABYTE + b"\r\n"
        tracemalloc.start()
        try:
            for email in (ALICE, BOB):
                for _ in range(2):
                    upload = start_upload(live, email, b"", 30 * MEGABYTE)
                    opened.enter_context(upload)
                    for _ in range(8):
                        upload.sendall(parts)
            time.sleep(0.2)
            assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
        finally:
            tracemalloc.stop()


def test_files_of_unknown_fields_are_dropped(tmp_path: Path) -> None:
    other = (PART % b"other" + b"x" * MEGABYTE + b"\r\n") * 25
    body = other + whole_form()
    with open_server(tmp_path) as live, start_upload(live, ALICE, body, len(body)) as upload:
        assert status_of(upload) == 303
        [file] = live.cast.rows("evidence")
        assert file["name"] == "a.pdf"


def test_more_files_than_places_for_them_are_refused(tmp_path: Path) -> None:
    body = (PART % b"files" + b"x" * 5_000 + b"\r\n") * 21 + b"--x--"
    with open_server(tmp_path) as live, start_upload(live, ALICE, body, len(body)) as upload:
        assert status_of(upload) == 413


def test_one_person_leaves_upload_places_to_others(tmp_path: Path) -> None:
    body = whole_form()
    with open_server(tmp_path) as live, ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(start_upload(live, ALICE, body[:100], len(body)))
        time.sleep(0.2)
        third = opened.enter_context(start_upload(live, ALICE, body, len(body)))
        assert status_of(third) == 429
        others = opened.enter_context(start_upload(live, BOB, body, len(body)))
        assert status_of(others) == 303


def test_an_upload_has_one_total_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_BODY_SECONDS", 0.5)
    body = whole_form()
    with (
        open_server(tmp_path) as live,
        start_upload(live, ALICE, PART % b"files", len(body)) as upload,
    ):
        began = time.monotonic()
        upload.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() < began + 10:
            upload.sendall(b"-")
            try:
                answer = upload.recv(100)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 5
