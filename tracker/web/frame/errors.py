"""Error pages in the site's own look, and the way to sign-in for those who have to."""

import sqlite3
from collections.abc import Mapping
from http import HTTPStatus

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tracker.records.store.queue import Busy, is_busy
from tracker.web.forms import form_body
from tracker.web.forms.typed import typed_again
from tracker.web.frame import error_words
from tracker.web.frame.allowing import with_allowed
from tracker.web.frame.error_words import ErrorWords, words_of
from tracker.web.frame.own_paths import safe_path
from tracker.web.frame.problems import BUSY_SECONDS, answer_problem
from tracker.web.frame.request_id import HEADER as REQUEST_ID
from tracker.web.frame.request_id import id_of_request
from tracker.web.frame.security import security_headers
from tracker.web.frame.sign_in_needed import to_sign_in
from tracker.web.frame.site import site_of
from tracker.web.frame.viewer import SignInNeeded, Viewer, who_looks

_API = "/api/"
_CUT_OFF, _NOT_FOUND, _UNREADABLE, _FAILED, _BUSY = 400, 404, 422, 500, 503
_LOG = structlog.get_logger()


def add_error_pages(app: FastAPI) -> None:
    """Answer every error with a page of ours."""
    app.add_exception_handler(SignInNeeded, to_sign_in)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http_error)
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
    return _answer(request, _NOT_FOUND if in_path else _UNREADABLE, who=_who(request))


async def _gone(_request: Request, _error: Exception) -> Response:
    """For whoever hung up in the midst of a form: nobody reads it, and no fault of ours."""
    return Response(status_code=_CUT_OFF)


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else _FAILED
    too_many = getattr(error, "detail", None) == form_body.TOO_MANY
    words = error_words.TOO_MANY if too_many else None
    headers = with_allowed(request, status, getattr(error, "headers", None))
    return _answer(request, status, headers, who=_who(request), words=words)


async def _busy(request: Request, _error: Exception) -> Response:
    """A page that keeps what was typed, to be sent again in a moment."""
    headers = {"retry-after": BUSY_SECONDS}
    # It asks no database who looks: that may be what is busy.
    if request.method != "POST" or request.url.path.startswith(_API):
        return _answer(request, _BUSY, headers)
    typed, has_files = await typed_again(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    page = site_of(request).pages.show(
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
    answer = _answer(request, _FAILED, who=_who_if_at_all(request))
    # This answer is made outside of what adds them to all others.
    answer.headers.update(security_headers(https=site_of(request).is_https))
    answer.headers[REQUEST_ID] = id_of_request()
    answer.headers["cache-control"] = "no-store"
    return answer


def _who(request: Request) -> Viewer | None:
    """Who gets the page, so that their menu stays; nobody where that cannot be found out."""
    site = site_of(request)
    try:
        return who_looks(request, site, site.now())
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
    page = site_of(request).pages.show(
        "error.html", status=status, viewer=who, here="error", words=words
    )
    page.headers.update(headers)
    return page
