"""Serves what pages name: style sheet and pictures."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from tracker.web.site import TheSite

_LASTING = "public, max-age=31536000, immutable"

router = APIRouter()


@router.get("/static/{name}")
def send(site: TheSite, name: str) -> Response:
    """One file, to be kept as long as the browser likes."""
    asset = site.pages.assets.at(f"/static/{name}")
    if asset is None:
        raise HTTPException(404)
    return Response(asset.body, media_type=asset.media_type, headers={"cache-control": _LASTING})
