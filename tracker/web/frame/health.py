"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from tracker.web.frame.site import TheSite

router = APIRouter()


@router.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """The process answers; nothing is read, and no thread is asked for, which could be scarce."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def is_ready(site: TheSite) -> PlainTextResponse:
    """The database answers soon and has this program's schema; else 503."""
    found = await site.readiness.look()
    return PlainTextResponse(found or "ready", 503 if found else 200)
