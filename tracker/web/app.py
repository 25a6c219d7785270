"""Puts the site together."""

import gc
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from tracker import clock
from tracker.db.engine import is_postgresql, reading
from tracker.db.reader import Reader
from tracker.db.writer import Writer
from tracker.jobs.health import Health, read_health
from tracker.jobs.health_metrics import HealthMetrics, read_health_metrics
from tracker.mail.compose import load_composer
from tracker.rulebooks import Rulebooks, load_notice_configs
from tracker.rules.notice_config import NoticeConfigs
from tracker.services.evaluation import deferred_evaluation
from tracker.services.team import TeamCache
from tracker.settings import Settings, templates_folder
from tracker.web.api.app import PREFIX, build_api
from tracker.web.background import BackgroundWork, MaintenanceSwitch, Readiness, SingleFlight
from tracker.web.comparisons import Comparisons
from tracker.web.confirmation import ConfirmationNeeded, show_confirmation
from tracker.web.dependencies import DemoLogin, Site
from tracker.web.errors import add_error_pages, refuse
from tracker.web.identity import IdentityProvider
from tracker.web.maintenance import MaintenanceGuard
from tracker.web.middleware import Compression, FormGuard, RequestContext, SecurityHeaders
from tracker.web.page_branding import PageBrandings
from tracker.web.pages import (
    applicant,
    applicants,
    applications,
    apply,
    audits,
    browsers,
    certificates,
    coordinator,
    desk,
    desk_audits,
    desk_entries,
    desk_fees,
    desk_filters,
    desk_grants,
    desk_holdings,
    desk_import,
    desk_lapse_removals,
    desk_mail,
    desk_mailings,
    desk_merge,
    desk_new_endorsee,
    desk_payments,
    desk_people,
    desk_person,
    desk_provider_credentials,
    desk_provider_links,
    desk_provider_names,
    desk_providers,
    desk_registry,
    desk_removals,
    desk_reports,
    desk_rules,
    desk_selections,
    desk_timeline,
    desk_today,
    desk_what_if,
    desk_work,
    exports,
    group_confirmations,
    group_sessions,
    health,
    help_page,
    log_hours,
    mail_choice,
    memberships,
    my_year,
    portfolio,
    profile,
    provider_sign_in,
    public_audits,
    questions,
    referee,
    references,
    registry,
    reinstatement,
    renewals,
    second_address,
    second_factor,
    sign_in,
    team,
    time_requests,
    uploads,
    verify,
)
from tracker.web.rendering import Pages
from tracker.web.visit_limit import VisitLimit

__all__ = ["DemoLogin", "build_app"]

# The router tries them in this order, so the busiest come first.
_PAGES = (
    my_year,
    log_hours,
    mail_choice,
    # Before the sign-in, whose paths have a word for any link.
    provider_sign_in,
    sign_in,
    profile,
    memberships,
    second_address,
    second_factor,
    time_requests,
    questions,
    uploads,
    apply,
    portfolio,
    applications,
    browsers,
    references,
    reinstatement,
    renewals,
    # Before the audits of people, whose paths have a number there.
    public_audits,
    audits,
    referee,
    group_confirmations,
    group_sessions,
    desk_today,
    coordinator,
    desk,
    team,
    desk_reports,
    desk_fees,
    desk_payments,
    desk_audits,
    desk_rules,
    desk_what_if,
    desk_work,
    desk_import,
    desk_provider_credentials,
    desk_provider_names,
    desk_providers,
    desk_people,
    desk_selections,
    desk_filters,
    desk_new_endorsee,
    desk_person,
    desk_registry,
    # Before the holdings, whose paths have a word for any kind.
    desk_grants,
    desk_holdings,
    desk_lapse_removals,
    desk_removals,
    desk_merge,
    desk_provider_links,
    desk_entries,
    desk_timeline,
    applicants,
    applicant,
    desk_mail,
    desk_mailings,
    exports,
    certificates,
    verify,
    help_page,
    registry,
    health,
)


# Compiled once for a process: templates never change while it runs.
_load_pages = cache(Pages)


def build_app(  # noqa: PLR0913 - the parts of the site, put together once
    settings: Settings,
    engine: Engine,
    rulebooks: Rulebooks,
    *,
    notices: NoticeConfigs | None = None,
    demo_people: Sequence[DemoLogin] = (),
    provider: IdentityProvider | None = None,
    now: Callable[[], datetime] = clock.now,
    lifespan: Any = None,  # noqa: ANN401 - FastAPI's own
) -> FastAPI:
    """The whole site on a migrated database; ``now`` gives each request its aware instant.

    ``notices`` are those of notices.toml (None: they are read from the settings' folder);
    ``demo_people`` are the people whose pages open without signing in, in the demo only;
    ``provider`` is the identity provider that the settings name.
    """
    folder, routes = templates_folder(), []
    for page in _PAGES:
        routes += page.router.routes
    if demo_people:
        routes += sign_in.demo_router.routes

    def read_vitals() -> HealthMetrics:
        with reading(engine) as session:
            return read_health_metrics(session)

    def read_site_health() -> Health:
        with reading(engine) as session:
            return read_health(session, settings, rulebooks, now())

    app = FastAPI(
        title="Endorsement renewals",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Otherwise it would redirect to any host that the request names.
        redirect_slashes=False,
        lifespan=lifespan,
        # Not by `include_router`, which analyzes every page again for each site that is built.
        routes=routes,
    )
    background = BackgroundWork()
    app.state.site = Site(
        configured=settings,
        team=TeamCache(engine, settings, rulebooks, now),
        is_https=settings.is_https,
        engine=engine,
        reader=Reader(engine),
        writer=Writer(engine, deferred_evaluation),
        rulebooks=rulebooks,
        notices=notices or load_notice_configs(settings.config_dir, rulebooks.associations),
        composer=load_composer(folder, settings.base_url),
        pages=_load_pages(folder / "web"),
        brandings=PageBrandings(settings),
        background=background,
        # On SQLite nothing else can be written before an import ends, so it may wait for its turn.
        imports=BackgroundWork() if is_postgresql(engine) else background,
        readiness=Readiness(settings.database_url.get_secret_value()),
        health=SingleFlight("health", read_site_health),
        maintenance=MaintenanceSwitch(engine),
        vitals=SingleFlight("vitals", read_vitals),
        comparisons=Comparisons(engine),
        public_visits=VisitLimit(settings.web.registry_visits_per_client),
        demo_people=tuple(demo_people),
        provider=provider,
        now=now,
    )
    app.mount(PREFIX, build_api(app.state.site))
    # Within the guard of forms, which has read the whole form by then.
    app.add_middleware(MaintenanceGuard)
    app.add_middleware(
        FormGuard,
        base_url=settings.base_url,
        refuse=refuse,
        per_client=settings.web.connections_per_client,
    )
    app.add_middleware(SecurityHeaders, settings=settings)
    app.add_middleware(Compression)
    app.add_middleware(RequestContext)
    add_error_pages(app)
    app.add_exception_handler(ConfirmationNeeded, show_confirmation)
    return app


def collect_garbage_rarely() -> None:
    """Keep everything loaded so far out of garbage collection, and collect less often.

    Rulebooks, templates, and libraries stay as long as the process. To search them again and
    again took a third of the time of a save, and all other requests waited.
    """
    gc.collect()
    gc.freeze()
    # The number of new objects that starts a collection: Python's default, 700, is one request.
    gc.set_threshold(20_000, 20, 20)
