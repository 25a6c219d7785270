"""Whether the process lives, and whether it can serve."""

import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request
from fastapi import HTTPException as HTTPException_of_fastapi
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from tracker.jobs.health_metrics import Vitals
from tracker.jobs.schedule import Job
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.middleware import takes_gzip

router = APIRouter()


@router.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """The process answers; nothing is read, and no thread is asked for, which could be scarce."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def is_ready(site: SiteDep) -> PlainTextResponse:
    """The database answers soon and has this program's schema; else 503."""
    found = await site.readiness.look()
    return PlainTextResponse(found or "ready", 503 if found else 200)


_LOG = structlog.get_logger()
_WITHIN_SECONDS = 3.0
_STATES = ("waiting", "sending", "sent", "failed")


@router.get("/metrics")
async def metrics(
    site: SiteDep, at: NowDep, authorization: Annotated[str, Header()] = ""
) -> PlainTextResponse:
    """When each job last ran well, how the mail stands; absent unless a token is configured."""
    token = site.settings.web.metrics_token
    if token is None:
        raise HTTPException(404)
    if not _is_right(authorization, token.get_secret_value()):
        return PlainTextResponse("a token is needed", 401, {"www-authenticate": "Bearer"})
    try:
        vitals = await site.vitals.found(_WITHIN_SECONDS)
    except (TimeoutError, RuntimeError, SQLAlchemyError) as error:
        _LOG.warning("no metrics", error=type(error).__name__)
        return PlainTextResponse("the database does not answer", 503)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(vitals, [*site.rulebooks.associations], at))
    return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _is_right(given: str, token: str) -> bool:
    scheme, _, credentials = given.partition(" ")
    # A header is read as Latin-1, whatever it holds.
    right = hmac.compare_digest(credentials.strip().encode("latin-1"), token.encode())
    return right and scheme.lower() == "bearer"


class _Found(Collector):
    """The figures of one answer: none is kept, so that they are the database's own."""

    def __init__(self, vitals: Vitals, associations: list[str], at: datetime) -> None:
        self._vitals = vitals
        self._associations = associations
        self._at = at

    def collect(self) -> Iterator[Metric]:
        """Each figure with its name and what it means."""
        yield self._runs()
        oldest = self._vitals.oldest_waiting
        age = max((self._at - oldest).total_seconds(), 0) if oldest else 0
        yield GaugeMetricFamily(
            "tracker_mail_oldest_waiting_seconds",
            "Age of the oldest mail that is neither sent nor failed; 0 where none waits",
            value=age,
        )
        yield GaugeMetricFamily(
            "tracker_mail_put_off",
            "Waiting mails that were tried before, and will be again",
            value=self._vitals.put_off,
        )
        mails = GaugeMetricFamily("tracker_mails", "Mails by what became of them", labels=["state"])
        for state in _STATES:
            mails.add_metric([state], self._vitals.mails.get(state, 0))
        yield mails

    def _runs(self) -> Metric:
        runs = GaugeMetricFamily(
            "tracker_job_last_success_timestamp_seconds",
            "When the job last ran well for the association; 0 if it never did",
            labels=["job", "association"],
        )
        for job in Job:
            for association in self._associations:
                ran_at = self._vitals.ran_at.get((job, association))
                runs.add_metric([job, association], ran_at.timestamp() if ran_at else 0)
        return runs


_LASTING = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
def send(request: Request, site: SiteDep, name: str) -> Response:
    """One file, to be kept as long as the browser likes; packed once, when the site starts."""
    asset = site.pages.assets.at(f"/static/{name}")
    if asset is None:
        raise HTTPException_of_fastapi(404)
    headers = {"cache-control": _LASTING, "vary": "accept-encoding"}
    if takes_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
