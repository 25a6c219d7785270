"""Leads to sign-in whoever is not, or no longer, signed in, and loses nothing on the way."""

import sqlite3
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tracker.db.write_lock import Busy, is_busy
from tracker.services.context import NotFound
from tracker.web.api.problems import BUSY_SECONDS, answer_problem
from tracker.web.dependencies import SignInNeeded, Viewer, safe_path, site_of, viewer_of_request
from tracker.web.flash import redirect_with_flash
from tracker.web.forms import body
from tracker.web.forms.body import typed_again
from tracker.web.middleware import HEADER as REQUEST_ID
from tracker.web.middleware import id_of_request, security_headers, with_allowed

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
        return redirect_with_flash(
            site_of(request), "/sign-in", "undone", {"next": _came_from(request)}
        )
    return site_of(request).pages.render(
        "signed_out.html", status=_FORBIDDEN, action=here, typed=typed, has_files=has_files
    )


def _came_from(request: Request) -> str:
    """The page of ours with the form; the first page where the browser does not say."""
    parts = urlsplit(request.headers.get("referer", ""))
    own = {request.headers.get("host"), urlsplit(site_of(request).settings.base_url).netloc}
    return safe_path(f"{parts.path}?{parts.query}".rstrip("?")) if parts.netloc in own else "/"


_SECONDS_IN_MINUTE = 60
_MINUTES_IN_HOUR = 60
_SOON = "a few minutes"


class ErrorWords(NamedTuple):
    """A page's heading, a sentence or two on what happened, and what to do now."""

    title: str
    happened: str
    next: str


_UNREADABLE = ErrorWords(
    "We could not read that",
    "Something in the address, or in what was sent, is not what this page expects. "
    "Nothing was changed.",
    "Go back in your browser, look whether all is still there, and try again.",
)
_FAILED = ErrorWords(
    "Something went wrong",
    "That is our fault, and it has been noted. Nothing that was saved is lost.",
    "Please try again in a few minutes.",
)
TOO_MANY = ErrorWords(
    "Those are too many files",
    "They are more than we take at once. Nothing was saved.",
    "Go back in your browser, look whether all that you typed is still there, and choose 10 files "
    "at most for an entry.",
)
_WORDS = {
    403: ErrorWords(
        "This was not sent from our own pages",
        "To keep your record safe we take forms from our own pages only. Nothing was changed.",
        "Open the page again from here, and send it once more.",
    ),
    404: ErrorWords(
        "This page is not here",
        "It may have been deleted, or the address may be mistyped.",
        "What you have logged is on your own page.",
    ),
    405: ErrorWords(
        "That cannot be done here",
        "This address shows a page, or takes a form, but not both. Nothing was changed.",
        "Start again from the first page.",
    ),
    413: ErrorWords(
        "That is too large",
        "It is more than we take at once. Nothing was saved.",
        "Go back in your browser, look whether all that you typed is still there, and choose "
        "smaller files or a shorter text: together files may have 32 MB.",
    ),
    429: ErrorWords(
        "That was too often",
        "There is a limit, so that nobody can guess codes or flood mailboxes. Nothing is lost.",
        "Please try again in {wait}.",
    ),
    503: ErrorWords(
        "Too much is going on just now",
        "Somebody else is saving, or many are at once. Nothing was saved.",
        "Please try again in {wait}.",
    ),
}


def words_of(status: int, retry_after: str | None = None) -> ErrorWords:
    """What the page of an HTTP status says; ``retry_after`` is that header, in seconds."""
    words = _WORDS.get(status, _FAILED if status >= 500 else _UNREADABLE)  # noqa: PLR2004
    return words._replace(next=words.next.format(wait=format_wait(retry_after)))


def format_wait(retry_after: str | None) -> str:
    """Seconds as a person would wait them, rounded up: ``2 minutes``, ``an hour``.

    What is not a number of seconds is "a few minutes".
    """
    if not retry_after or not retry_after.isdecimal():
        return _SOON
    minutes = -(-int(retry_after) // _SECONDS_IN_MINUTE)
    if minutes <= 1:
        return "a minute"
    if minutes < _MINUTES_IN_HOUR:
        return f"{minutes} minutes"
    hours = -(-minutes // _MINUTES_IN_HOUR)
    return "an hour" if hours == 1 else f"{hours} hours"


_API = "/api/"
_CUT_OFF, _NOT_FOUND, _UNREADABLE_ERRORS, _FAILED_ERRORS, _BUSY = 400, 404, 422, 500, 503
_LOG = structlog.get_logger()


def add_error_pages(app: FastAPI) -> None:
    """Answer every error with a page of ours."""
    app.add_exception_handler(SignInNeeded, to_sign_in)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(Busy, _busy)
    for failure in (OperationalError, psycopg.OperationalError, sqlite3.OperationalError):
        app.add_exception_handler(failure, _busy_or_failed)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failure)


async def refuse(request: Request, status: int) -> Response:
    """The answer to a request that goes no further; whoever is signed in keeps their menu."""
    who = await run_in_threadpool(_who, request)
    return _answer(request, status, who=who)


def _not_valid(request: Request, error: Exception) -> Response:
    # An id that cannot be is as absent as one that is not there.
    found = error.errors() if isinstance(error, RequestValidationError) else []
    in_path = any(one["loc"][:1] == ("path",) for one in found)
    return _answer(request, _NOT_FOUND if in_path else _UNREADABLE_ERRORS, who=_who(request))


async def _gone(_request: Request, _error: Exception) -> Response:
    """For whoever hung up in the midst of a form: nobody reads it, and no fault of ours."""
    return Response(status_code=_CUT_OFF)


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else _FAILED_ERRORS
    too_many = getattr(error, "detail", None) == body.TOO_MANY
    words = TOO_MANY if too_many else None
    headers = with_allowed(request, status, getattr(error, "headers", None))
    return _answer(request, status, headers, who=_who(request), words=words)


def _not_found(request: Request, _error: Exception) -> Response:
    return _http_error(request, HTTPException(_NOT_FOUND))


async def _busy(request: Request, _error: Exception) -> Response:
    """A page that keeps what was typed, to be sent again in a moment."""
    headers = {"retry-after": BUSY_SECONDS}
    # It asks no database who looks: that may be what is busy.
    if request.method != "POST" or request.url.path.startswith(_API):
        return _answer(request, _BUSY, headers)
    typed, has_files = await typed_again(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    page = site_of(request).pages.render(
        "busy.html",
        status=_BUSY,
        action=safe_path(here),
        typed=typed,
        has_files=has_files,
        words=words_of(_BUSY, BUSY_SECONDS),
    )
    page.headers.update(headers)
    return page


async def _busy_or_failed(request: Request, error: Exception) -> Response:
    """The same where a database says that others hold what is asked for; else it is a failure."""
    if is_busy(error):
        return await _busy(request, error)
    raise error


def _failure(request: Request, error: Exception) -> Response:
    # The path may hold a token: only the route's pattern is logged.
    route = request.scope.get("route")
    _LOG.error("a page failed", route=getattr(route, "path", None), error=type(error).__name__)
    answer = _answer(request, _FAILED_ERRORS, who=_who_if_at_all(request))
    # This answer is made outside of what adds them to all others.
    answer.headers.update(security_headers(https=site_of(request).is_https))
    answer.headers[REQUEST_ID] = id_of_request()
    answer.headers["cache-control"] = "no-store"
    return answer


def _who(request: Request) -> Viewer | None:
    """Who gets the page, so that their menu stays; nobody where that cannot be found out."""
    site = site_of(request)
    try:
        return viewer_of_request(request, site, site.now())
    except SQLAlchemyError:
        return None


def _who_if_at_all(request: Request) -> Viewer | None:
    """The same after a failure, whose cause may be met here again."""
    try:
        return _who(request)
    except Exception:  # noqa: BLE001 - what failed is logged; the page comes without its menu
        return None


def _answer(
    request: Request,
    status: int,
    headers: Mapping[str, str] | None = None,
    *,
    who: Viewer | None = None,
    words: ErrorWords | None = None,
) -> Response:
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    if request.url.path.startswith(_API):
        return answer_problem(status, HTTPStatus(status).description, headers=headers)
    words = words or words_of(status, headers.get("retry-after"))
    page = site_of(request).pages.render(
        "error.html", status=status, viewer=who, here="error", words=words
    )
    page.headers.update(headers)
    return page
