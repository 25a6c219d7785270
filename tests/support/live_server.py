"""The site with a cast in it, on a real port."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.cast import BOOKS, NOW, fill
from tests.web.applicants import WithApplicants, fill_with_applicants
from tracker.db.engine import open_engine, writing
from tracker.db.migrate import migrate
from tracker.services.browser_sessions import create_browser_session
from tracker.web.app import build_app

_DATABASE = "tracker.db"


@dataclass
class LiveServer:
    """The site as a browser reaches it."""

    cast: WithApplicants
    url: str
    settle: Callable[[], None]
    ids: dict[str, Any] = field(default_factory=dict)

    def cookie(self, email: str) -> str:
        """The cookie of a fresh session."""
        with writing(self.cast.engine) as session:
            return create_browser_session(session, email, NOW)


def build_database(folder: Path) -> WithApplicants:
    """The cast and its applicants, in a new database in ``folder``, which nobody has open."""
    url = f"sqlite:///{folder / _DATABASE}"
    migrate(url)
    cast = fill_with_applicants(fill(url))
    cast.engine.dispose()
    return cast


@dataclass
class ServerPort:
    """An address at which one site after another is served."""

    base_url: str
    app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the present site answer."""
        assert self.app is not None, "no site is open here"
        await self.app(scope, receive, send)


@contextmanager
def open_port() -> Iterator[ServerPort]:
    """A port of this machine, without a site yet."""
    port = ServerPort(f"http://127.0.0.1:{free_port()}")
    with serving(port, port.base_url):
        yield port


@contextmanager
def open_server(
    folder: Path, built: WithApplicants | None = None, port: ServerPort | None = None
) -> Iterator[LiveServer]:
    """Serve the cast and its applicants: a copy of those ``built``, in ``folder``.

    At a ``port`` that is given, or at one of its own.
    """
    if port is None:
        with open_port() as own, open_server(folder, built, own) as server:
            yield server
        return
    found = built or build_database(folder)
    url = f"sqlite:///{folder / _DATABASE}"
    if built:
        shutil.copy(Path(built.url.removeprefix("sqlite:///")), folder / _DATABASE)
    cast = replace(found, url=url, engine=open_engine(url))
    settings = cast.settings.model_copy(update={"base_url": port.base_url})
    port.app = build_app(settings, cast.engine, BOOKS, now=lambda: NOW)
    settle = port.app.state.site.background.settle
    yield LiveServer(cast, port.base_url, settle)
    settle()
    cast.engine.dispose()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(app: ASGIApp, base_url: str) -> Iterator[None]:
    """Serve ``app`` at the port of ``base_url``, in a thread."""
    port = int(base_url.rpartition(":")[2])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join(10)
