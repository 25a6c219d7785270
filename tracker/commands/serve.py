"""`tracker serve`: web pages, schedule and delivery in one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from tracker import clock
from tracker.commands.opening import opened
from tracker.jobs.embedded import running
from tracker.jobs.office import open_office
from tracker.mail.server import parse_server
from tracker.web.app import build_app


def run() -> None:
    """Serve until SIGINT or SIGTERM; what has begun is finished first."""
    with opened() as tracker:
        office = open_office(tracker.settings, tracker.books, tracker.engine)
        server = parse_server(tracker.settings.smtp_url.get_secret_value())

        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            async with running(office, tracker.engine, server, clock.now):
                yield

        app = build_app(tracker.settings, tracker.engine, tracker.books, lifespan=lifespan)
        web = tracker.settings.web
        uvicorn.run(app, host=web.host, port=web.port, proxy_headers=True, access_log=False)
