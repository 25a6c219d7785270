"""`tracker demo` as a newcomer runs it: a process of its own, ended by Ctrl-C."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import insert, text

from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.demo.mailbox import free_port
from tracker.settings import configuration_folder

TRACKER = [sys.executable, "-c", "from tracker.cli.main import main; main()"]


def demo(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command, started."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACKER_")}
    return subprocess.Popen(
        [*TRACKER, "demo", *arguments],
        cwd=folder,
        env={**inherited, "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A configuration whose demo has few people, so that it starts sooner, as a variable."""
    folder = tmp_path_factory.mktemp("configuration") / "config"
    shutil.copytree(configuration_folder(), folder)
    roster = folder / "demo" / "roster.toml"
    text = roster.read_text(encoding="utf-8")
    changed = text.replace("endorsees_per_association = 50", "endorsees_per_association = 20")
    assert changed != text
    roster.write_text(changed, encoding="utf-8")
    return {"TRACKER_CONFIG_DIR": str(folder)}


@contextmanager
def running_demo(
    folder: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo on any free port, and its address, once it has printed it."""
    process = demo(folder, *arguments, **environment)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"The pages: +(http://\S+)", line):
                for rest in process.stdout:
                    if "Ctrl-C" in rest:
                        break
                yield process, found[1]
                break
        else:
            pytest.fail("the demo ended before it was ready")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def answering(address: str) -> httpx2.Client:
    """A client that tries again until the page listens, which follows its announcement."""
    return httpx2.Client(
        base_url=address,
        transport=httpx2.HTTPTransport(retries=8),
        headers={"origin": address},
        follow_redirects=True,
    )


def test_the_demo_runs_and_ends_cleanly(tmp_path: Path) -> None:
    with running_demo(tmp_path) as (process, address), answering(address) as client:
        assert "Open as" in client.get("/").text
        mailbox = client.get("/demo/mail").text
        # Every season has people whose membership lapsed; the subjects of the others differ.
        assert "needs you" in mailbox or "need you" in mailbox
        assert mailbox.count("/demo/mail/") > 30
        assert (
            client.get("/demo/mail/0/html").headers["content-security-policy"].endswith("sandbox")
        )
        assert client.get("/demo/mail/99999").status_code == 404
        assert "NCIMHA" in client.post("/demo/open/2").text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_demo_can_end_while_starting(tmp_path: Path) -> None:
    process = demo(tmp_path)
    assert process.stdout is not None
    assert "Importing" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest.splitlines()[-1]) == (0, "The demo has ended.")
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_a_named_database_is_kept(few: dict[str, str], sqlite_url: str, tmp_path: Path) -> None:
    elsewhere = {
        **few,
        "TRACKER_DATABASE_URL": sqlite_url,
        "TRACKER_SMTP_URL": "smtp://192.0.2.1:25",
    }
    with running_demo(tmp_path, **elsewhere) as (process, address), answering(address) as client:
        assert "messages arrived" in client.get("/demo/mail").text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    engine = open_engine(sqlite_url)
    with reading(engine) as session:
        assert session.scalar(text("SELECT COUNT(*) FROM person"))
        states = set(session.scalars(text("SELECT state FROM outbox")))
    engine.dispose()
    # Those that the demo's own mail server refuses, as a bouncing address would be.
    assert states == {"sent", "failed"}


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = demo(tmp_path, "--port", str(port))
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.startswith(f"Port {port} can't be used")
    assert said.count("\n") == 1


def test_its_supervisor_sets_the_port_and_ends_it(few: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    with running_demo(tmp_path, **few, TRACKER_WEB__PORT=str(port)) as (process, address):
        assert address.endswith(f":{port}")
        with answering(address) as client:
            assert client.get("/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_set_but_taken_is_named(few: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = demo(tmp_path, TRACKER_WEB__PORT=port)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert said.startswith(f"Port {port} can't be used")
        with running_demo(tmp_path, "--port", "0", **few, TRACKER_WEB__PORT=port) as (
            other,
            address,
        ):
            assert not address.endswith(f":{port}")
            other.send_signal(signal.SIGINT)
            assert other.wait(timeout=10) == 0


def test_it_refuses_a_database_with_people_in_it(sqlite_url: str, tmp_path: Path) -> None:
    engine = open_engine(sqlite_url)
    with writing(engine) as session:
        session.connection().execute(
            insert(METADATA.tables["person"]).values(
                email="ann@example.org", name="Ann", highest_degree="none", provides_rsc=False
            )
        )
    engine.dispose()
    finished = subprocess.run(
        [*TRACKER, "demo"],
        cwd=tmp_path,
        env={**os.environ, "TRACKER_DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert "already has 1 person" in finished.stderr
