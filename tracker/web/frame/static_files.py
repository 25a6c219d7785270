"""Serves what pages name: style sheet and pictures."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tracker.web.frame.packing import takes_gzip
from tracker.web.frame.site import TheSite

_LASTING = "public, max-age=31536000, immutable"

router = APIRouter()


@router.get("/static/{name}")
def send(request: Request, site: TheSite, name: str) -> Response:
    """One file, to be kept as long as the browser likes; packed once, when the site starts."""
    asset = site.pages.assets.at(f"/static/{name}")
    if asset is None:
        raise HTTPException(404)
    headers = {"cache-control": _LASTING, "vary": "accept-encoding"}
    if takes_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
