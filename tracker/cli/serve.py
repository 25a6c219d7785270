"""`tracker serve`: pages, schedule, and mail delivery in one process or in several equal ones."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from tracker import clock
from tracker.cli.context import open_app
from tracker.cli.desk_work import BATCHES
from tracker.db.engine import open_engine, writing
from tracker.db.signing_keys import prepare_keys
from tracker.jobs.embedded import running
from tracker.logs import configure_logs, server_log_config
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context
from tracker.settings import Settings, SettingsError
from tracker.web.app import build_app, collect_garbage_rarely
from tracker.web.connections import limited_protocol

if TYPE_CHECKING:
    from tracker.web.oidc import OidcProvider

# Shorter than a proxy and systemd wait; longer than any save may take.
_SHUTDOWN_SECONDS = 45
# A job that has to wait longer for other writers continues at the next tick.
_JOB_LOCK_TIMEOUT = 20.0


def run() -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests that are in progress.

    With several workers, uvicorn starts them, distributes connections, and replaces a dead one.
    """
    configure_logs()
    # Check everything once before any worker starts, so that a mistake ends the command.
    with open_app(is_first=True) as tracker:
        with writing(tracker.engine) as session:
            prepare_keys(session)
        open_context(tracker.settings, tracker.rulebooks, tracker.engine)
        parse_server(tracker.settings.smtp_url.get_secret_value())
        open_provider(tracker.settings)
        web = tracker.settings.web
    uvicorn.run(
        # By name, because each worker process starts by importing this module.
        f"{__name__}:create_app",
        factory=True,
        workers=web.workers,
        host=web.host,
        port=web.port,
        proxy_headers=True,
        forwarded_allow_ips=web.forwarding_addresses,
        access_log=False,
        log_config=server_log_config(),
        http=limited_protocol(web),
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def create_app() -> FastAPI:
    """The app of one process, with its own connections and its own schedule.

    Several processes with a schedule do no harm: each job runs once for each local date, and each
    message has one sender at a time. With `[web] jobs` off, there are pages only.
    """
    configure_logs()
    stack = ExitStack()
    tracker = stack.enter_context(open_app(is_first=True))
    url = tracker.settings.database_url.get_secret_value()
    master_key = tracker.settings.installation_key
    # A frozen process must not hold the locks of its jobs for longer than others wait for them.
    job_engine = open_engine(
        url, idle_seconds=tracker.settings.worker.lease_seconds, master_key=master_key
    )
    page_engine = open_engine(url, for_pages=True, master_key=master_key)
    for engine in (job_engine, page_engine):
        stack.callback(engine.dispose)
    context = open_context(tracker.settings, tracker.rulebooks, job_engine, _JOB_LOCK_TIMEOUT)
    server = parse_server(tracker.settings.smtp_url.get_secret_value())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        jobs = running(context, job_engine, server, clock.now, BATCHES)
        with stack:
            async with jobs if tracker.settings.web.jobs else nullcontext():
                collect_garbage_rarely()
                yield

    return build_app(
        tracker.settings,
        page_engine,
        tracker.rulebooks,
        notices=context.notices,
        provider=open_provider(tracker.settings),
        lifespan=lifespan,
    )


def open_provider(settings: Settings) -> "OidcProvider | None":
    """The identity provider that the settings name; None without one.

    Raises SettingsError if the extra with its libraries is not installed.
    """
    if settings.oidc.issuer is None:
        return None
    try:
        from tracker.web.oidc import OidcProvider
    except ImportError as error:
        raise SettingsError(
            f"oidc.issuer: this needs the package {error.name}, which is not installed. Install "
            "the extra: endorsement-tracker[oidc]"
        ) from error
    return OidcProvider(settings.oidc)
