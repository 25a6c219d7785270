"""`tracker serve`: web pages, schedule and delivery, by one process or several alike."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI

from tracker import clock
from tracker.cli.context import open_app
from tracker.db.engine import open_engine
from tracker.jobs.embedded import running
from tracker.logs import configure_logs, server_log_config
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context
from tracker.web.app import build_app, collect_garbage_rarely

# Found by name: a further process begins with nothing but this module.
_APP = "tracker.cli.serve:serving"
_END_SECONDS = 45
# A job waits no longer for others who write; the next tick goes on with it.
_JOBS_WAIT_SECONDS = 20.0


def run() -> None:
    """Serve until SIGINT or SIGTERM; what has begun is finished first.

    With several workers uvicorn starts them, hands connections out, and replaces one that dies.
    """
    configure_logs()
    # Once before any worker: a mistake in what is configured ends the command, in words.
    with open_app() as tracker:
        open_context(tracker.settings, tracker.rulebooks, tracker.engine)
        parse_server(tracker.settings.smtp_url.get_secret_value())
        web = tracker.settings.web
    uvicorn.run(
        _APP,
        factory=True,
        workers=web.workers,
        host=web.host,
        port=web.port,
        proxy_headers=True,
        access_log=False,
        log_config=server_log_config(),
        # Shorter than the patience of a proxy and of systemd; longer than any saving may wait.
        timeout_graceful_shutdown=_END_SECONDS,
    )


def serving() -> FastAPI:
    """The app of one process: it has its own connections, and looks itself for what is due.

    That every process does so changes nothing: a job is due once a local date, whoever asks
    first, and a mail is one sender's at a time.
    """
    configure_logs()
    stack = ExitStack()
    tracker = stack.enter_context(open_app())
    context = open_context(tracker.settings, tracker.rulebooks, tracker.engine, _JOBS_WAIT_SECONDS)
    url = tracker.settings.database_url.get_secret_value()
    pages = open_engine(url, for_pages=True)
    stack.callback(pages.dispose)
    server = parse_server(tracker.settings.smtp_url.get_secret_value())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with stack:
            async with running(context, tracker.engine, server, clock.now):
                collect_garbage_rarely()
                yield

    return build_app(tracker.settings, pages, tracker.rulebooks, lifespan=lifespan)
