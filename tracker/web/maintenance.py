"""Maintenance mode on the site: every page and the API say so, and keep what was typed."""

from datetime import datetime

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tracker.db.operations import Maintenance
from tracker.web.api.problems import answer_problem
from tracker.web.dependencies import site_of
from tracker.web.errors import address_of, format_wait, wants_problem
from tracker.web.forms.body import typed_again

# Those who watch the site, and what the page itself needs.
_ALWAYS = ("/healthz", "/readyz", "/metrics", "/static/")
# When to try again, in seconds: at the expected end, but within these limits.
_SOONEST, _LATEST = 60, 3600
_DETAIL = "The site is in maintenance. Nothing was saved. Send the same request again later."


class MaintenanceGuard:
    """Answers everything but health and assets with 503 while maintenance mode is on.

    It belongs within the guard of forms, which has read the whole form by then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        app = self._app
        if scope["type"] == "http" and not scope["path"].startswith(_ALWAYS):
            request = Request(scope, receive)
            maintenance = await site_of(request).maintenance.find()
            if maintenance is not None:
                app = await _answer(request, maintenance)
        await app(scope, receive, send)


def seconds_to_wait(maintenance: Maintenance, now: datetime) -> int:
    """When it is worth trying again, in whole seconds."""
    if maintenance.ends_at is None:
        return _LATEST
    left = int((maintenance.ends_at - now).total_seconds())
    return min(max(left, _SOONEST), _LATEST)


async def _answer(request: Request, maintenance: Maintenance) -> Response:
    """The page, which holds everything typed, to be sent again; a problem document on the API."""
    site = site_of(request)
    now = site.now()
    headers = {"retry-after": str(seconds_to_wait(maintenance, now))}
    if wants_problem(request):
        return answer_problem(503, _DETAIL, headers=headers)
    is_form = request.method == "POST"
    typed, has_files = await typed_again(request) if is_form else ([], False)
    left = None
    if maintenance.ends_at is not None and maintenance.ends_at > now:
        left = format_wait(str(int((maintenance.ends_at - now).total_seconds())))
    page = site.pages.render(
        "maintenance.html",
        status=503,
        action=address_of(request),
        is_form=is_form,
        typed=typed,
        has_files=has_files,
        message=maintenance.message,
        left=left,
    )
    page.headers.update(headers)
    return page
