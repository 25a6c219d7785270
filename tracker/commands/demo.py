"""`tracker demo`: the whole system on made-up people; no mail leaves the machine."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
import typer
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, func, select

from tracker import clock
from tracker.demo.mailbox import LOOPBACK, free_port, open_mailbox
from tracker.demo.mailbox import router as mailbox_pages
from tracker.demo.stage import Address, demo_settings, fill, logins
from tracker.demo.stories import load_stories
from tracker.jobs.embedded import running
from tracker.jobs.office import open_office
from tracker.jobs.run_due import run_due
from tracker.mail.server import parse_server
from tracker.mail.smtp import deliver_once
from tracker.records.engine import ensure_schema, open_engine, reading
from tracker.records.tables import METADATA
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.settings import Settings, load_settings
from tracker.web.app import build_app

_USUAL_PORT = 8000


def run(port: int) -> None:
    """Fill an empty database, run everything, and serve until Ctrl-C."""
    # Ended by its supervisor or by Ctrl-C, it tidies up all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_settings()
    books = load_rulebooks(settings.config_dir)
    # The demo speaks to whoever typed it; every job and request would drown that.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with _database(settings) as (url, folder), open_mailbox() as (mailbox, mail_port):
        ensure_schema(url)
        engine = open_engine(url)
        try:
            _refuse_people(engine)
            address = Address(LOOPBACK, port or _page_port(), mail_port)
            app = asyncio.run(_prepare(settings, books, engine, folder, address))
            app.state.mailbox = mailbox
            app.include_router(mailbox_pages)
            _say(f"\n  The page:    {address.url}\n  The mailbox: {address.url}/demo/mail")
            _say(f"  The files that were imported: {folder}\n\n  Ctrl-C ends it.")
            _serve(app, address)
        finally:
            engine.dispose()
    _say("The demo has ended.")


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Where the demo's data goes: a folder that is gone afterwards, or the database named."""
    with tempfile.TemporaryDirectory(prefix="tracker-demo-") as name:
        folder = Path(name)
        if "TRACKER_DATABASE_URL" in os.environ:
            yield settings.database_url.get_secret_value(), folder
        else:
            yield f"sqlite:///{folder / 'demo.db'}", folder


def _refuse_people(engine: Engine) -> None:
    with reading(engine) as connection:
        people = connection.scalar(select(func.count()).select_from(METADATA.tables["person"]))
    if people:
        sys.stderr.write(
            f"The database holds {people} people already. The demo needs an empty one: unset "
            "TRACKER_DATABASE_URL, or name a new file.\n"
        )
        raise typer.Exit(1)


async def _prepare(
    settings: Settings, books: Rulebooks, engine: Engine, folder: Path, address: Address
) -> FastAPI:
    """Import the roster, catch up on all that is due, deliver it, and build the page."""
    now = clock.now()
    today = min(clock.today(book.time_zone) for book in books.associations.values())
    stories = load_stories(settings.config_dir)
    settings = demo_settings(settings, books, stories, address)
    _say("Importing made-up people and judging their renewals …")
    cast = fill(engine, books, stories, folder, today=today, now=now)
    office = open_office(settings, books, engine)
    server = parse_server(settings.smtp_url.get_secret_value())
    reports = [(ran.job.value, ran.report) for ran in run_due(office, now, clock.now)]
    written = {
        job: sum(int(str(report.get("messages", 0))) for name, report in reports if name == job)
        for job in ("notices", "digest")
    }
    delivered = await deliver_once(engine, server, settings.mail, clock.now)
    _say(
        f"{len(cast.endorsees)} endorsees, {len(cast.providers)} providers; {written['notices']} "
        f"reminders and {written['digest']} digests written, {delivered.sent} mails delivered."
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(office, engine, server, clock.now):
            yield

    return build_app(
        settings, engine, books, demo_people=logins(settings, books, cast), lifespan=lifespan
    )


def _page_port() -> int:
    """The usual port where it is free, else any."""
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, _USUAL_PORT))
        except OSError:
            return free_port()
    return _USUAL_PORT


def _serve(app: FastAPI, address: Address) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            app, host=address.host, port=address.web_port, log_level="warning", access_log=False
        )
    )
    try:
        server.run()
    except KeyboardInterrupt:
        # uvicorn has shut down in order, and then raises the signal that it caught again.
        return


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
