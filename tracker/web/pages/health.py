"""For operators: whether the process lives, whether it can serve, and figures to monitor."""

import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from tracker.jobs.health_metrics import HealthMetrics
from tracker.jobs.schedule import Job
from tracker.web.dependencies import NowDep, SiteDep

router = APIRouter()
_LOG = structlog.get_logger()
_TIMEOUT_SECONDS = 3.0
_MAIL_STATES = ("waiting", "sending", "sent", "failed")


@router.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """The process answers. Reads nothing and needs no thread, which could be scarce."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def is_ready(site: SiteDep) -> PlainTextResponse:
    """The database answers soon and has this program's schema; else 503."""
    problem = await site.readiness.find_problem()
    return PlainTextResponse(problem or "ready", 503 if problem else 200)


@router.get("/metrics")
async def show_metrics(
    site: SiteDep, now: NowDep, authorization: Annotated[str, Header()] = ""
) -> PlainTextResponse:
    """When each job last succeeded, and the state of mail; 404 unless a token is configured."""
    token = site.settings.web.metrics_token
    if token is None:
        raise HTTPException(404)
    if not _is_authorized(authorization, token.get_secret_value()):
        return PlainTextResponse("a token is needed", 401, {"www-authenticate": "Bearer"})
    try:
        vitals = await site.vitals.result(_TIMEOUT_SECONDS)
    except (TimeoutError, RuntimeError, SQLAlchemyError) as error:
        _LOG.warning("no metrics", error=type(error).__name__)
        return PlainTextResponse("the database does not answer", 503)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_VitalsCollector(vitals, [*site.rulebooks.associations], now))
    return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _is_authorized(authorization: str, token: str) -> bool:
    scheme, _, credentials = authorization.partition(" ")
    # Starlette decodes headers as Latin-1.
    is_token = hmac.compare_digest(credentials.strip().encode("latin-1"), token.encode())
    return is_token and scheme.lower() == "bearer"


class _VitalsCollector(Collector):
    """The figures of one answer. Nothing is kept in the process, so all processes say the same."""

    def __init__(self, vitals: HealthMetrics, associations: list[str], now: datetime) -> None:
        self._vitals = vitals
        self._associations = associations
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Each figure with its name and meaning."""
        runs = GaugeMetricFamily(
            "tracker_job_last_success_timestamp_seconds",
            "When the job last succeeded for the association; 0 if it never did",
            labels=["job", "association"],
        )
        failures = GaugeMetricFamily(
            "tracker_job_failures",
            "Parts of the job that failed for the association and will be tried again",
            labels=["job", "association"],
        )
        for job in Job:
            for association in self._associations:
                finished_at = self._vitals.last_finished.get((job, association))
                runs.add_metric([job, association], finished_at.timestamp() if finished_at else 0)
                failures.add_metric([job, association], self._vitals.failures[job, association])
        yield runs
        yield failures
        oldest = self._vitals.oldest_waiting
        age = max((self._now - oldest).total_seconds(), 0) if oldest else 0
        yield GaugeMetricFamily(
            "tracker_mail_oldest_waiting_seconds",
            "Age of the oldest mail that is neither sent nor failed; 0 if none waits",
            value=age,
        )
        yield GaugeMetricFamily(
            "tracker_mail_put_off",
            "Waiting messages that were tried before and will be tried again",
            value=self._vitals.retried,
        )
        mails = GaugeMetricFamily("tracker_mails", "Messages by state", labels=["state"])
        for state in _MAIL_STATES:
            mails.add_metric([state], self._vitals.mails.get(state, 0))
        yield mails


@router.get("/static/{name}")
def send_asset(site: SiteDep, name: str) -> Response:
    """One file, which the browser may keep forever."""
    asset = site.pages.assets.find(f"/static/{name}")
    if asset is None:
        raise HTTPException(404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(asset.body, media_type=asset.media_type, headers=headers)
