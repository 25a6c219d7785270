"""`tracker demo`: the whole system on made-up people; no mail leaves the machine."""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine, func, select

from tracker import clock
from tracker.db.engine import ensure_schema, open_engine, reading
from tracker.db.tables import METADATA
from tracker.demo.mailbox import LOOPBACK, Mailbox, free_port, open_mailbox
from tracker.demo.mailbox import router as mailbox_pages
from tracker.demo.people import Cast, load_stories
from tracker.demo.stage import Address, demo_settings, fill, logins
from tracker.jobs.embedded import running
from tracker.jobs.runner import run_due
from tracker.jobs.schedule import Job
from tracker.logs import configure_logs, server_log_config
from tracker.mail.delivery import DeliveryReport, deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.settings import Settings, load_settings
from tracker.web.app import build_app

_USUAL_PORT = 8000


def run(port: int) -> None:
    """Fill an empty database, run everything, and serve until Ctrl-C."""
    # Ended by its supervisor or by Ctrl-C, it tidies up all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The demo speaks to whoever typed it; every job and request would drown that.
    configure_logs(logging.WARNING)
    # Also while it is still getting ready.
    with suppress(KeyboardInterrupt):
        _show(port)
    _say("The demo has ended.")


def _show(port: int) -> None:
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    page_port = _page_port(port)
    with _database(settings) as (url, folder), open_mailbox() as (mailbox, mail_port):
        # Whatever asks the settings where the data is must find the demo's.
        settings = settings.model_copy(update={"database_url": SecretStr(url)})
        ensure_schema(url)
        engine = open_engine(url)
        try:
            _refuse_people(engine)
            address = Address(LOOPBACK, page_port, mail_port)
            app = _prepare(settings, rulebooks, engine, folder, address, mailbox)
            _say(f"\n  The page:    {address.url}\n  The mailbox: {address.url}/demo/mail")
            _say(f"  The files that were imported: {folder}\n\n  Ctrl-C ends it.")
            _serve(app, address)
        finally:
            engine.dispose()


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
    with reading(engine) as session:
        people = session.scalar(select(func.count()).select_from(METADATA.tables["person"]))
    if people:
        sys.stderr.write(
            f"The database holds people already ({people}). The demo needs an empty one: unset "
            "TRACKER_DATABASE_URL, or name a new file.\n"
        )
        raise typer.Exit(1)


def _prepare(
    settings: Settings,
    rulebooks: Rulebooks,
    engine: Engine,
    folder: Path,
    address: Address,
    mailbox: Mailbox,
) -> FastAPI:
    """Import the roster, catch up on all that is due, deliver it, and build the page."""
    now = clock.now()
    today = min(clock.today(rulebook.time_zone) for rulebook in rulebooks.associations.values())
    stories = load_stories(settings.config_dir)
    settings = demo_settings(settings, rulebooks, stories, address)
    context = open_context(settings, rulebooks, engine)
    _say("Importing made-up people and judging their renewals …")
    cast = fill(context, engine, stories, folder, today=today, now=now)
    mailbox.refused, mailbox.refusal = cast.bouncing, stories.refusal
    server = parse_server(settings.smtp_url.get_secret_value())
    reports = [(ran.job, ran.report) for ran in run_due(context, now, clock.now)]
    delivered = asyncio.run(deliver_once(engine, server, settings.mail, clock.now))
    _say(_what_was_done(engine, cast, reports, delivered))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(context, engine, server, clock.now):
            yield

    people = logins(settings, rulebooks, cast)
    app = build_app(settings, engine, rulebooks, demo_people=people, lifespan=lifespan)
    app.state.mailbox = mailbox
    app.include_router(mailbox_pages)
    return app


def _what_was_done(
    engine: Engine,
    cast: Cast,
    reports: Sequence[tuple[Job, Mapping[str, object]]],
    delivered: DeliveryReport,
) -> str:
    with reading(engine) as session:
        judged = session.scalar(select(func.count()).select_from(METADATA.tables["standing"]))
    reminders, digests = (
        sum(int(str(report.get("messages", 0))) for job, report in reports if job is kind)
        for kind in (Job.NOTICES, Job.DIGEST)
    )
    came_back = f", {delivered.failed} came back" if delivered.failed else ""
    return (
        f"{cast.people} people imported, {judged} renewals judged.\n"
        f"{reminders} reminders and {digests} digests written; "
        f"{delivered.sent} are in the mailbox{came_back}."
    )


def _page_port(asked: int) -> int:
    """The port asked for; without one the usual port where it is free, else any."""
    with socket.socket() as probe:
        # As the server will: what a demo that has just ended leaves behind is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, asked or _USUAL_PORT))
        except (OSError, OverflowError) as error:
            if not asked:
                return free_port()
            sys.stderr.write(
                f"Port {asked} cannot be used ({error}). Name another with --port, or none.\n"
            )
            raise typer.Exit(1) from None
    return asked or _USUAL_PORT


def _serve(app: FastAPI, address: Address) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=address.host,
            port=address.web_port,
            log_config=server_log_config(),
            log_level="warning",
            access_log=False,
        )
    )
    # uvicorn shuts down in order, and then raises the signal that it caught again.
    server.run()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
