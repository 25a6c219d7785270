"""For operators: whether the process lives, whether it can serve, and figures to monitor."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from itertools import product
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.exc import SQLAlchemyError

from tracker.db.returned_mail import OUTCOMES
from tracker.jobs.health_metrics import HealthMetrics
from tracker.jobs.schedule import Job, find_next
from tracker.services.restore_drill import DrillRecord
from tracker.web.dependencies import NowDep, Site, SiteDep
from tracker.web.page_request import require

router = APIRouter()
_LOG = structlog.get_logger()
_TIMEOUT_SECONDS = 3.0
_MAIL_STATES = ("waiting", "held", "sending", "sent", "failed", "dropped")


@router.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """The process answers. Reads nothing and needs no thread, which could be scarce."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def is_ready(site: SiteDep) -> PlainTextResponse:
    """The database answers soon and has this program's schema, and jobs and mail keep up; else 503.

    Ready in maintenance: pages then say so, and a proxy must let people see them.
    """
    problem = await site.readiness.find_problem()
    if problem:
        return PlainTextResponse(problem, 503)
    try:
        health = await site.health.result(_TIMEOUT_SECONDS)
    except (TimeoutError, RuntimeError, SQLAlchemyError) as error:
        _LOG.warning("not ready", error=type(error).__name__)
        return PlainTextResponse("the database does not answer", 503)
    if health.problems:
        return PlainTextResponse(health.summary, 503)
    return PlainTextResponse(f"ready: {health.summary}" if health.maintenance else "ready")


@router.get("/metrics")
async def show_metrics(
    site: SiteDep, now: NowDep, authorization: Annotated[str, Header()] = ""
) -> PlainTextResponse:
    """When each job last succeeded, and the state of mail; 404 unless a token is configured."""
    token = site.settings.web.metrics_token
    if token is None:
        raise HTTPException(404)
    scheme, _, credentials = authorization.partition(" ")
    # Starlette decodes headers as Latin-1.
    sent, expected = credentials.strip().encode("latin-1"), token.get_secret_value().encode()
    if not hmac.compare_digest(sent, expected) or scheme.lower() != "bearer":
        return PlainTextResponse("a token is needed", 401, {"www-authenticate": "Bearer"})
    try:
        vitals = await site.vitals.result(_TIMEOUT_SECONDS)
    except (TimeoutError, RuntimeError, SQLAlchemyError) as error:
        _LOG.warning("no metrics", error=type(error).__name__)
        return PlainTextResponse("the database does not answer", 503)
    registry = _build_gauges(vitals, site.rulebooks.associations, now)
    if site.settings.mail.bounces.mailbox is not None:
        _add_mailbox(registry, vitals)
    _add_next_due(registry, site, now)
    return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _build_gauges(
    metrics: HealthMetrics, associations: Iterable[str], now: datetime
) -> CollectorRegistry:
    """The figures of one answer. Nothing is kept in the process, so all processes say the same."""
    registry = CollectorRegistry(auto_describe=False)
    last_success = Gauge(
        "tracker_job_last_success_timestamp_seconds",
        "When the job last succeeded for the association; 0 if it never did",
        ["job", "association"],
        registry=registry,
    )
    failures = Gauge(
        "tracker_job_failures",
        "Parts of the job that failed for the association and will be tried again",
        ["job", "association"],
        registry=registry,
    )
    for job, association in product(Job, associations):
        finished_at = metrics.last_finished.get((job, association))
        last_success.labels(job, association).set(finished_at.timestamp() if finished_at else 0)
        failures.labels(job, association).set(metrics.failures[job, association])
    oldest = metrics.oldest_waiting
    Gauge(
        "tracker_mail_oldest_waiting_seconds",
        "Age of the oldest mail that is neither sent nor failed; 0 if none waits",
        registry=registry,
    ).set(max((now - oldest).total_seconds(), 0) if oldest else 0)
    Gauge(
        "tracker_mail_put_off",
        "Waiting messages that were tried before and will be tried again",
        registry=registry,
    ).set(metrics.retried)
    Gauge(
        "tracker_desk_work_failed",
        "Long work of desks that failed and was not begun again",
        registry=registry,
    ).set(metrics.failed_work)
    _add_drills(registry, metrics.drills)
    mails = Gauge("tracker_mails", "Messages by state", ["state"], registry=registry)
    for state in _MAIL_STATES:
        mails.labels(state).set(metrics.mails.get(state, 0))
    _add_returned_mail(registry, metrics)
    return registry


def _add_drills(registry: CollectorRegistry, drills: DrillRecord) -> None:
    """Whether backups can be restored, as far as `tracker restore --drill` has shown."""
    proven, failed = drills.proven, drills.failed
    for name, meaning, instant in (
        ("proven", "When a backup was last restored and found right", proven and proven.tried_at),
        ("failed", "When a backup could last not be restored", failed and failed.tried_at),
        (
            "proven_backup",
            "When the newest backup was made that was restored and found right",
            proven and proven.backed_up_at,
        ),
    ):
        gauge = Gauge(
            f"tracker_restore_{name}_timestamp_seconds", f"{meaning}; 0: never", registry=registry
        )
        gauge.set(instant.timestamp() if instant else 0)


def _add_returned_mail(registry: CollectorRegistry, metrics: HealthMetrics) -> None:
    """What came back."""
    returned = Gauge(
        "tracker_returned_mails",
        "What was read in the mailbox for returned mail, by outcome",
        ["outcome"],
        registry=registry,
    )
    for outcome in OUTCOMES:
        returned.labels(outcome).set(metrics.returned.get(outcome, 0))


def _add_mailbox(registry: CollectorRegistry, metrics: HealthMetrics) -> None:
    """Whether the mailbox for returned mail is read. If none is set, there are no such figures.

    So 0 always means that a mailbox has never worked, and alerts can tell.
    """
    read_at = metrics.mailbox_read_at
    for name, description, value in (
        (
            "tracker_returned_mail_last_read_timestamp_seconds",
            "When the mailbox for returned mail was last read; 0 if it never was",
            read_at.timestamp() if read_at else 0,
        ),
        (
            "tracker_returned_mail_up",
            "1 if the last attempt to read the mailbox succeeded",
            metrics.mailbox_works,
        ),
        (
            "tracker_returned_mail_unclear",
            "Messages in the mailbox that were not understood, for a person to look at",
            metrics.mailbox_unclear,
        ),
    ):
        Gauge(name, description, registry=registry).set(value)


def _add_next_due(registry: CollectorRegistry, site: Site, now: datetime) -> None:
    """When each job becomes due next, by each association's own schedule."""
    next_due = Gauge(
        "tracker_job_next_due_timestamp_seconds",
        "When the job becomes due next for the association",
        ["job", "association"],
        registry=registry,
    )
    for association, rulebook in site.rulebooks.associations.items():
        schedule = site.settings.schedule_of(association)
        for job in Job:
            at = find_next(schedule, job, rulebook.time_zone, now)
            next_due.labels(job, association).set(at.timestamp())


@router.get("/static/{name}")
def send_asset(site: SiteDep, name: str) -> Response:
    """One file, which the browser may keep forever."""
    path = f"/static/{name}"
    asset = require(site.pages.assets.find(path) or site.brandings.find(path))
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(asset.body, media_type=asset.media_type, headers=headers)
