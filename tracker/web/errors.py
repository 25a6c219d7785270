"""Error pages in the site's own look, and the way to sign-in for those who have to."""

from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from tracker.web.security import security_headers
from tracker.web.site import site_of
from tracker.web.viewer import SignInNeeded

_NOT_FOUND = 404
_LOG = structlog.get_logger()


def add_error_pages(app: FastAPI) -> None:
    """Answer every error with a page of ours."""
    app.add_exception_handler(SignInNeeded, _to_sign_in)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failure)


def _to_sign_in(request: Request, _error: Exception) -> Response:
    if request.method != "GET":
        return RedirectResponse("/sign-in", 303)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/sign-in?next={quote(request.url.path + query, safe='/')}", 303)


def _not_found(request: Request, _error: Exception) -> Response:
    # An id that cannot be is as absent as one that is not there.
    return _page(request, _NOT_FOUND)


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else _NOT_FOUND
    if status == _NOT_FOUND:
        return _page(request, status)
    words = error.detail if isinstance(error, HTTPException) else ""
    return PlainTextResponse(words, status, getattr(error, "headers", None))


def _failure(request: Request, error: Exception) -> Response:
    # The path may hold a token: only the route's pattern is logged.
    route = request.scope.get("route")
    _LOG.error("a page failed", route=getattr(route, "path", None), error=type(error).__name__)
    page = _page(request, 500)
    # This answer is made outside the guard that adds them to all others.
    page.headers.update(security_headers(https=site_of(request).is_https))
    page.headers["cache-control"] = "no-store"
    return page


def _page(request: Request, status: int) -> HTMLResponse:
    return site_of(request).pages.show("error.html", status=status, code=status)
