"""Puts the site together."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from tracker import clock
from tracker.db.engine import reading
from tracker.db.writer import Writer
from tracker.jobs.health_metrics import Vitals, read_vitals
from tracker.mail.compose import load_composer
from tracker.rulebooks import Rulebooks
from tracker.services.evaluation import deferred_evaluation
from tracker.services.reader import Reader
from tracker.settings import Settings, templates_folder
from tracker.web import menu
from tracker.web.api.app import PREFIX, build_api
from tracker.web.background import BackgroundWork, Readiness, SingleFlight
from tracker.web.dependencies import DemoLogin, Site, is_signed_in
from tracker.web.errors import add_error_pages, refuse
from tracker.web.middleware import Guard, GzipPages, HeadRequests, RequestIds
from tracker.web.pages import (
    applicants,
    application_decisions,
    applications,
    coordinator,
    exports,
    group_confirmations,
    group_sessions,
    health,
    help,
    home,
    log_hours,
    memberships,
    my_year,
    profile,
    referee,
    references,
    request_decisions,
    second_address,
    sign_in,
    time_requests,
)
from tracker.web.rendering import Pages

__all__ = ["DemoLogin", "build_app"]

# Looked for in this order: first what is asked for most.
_PARTS = (
    my_year,
    log_hours,
    home,
    sign_in,
    profile,
    memberships,
    second_address,
    time_requests,
    applications,
    references,
    referee,
    group_confirmations,
    group_sessions,
    coordinator,
    applicants,
    application_decisions,
    exports,
    request_decisions,
    help,
    health,
)


def build_app(
    settings: Settings,
    engine: Engine,
    rulebooks: Rulebooks,
    *,
    demo_people: Sequence[DemoLogin] = (),
    now: Callable[[], datetime] = clock.now,
    lifespan: Any = None,  # noqa: ANN401 - FastAPI's own
) -> FastAPI:
    """The whole site on a migrated database; ``now`` gives each request its (aware) instant.

    ``demo_people`` can be opened without signing in: for the demo only.
    """
    folder = templates_folder()
    pages = _load_pages(folder / "web")
    app = FastAPI(
        title="Endorsement renewals",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # It would redirect to whatever host the request names.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.site = Site(
        settings=settings,
        engine=engine,
        reader=Reader(engine),
        writer=Writer(engine, deferred_evaluation),
        rulebooks=rulebooks,
        composer=load_composer(folder, settings.mail.sender, settings.base_url),
        pages=pages,
        background=BackgroundWork(),
        readiness=Readiness(settings.database_url.get_secret_value()),
        vitals=SingleFlight("vitals", partial(_look_at_vitals, engine)),
        demo_people=tuple(demo_people),
        now=now,
    )
    for part in _PARTS:
        app.include_router(part.router)
    if demo_people:
        app.include_router(home.demo_router)
    app.mount(PREFIX, build_api(app.state.site))
    app.add_middleware(
        Guard,
        base_url=settings.base_url,
        refuse=refuse,
        knows=partial(is_signed_in, app.state.site),
    )
    app.add_middleware(GzipPages)
    app.add_middleware(HeadRequests)
    app.add_middleware(RequestIds)
    add_error_pages(app)
    return app


def _look_at_vitals(engine: Engine) -> Vitals:
    with reading(engine) as session:
        return read_vitals(session)


@cache
def _load_pages(folder: Path) -> Pages:
    """Compiled once a process, however many sites it puts together: they never change."""
    return Pages(folder, menu_of=menu.menu_of, profile=menu.PROFILE)
