"""`tracker demo`: the whole system with made-up people. No mail leaves the machine."""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import func, select

from tracker import clock
from tracker.cli.context import AppContext, open_database
from tracker.cli.desk_work import BATCHES
from tracker.db.engine import reading
from tracker.db.ledgers import StandingRow
from tracker.db.people import Person
from tracker.demo.mailbox import LOOPBACK, Mailbox, free_port, open_mailbox
from tracker.demo.mailbox import router as mailbox_router
from tracker.demo.people import create_cast
from tracker.demo.sample_list import SAMPLE_LIST
from tracker.demo.stage import Address, demo_settings, fill, list_logins
from tracker.demo.stories import add_made_up_rulebooks, load_stories
from tracker.formatting import format_count
from tracker.jobs.embedded import running
from tracker.jobs.runner import run_due
from tracker.jobs.schedule import Job
from tracker.logs import configure_logs, server_log_config
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context
from tracker.rulebooks import check_own_settings, load_rulebooks
from tracker.settings import load_settings
from tracker.web.app import build_app
from tracker.web.connections import limited_protocol

_DEFAULT_PORT = 8000


def run(port: int | None) -> None:
    """Fill an empty database, run everything, and serve until Ctrl-C.

    Without ``port``, the setting `[web] port` holds if there is one; otherwise, and for 0, any
    free port.
    """
    # SIGTERM cleans up like Ctrl-C, also while the demo is still starting.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Every job and request would bury the few lines that the demo prints.
    configure_logs(logging.WARNING)
    with suppress(KeyboardInterrupt):
        _run_demo(port)
    _print("The demo has ended.")


def _run_demo(port: int | None) -> None:
    settings = load_settings()
    rulebooks = add_made_up_rulebooks(load_rulebooks(settings.config_dir), settings.config_dir)
    check_own_settings(settings, rulebooks.associations)
    is_set = "port" in settings.web.model_fields_set
    web_port = _find_port(settings.web.port if port is None and is_set else port or 0)
    with tempfile.TemporaryDirectory(prefix="tracker-demo-") as name:
        folder = Path(name)
        if "TRACKER_DATABASE_URL" not in os.environ:
            demo_url = SecretStr(f"sqlite:///{folder / 'demo.db'}")
            settings = settings.model_copy(update={"database_url": demo_url})
        with open_database(settings, is_first=True) as engine:
            _refuse_database_with_people(engine)
            with open_mailbox() as (mailbox, mail_port):
                address = Address(LOOPBACK, web_port, mail_port)
                app = _prepare(AppContext(settings, rulebooks, engine), folder, address, mailbox)
                _print(f"\n  The pages:   {address.url}\n  The mailbox: {address.url}/demo/mail")
                _print(f"  The imported files: {folder}")
                _print(f"  A list to try Import with: {folder / SAMPLE_LIST}")
                _print("\n  Press Ctrl-C to end the demo.")
                config = uvicorn.Config(
                    app,
                    host=address.host,
                    port=address.web_port,
                    log_config=server_log_config(),
                    log_level="warning",
                    access_log=False,
                    http=limited_protocol(settings.web),
                )
                # uvicorn shuts down in order, and then raises the signal again.
                uvicorn.Server(config).run()


def _refuse_database_with_people(engine: Engine) -> None:
    with reading(engine) as session:
        people = session.exec(select(func.count()).select_from(Person)).one()
    if people:
        sys.stderr.write(
            f"The database already has {format_count(people, 'person', 'people')}. The demo needs "
            "an empty one: unset TRACKER_DATABASE_URL, or name a new file.\n"
        )
        raise typer.Exit(1)


def _prepare(tracker: AppContext, folder: Path, address: Address, mailbox: Mailbox) -> FastAPI:
    """Import the roster, catch up on everything that is due, deliver it, and build the app."""
    rulebooks, engine = tracker.rulebooks, tracker.engine
    now = clock.now()
    stories = load_stories(tracker.settings.config_dir)
    settings = demo_settings(tracker.settings, rulebooks, stories, address)
    context = open_context(settings, rulebooks, engine)
    _print("Importing made-up people and evaluating their renewals …")
    cast = create_cast(rulebooks, stories, now)
    fill(context, engine, cast, folder)
    mailbox.refused, mailbox.refusal = cast.bouncing_addresses(), stories.refusal
    messages = dict.fromkeys(Job, 0)
    for finished in run_due(context, now, clock.now):
        messages[finished.job] += int(str(finished.report.get("messages", 0)))
    server = parse_server(settings.smtp_url.get_secret_value())
    delivered = asyncio.run(deliver_once(engine, server, settings.mail, clock.now))
    with reading(engine) as session:
        renewals = session.exec(select(func.count()).select_from(StandingRow)).one()
    bounced = f", {delivered.failed} bounced" if delivered.failed else ""
    _print(
        f"{cast.count_people()} people imported, {renewals} renewals evaluated.\n"
        f"{messages[Job.NOTICES]} reminders and {messages[Job.DIGEST]} digests written; "
        f"{delivered.sent} are in the mailbox{bounced}."
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(context, engine, server, clock.now, BATCHES):
            yield

    logins = list_logins(settings, cast)
    app = build_app(
        settings,
        engine,
        rulebooks,
        notices=context.notices,
        demo_people=logins,
        lifespan=lifespan,
    )
    app.state.mailbox = mailbox
    app.include_router(mailbox_router)
    return app


def _find_port(requested: int) -> int:
    """The requested port; for 0 the default port if it is free, or else any free port."""
    with socket.socket() as probe:
        # Like the server: connections left over from a demo that just ended are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, requested or _DEFAULT_PORT))
        except (OSError, OverflowError) as error:
            if not requested:
                return free_port()
            sys.stderr.write(
                f"Port {requested} can't be used ({error}). Name another with --port or "
                "TRACKER_WEB__PORT, or 0 for any free port.\n"
            )
            raise typer.Exit(1) from None
    return requested or _DEFAULT_PORT


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
