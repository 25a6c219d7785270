"""The page for every error: what happened, and what to do now."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tracker.db.errors import is_busy, is_unavailable
from tracker.formatting import format_count
from tracker.services.context import NotFound
from tracker.web.api.problems import BUSY_SECONDS, DATABASE_ERRORS, answer_problem
from tracker.web.dependencies import SignInNeeded, Viewer, safe_path, site_of, viewer_of_request
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import TOO_MANY, typed_again
from tracker.web.middleware import REQUEST_ID, allow_header, security_headers
from tracker.web.page_request import LOOKS_ONLY, SecondFactorNeeded
from tracker.web.request_ids import current_request_id

_LOG = structlog.get_logger()
# The words for forms that one client or person sends at once.
UNAVAILABLE = "unavailable"
TOO_MANY_AT_ONCE = "too many at once"
_SECONDS_IN_MINUTE, _MINUTES_IN_HOUR = 60, 60


def format_wait(seconds: str | None) -> str:
    """Seconds to wait, rounded up to ``2 minutes`` or ``1 hour``; "a few minutes" for None."""
    if seconds is None:
        return "a few minutes"
    minutes = -(-int(seconds) // _SECONDS_IN_MINUTE)
    if minutes < _MINUTES_IN_HOUR:
        return format_count(minutes, "minute")
    return format_count(-(-minutes // _MINUTES_IN_HOUR), "hour")


def add_error_pages(app: FastAPI) -> None:
    """Answer every error with a page of ours."""
    app.add_exception_handler(SignInNeeded, _sign_in_first)
    app.add_exception_handler(SecondFactorNeeded, _enter_factor_first)
    for refused in (HTTPException, NotFound, RequestValidationError):
        app.add_exception_handler(refused, _show_refusal)
    for of_database in DATABASE_ERRORS:
        app.add_exception_handler(of_database, _show_busy)
    app.add_exception_handler(ClientDisconnect, lambda _request, _error: Response(status_code=400))
    app.add_exception_handler(Exception, _show_failure)


async def refuse(request: Request, status: int, headers: Mapping[str, str]) -> Response:
    """The error page of a request that goes no further."""
    viewer = await run_in_threadpool(_find_viewer, request)
    kind = TOO_MANY_AT_ONCE if status == HTTPStatus.TOO_MANY_REQUESTS else ""
    return _error_page(request, status, headers, viewer=viewer, kind=kind)


async def _sign_in_first(request: Request, _error: Exception) -> Response:
    """Lead to the sign-in page, and from there back.

    A form that was sent after its session ended comes back as a page that holds everything typed,
    to send again after signing in in another tab. We store nothing of it, because we can't know
    whose it is.
    """
    here = address_of(request)
    if request.method == "GET":
        return RedirectResponse(f"/sign-in?{urlencode({'next': here})}", 303)
    typed, has_files = await typed_again(request)
    site = site_of(request)
    if not typed:
        page, hosts = "/", {request.headers.get("host"), urlsplit(site.settings.base_url).netloc}
        # The page of ours that sent the form, if the browser tells.
        parts = urlsplit(request.headers.get("referer", ""))
        if parts.netloc in hosts:
            page = safe_path(f"{parts.path}?{parts.query}".rstrip("?"))
        return redirect_with_flash(site, "/sign-in", "undone", {"next": page})
    return site.pages.render(
        "signed_out.html", status=403, action=here, typed=typed, has_files=has_files
    )


async def _enter_factor_first(request: Request, error: Exception) -> Response:
    """Lead to the page for the second factor, and from there back."""
    if not isinstance(error, SecondFactorNeeded):
        raise error
    page = "/second-factor/set-up" if error.is_setup else "/second-factor"
    wanted = address_of(request) if request.method == "GET" else "/coordinator"
    return RedirectResponse(f"{page}?{urlencode({'next': wanted})}", 303)


def wants_problem(request: Request) -> bool:
    """Whether a program asks, which gets a problem document instead of a page."""
    path = request.url.path
    return path.startswith("/api/") or path.endswith(".json")


def address_of(request: Request) -> str:
    """The path and query of a request, to send it again; "/" if they are not safe."""
    query = f"?{request.url.query}" if request.url.query else ""
    return safe_path(request.url.path + query)


def _show_refusal(request: Request, error: Exception) -> Response:
    """The page of an HTTP error, of a row that the viewer may not see, or of unreadable input."""
    status, headers, kind = 404, {}, ""
    if isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers |= allow_header(request)
        if error.detail in {TOO_MANY, LOOKS_ONLY}:
            kind = error.detail
    elif isinstance(error, RequestValidationError):
        # An id that no database holds is as absent as one that ours does not hold.
        is_in_path = any(fault["loc"][:1] == ("path",) for fault in error.errors())
        status = 404 if is_in_path else 422
    return _error_page(request, status, headers, viewer=_find_viewer(request), kind=kind)


async def _show_busy(request: Request, error: Exception) -> Response:
    """A page that keeps what was typed, to be sent again in a moment.

    It shows no menu: to find the viewer, it would have to ask the database, which is busy, or
    can't be used.
    """
    kind = ""
    if not is_busy(error):
        if not is_unavailable(error):
            raise error
        kind = UNAVAILABLE
        _log_failure("the database can't be used", request, error)
    headers = {"retry-after": BUSY_SECONDS}
    if request.method != "POST" or wants_problem(request):
        return _error_page(request, 503, headers, kind=kind)
    typed, has_files = await typed_again(request)
    page = site_of(request).pages.render(
        "busy.html",
        status=503,
        kind=kind,
        action=address_of(request),
        typed=typed,
        has_files=has_files,
        wait=format_wait(BUSY_SECONDS),
    )
    page.headers.update(headers)
    return page


def _log_failure(message: str, request: Request, error: Exception) -> None:
    # The path may hold a token, so we log the pattern of the route.
    route = request.scope.get("route")
    _LOG.error(message, route=getattr(route, "path", None), error=type(error).__name__)


def _show_failure(request: Request, error: Exception) -> Response:
    _log_failure("a page failed", request, error)
    page = _error_page(request, 500, viewer=_find_viewer(request))
    # Starlette makes this answer outside of our middleware.
    page.headers.update(security_headers(site_of(request).settings))
    page.headers[REQUEST_ID] = current_request_id()
    page.headers["cache-control"] = "no-store"
    return page


def _find_viewer(request: Request) -> Viewer | None:
    """The viewer, so that the page keeps their menu; None if that fails, too."""
    site = site_of(request)
    try:
        return viewer_of_request(request, site, site.now())
    except SQLAlchemyError:
        return None


def _error_page(
    request: Request,
    status: int,
    headers: Mapping[str, str] | None = None,
    *,
    viewer: Viewer | None = None,
    kind: str = "",
) -> Response:
    """The page for an error; its words are those for the ``kind``, if there is one, or status."""
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    if wants_problem(request):
        return answer_problem(status, HTTPStatus(status).description, headers=headers)
    page = site_of(request).pages.render(
        "error.html",
        status=status,
        viewer=viewer,
        here="error",
        error=kind or status,
        wait=format_wait(headers.get("retry-after")),
    )
    page.headers.update(headers)
    return page
