"""Leads to sign-in whoever is not, or no longer, signed in, and loses nothing on the way."""

from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from tracker.web.forms.typed import typed_again
from tracker.web.frame.own_paths import safe_path
from tracker.web.frame.said_once import go_and_say
from tracker.web.frame.site import site_of

_READS = {"GET", "HEAD"}
_FORBIDDEN = 403


async def to_sign_in(request: Request, _error: Exception) -> Response:
    """To the page for signing in, and from there back.

    A form that was sent when its session was over comes back as a page that holds all that was
    typed, to be sent again after signing in in another tab. Nothing of it is stored meanwhile:
    whose it is, nobody can say yet.
    """
    query = f"?{request.url.query}" if request.url.query else ""
    here = safe_path(request.url.path + query)
    if request.method in _READS:
        return RedirectResponse(f"/sign-in?{urlencode({'next': here})}", 303)
    typed, has_files = await typed_again(request)
    if not typed:
        return go_and_say(site_of(request), "/sign-in", "undone", {"next": _came_from(request)})
    return site_of(request).pages.show(
        "signed_out.html", status=_FORBIDDEN, action=here, typed=typed, has_files=has_files
    )


def _came_from(request: Request) -> str:
    """The page of ours with the form; the first page where the browser does not say."""
    parts = urlsplit(request.headers.get("referer", ""))
    own = {request.headers.get("host"), urlsplit(site_of(request).settings.base_url).netloc}
    return safe_path(f"{parts.path}?{parts.query}".rstrip("?")) if parts.netloc in own else "/"
