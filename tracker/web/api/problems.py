"""Every refusal as a problem document (RFC 9457): what is wrong, where, and what to do."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import psycopg
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from starlette.exceptions import HTTPException

from tracker.db.access import ApiToken
from tracker.db.engine import reading
from tracker.db.errors import Busy, is_busy, is_unavailable
from tracker.refusal_text import format_refusal
from tracker.services.api_tokens import find_caller, forget_answers, note_use
from tracker.services.context import Refused
from tracker.services.security_events import log_event
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.middleware import allow_header

MEDIA_TYPE = "application/problem+json"
# Refusals that are not about the body.
_STATUSES = {"form-already-saved": 409, "daily-limit-reached": 429}
# Where a refusal belongs whose field has another name in requests.
_POINTERS = {"form_key": "header/Idempotency-Key", "provider": "#/provider_email"}
_LOG = structlog.get_logger()
# What the database, or its driver where we use it directly, raises.
DATABASE_ERRORS = (Busy, SQLAlchemyError, psycopg.Error, sqlite3.Error)
# When a client may try again after the database was busy.
BUSY_SECONDS = "10"
_WHAT_NOW = {
    404: "This address does not exist, or this token may not see it.",
    405: "This address does not support that method. See the OpenAPI document.",
    500: "This is our fault. Nothing was saved. You can send the same request again.",
    503: "The database is busy. Nothing was saved. You can send the same request again.",
}


_UNAVAILABLE = "The database can't be used right now. You can send the same request again."


class Fault(BaseModel):
    """One thing that is wrong: a JSON pointer into the body, or a parameter's name."""

    pointer: str = Field(examples=["#/minutes"])
    detail: str


class ProblemDocument(BaseModel):
    """The answer to a refused request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """A refused request; ``faults`` are pairs of a pointer and what is wrong there."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = faults
        self.headers = headers


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers with these statuses, for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {s: {"description": HTTPStatus(s).phrase, "content": content} for s in statuses}


def answer_problem(
    status: int,
    detail: str,
    faults: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with a problem document."""
    document = ProblemDocument(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=[Fault(pointer=pointer, detail=words) for pointer, words in faults],
    )
    return JSONResponse(
        document.model_dump(), status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def add_problems(api: FastAPI) -> None:
    """Answer every error with a problem document."""
    api.add_exception_handler(Problem, _answer_problem)
    api.add_exception_handler(Refused, _answer_refusal)
    api.add_exception_handler(RequestValidationError, _answer_invalid)
    api.add_exception_handler(HTTPException, _answer_http_error)
    for failed in DATABASE_ERRORS:
        api.add_exception_handler(failed, _answer_unavailable)
    api.add_exception_handler(Exception, _answer_failure)


def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what it is registered for
    return answer_problem(error.status, error.detail, error.faults, error.headers)


def _answer_refusal(_request: Request, error: Exception) -> Response:
    """The answer for what a service refused, each reason with a pointer into the body."""
    assert isinstance(error, Refused)  # noqa: S101 - what it is registered for
    status = max(_STATUSES.get(refusal.code, 422) for refusal in error.refusals)
    faults = []
    for refusal in error.refusals:
        pointer = _pointer_to(*refusal.field.split(".", 1))
        pointer = _POINTERS.get(refusal.field, pointer)
        faults.append((pointer, format_refusal(refusal.code, refusal.facts)))
    return answer_problem(status, "The session can't be saved as it is.", faults)


def _pointer_to(*steps: int | str) -> str:
    """A JSON pointer (RFC 6901) into the body."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "#" + "".join(f"/{step}" for step in escaped)


def _answer_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    faults = []
    for found in error.errors():
        part, *steps = found["loc"]
        pointer = "/".join([str(part), *(str(step) for step in steps)])
        if found["type"] == "json_invalid":
            pointer = _pointer_to()
        elif part == "body":
            pointer = _pointer_to(*steps)
        faults.append((pointer, str(found["msg"])))
    return answer_problem(422, "The request does not have the required form.", faults)


def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    detail = _WHAT_NOW.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= allow_header(request)
    return answer_problem(error.status_code, detail, headers=headers)


def _answer_unavailable(_request: Request, error: Exception) -> Response:
    detail = _WHAT_NOW[503]
    if not is_busy(error):
        if not is_unavailable(error):
            raise error
        detail = _UNAVAILABLE
        _LOG.error("the database can't be used", error=type(error).__name__)
    return answer_problem(503, detail, headers={"Retry-After": BUSY_SECONDS})


def _answer_failure(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")
    _LOG.error("the API failed", route=getattr(route, "path", None), error=type(error).__name__)
    return answer_problem(500, _WHAT_NOW[500])


_ASK_FOR_TOKEN = {"WWW-Authenticate": "Bearer"}
_bearer = HTTPBearer(auto_error=False, description="A token of the association (`tracker token`)")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def require_caller(site: SiteDep, now: NowDep, given: Credentials) -> ApiToken:
    """The program that calls; 401 without a valid token."""
    caller = None
    if given is not None:
        with reading(site.engine) as session:
            caller = find_caller(session, given.credentials, now)
    if caller is None or caller.association not in site.rulebooks.associations:
        log_event("api", "no valid token")
        message = "Send a valid token: `Authorization: Bearer ert_…`. Your association creates it."
        raise Problem(401, message, headers=_ASK_FOR_TOKEN)
    today = site.today(caller.association, now)
    if caller.last_used_on != today:

        def note_first_use(session: Session) -> None:
            """Store the use, and clean up: once a day is enough for both."""
            note_use(session, caller.id, today)
            forget_answers(session, caller.id, now)

        site.writer.run(note_first_use)
    return caller


def _require_scope(scope: str) -> Callable[..., ApiToken]:
    def check(caller: Annotated[ApiToken, Depends(require_caller)]) -> ApiToken:
        """The caller, if the token has the scope; else 403."""
        if scope not in caller.scopes.split():
            log_event("api", "no such scope")
            raise Problem(403, f"This token lacks the scope {scope}.")
        return caller

    return check


ReadsStandings = Annotated[ApiToken, Depends(_require_scope("standings:read"))]
ReadsEntries = Annotated[ApiToken, Depends(_require_scope("entries:read"))]
WritesEntries = Annotated[ApiToken, Depends(_require_scope("entries:write"))]
