"""Whether the process lives, and whether it can serve."""

import structlog
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from tracker.records.engine import SchemaError, newest_version, schema_version
from tracker.web.site import TheSite

router = APIRouter()
_LOG = structlog.get_logger()


@router.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """The process answers; nothing is read, and no thread is asked for, which could be scarce."""
    return PlainTextResponse("ok")


@router.get("/readyz")
def is_ready(site: TheSite) -> PlainTextResponse:
    """The database answers and has this program's schema; else 503."""
    try:
        found = schema_version(site.settings.database_url.get_secret_value())
    except (SQLAlchemyError, SchemaError) as error:
        _LOG.warning("not ready", error=type(error).__name__)
        return PlainTextResponse("the database does not answer", 503)
    if found != newest_version():
        return PlainTextResponse("the database has another schema: see `tracker migrate`", 503)
    return PlainTextResponse("ready")
