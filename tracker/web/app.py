"""Puts the site together."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from tracker import clock
from tracker.mail.compose import load_composer
from tracker.records.mailing.vitals import Vitals, read_vitals
from tracker.records.saving.writer import Writer
from tracker.records.store.engine import reading
from tracker.records.store.reader import Reader
from tracker.rulebooks import Rulebooks
from tracker.settings import Settings, templates_folder
from tracker.web.api.app import PREFIX, build_api
from tracker.web.applying import applications, giving_references, references
from tracker.web.coordinator import applicants, coordinator, deciding, deciding_requests
from tracker.web.frame import front, health, menu, metrics, static_files
from tracker.web.frame.errors import add_error_pages, refuse
from tracker.web.frame.head import AnswersHead
from tracker.web.frame.later import Later
from tracker.web.frame.one_look import OneLook
from tracker.web.frame.packing import PacksPages
from tracker.web.frame.pages import Pages
from tracker.web.frame.readiness import Readiness
from tracker.web.frame.request_id import NamesRequests
from tracker.web.frame.security import Guard
from tracker.web.frame.site import DemoLogin, Site
from tracker.web.frame.viewer import is_signed_in
from tracker.web.help import help_page
from tracker.web.hours import editing, evidence, logging_hours
from tracker.web.profile import (
    browsers,
    mail_choice,
    membership,
    own_files,
    profile,
    requests,
    second_address,
    unsubscribing,
)
from tracker.web.sessions import asked_sessions, sessions
from tracker.web.sign_in import signing_in
from tracker.web.takeaways import calendar_feed, my_data, takeaways, transcript
from tracker.web.year import cycle_pages, entries, my_year

__all__ = ["DemoLogin", "build_app"]

# Looked for in this order: first what is asked for most.
_PARTS = (
    my_year,
    logging_hours,
    front,
    signing_in,
    browsers,
    cycle_pages,
    membership,
    entries,
    editing,
    profile,
    second_address,
    mail_choice,
    requests,
    evidence,
    own_files,
    applications,
    references,
    giving_references,
    asked_sessions,
    sessions,
    coordinator,
    applicants,
    deciding,
    takeaways,
    transcript,
    calendar_feed,
    my_data,
    deciding_requests,
    help_page,
    unsubscribing,
    health,
    metrics,
    static_files,
)


def build_app(
    settings: Settings,
    engine: Engine,
    books: Rulebooks,
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
        writer=Writer(engine),
        books=books,
        composer=load_composer(folder, settings.mail.sender, settings.base_url),
        pages=pages,
        later=Later(),
        readiness=Readiness(settings.database_url.get_secret_value()),
        vitals=OneLook("vitals", partial(_look_at_vitals, engine)),
        demo_people=tuple(demo_people),
        now=now,
    )
    for part in _PARTS:
        app.include_router(part.router)
    if demo_people:
        app.include_router(front.demo_router)
    app.mount(PREFIX, build_api(app.state.site))
    app.add_middleware(
        Guard,
        base_url=settings.base_url,
        refuse=refuse,
        knows=partial(is_signed_in, app.state.site),
    )
    app.add_middleware(PacksPages)
    app.add_middleware(AnswersHead)
    app.add_middleware(NamesRequests)
    add_error_pages(app)
    return app


def _look_at_vitals(engine: Engine) -> Vitals:
    with reading(engine) as connection:
        return read_vitals(connection)


@cache
def _load_pages(folder: Path) -> Pages:
    """Compiled once a process, however many sites it puts together: they never change."""
    return Pages(folder, menu_of=menu.menu_of, profile=menu.PROFILE)
