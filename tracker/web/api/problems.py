"""Every refusal as a problem document (RFC 9457): what is wrong, where, and what would be right."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sqlmodel import Session
from starlette.exceptions import HTTPException

from tracker.db.engine import reading
from tracker.db.write_lock import Busy
from tracker.services.api_tokens import Caller, find_caller, forget_answers, note_use
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.middleware import allow_header

MEDIA_TYPE = "application/problem+json"
_LOG = structlog.get_logger()
# When whoever found too much going on may try again.
BUSY_SECONDS = "10"
_WHAT_NOW = {
    404: "There is nothing here, or nothing that this token may see.",
    405: "This address does not take that method: see the OpenAPI document.",
    500: "The fault is ours. Nothing was saved; the request may be sent again as it was.",
    503: "Somebody else is saving. Nothing was saved; the request may be sent again as it was.",
}


class Fault(BaseModel):
    """One thing that is wrong: a JSON pointer into the body, or a parameter's name."""

    pointer: str = Field(examples=["#/minutes"])
    detail: str


class ProblemDocument(BaseModel):
    """What a refused request is answered."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """A request that is refused; ``faults`` pairs a pointer with what is wrong there."""

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
    """These refusals, for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {s: {"description": HTTPStatus(s).phrase, "content": content} for s in statuses}


def answer_problem(
    status: int,
    detail: str,
    faults: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that tells a problem."""
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
    api.add_exception_handler(Problem, _refusal)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(Busy, _busy)
    api.add_exception_handler(Exception, _failure)


def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what it is registered for
    return answer_problem(error.status, error.detail, error.faults, error.headers)


def pointer_to(*steps: int | str) -> str:
    """A JSON pointer (RFC 6901) into the body."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "#" + "".join(f"/{step}" for step in escaped)


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    faults = [(_where(found["type"], found["loc"]), str(found["msg"])) for found in error.errors()]
    return answer_problem(422, "The request does not have the form that is asked for.", faults)


def _where(kind: str, place: Sequence[int | str]) -> str:
    part, *rest = place
    if part == "body":
        return pointer_to(*(() if kind == "json_invalid" else rest))
    return "/".join([str(part), *(str(step) for step in rest)])


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    detail = _WHAT_NOW.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= allow_header(request)
    return answer_problem(error.status_code, detail, headers=headers)


def _busy(_request: Request, _error: Exception) -> Response:
    return answer_problem(503, _WHAT_NOW[503], headers={"Retry-After": BUSY_SECONDS})


def _failure(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")
    _LOG.error("the API failed", route=getattr(route, "path", None), error=type(error).__name__)
    return answer_problem(500, _WHAT_NOW[500])


_ASK_FOR_TOKEN = {"WWW-Authenticate": "Bearer"}
_bearer = HTTPBearer(auto_error=False, description="A token of the association (`tracker token`)")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def caller(site: SiteDep, at: NowDep, given: Credentials) -> Caller:
    """The program that calls; refused with 401 without a valid token."""
    found = None
    if given is not None:
        with reading(site.engine) as session:
            found = find_caller(session, given.credentials, at)
    if found is None or found.association not in site.rulebooks.associations:
        words = "Send a valid token: `Authorization: Bearer ert_…`. Your association makes it."
        raise Problem(401, words, headers=_ASK_FOR_TOKEN)
    today = site.today(found.association, at)
    if found.last_used_on != today:

        def first_of_the_day(session: Session) -> None:
            """Note the use, and tidy up: once a day is enough for both."""
            note_use(session, found.token_id, today)
            forget_answers(session, found.token_id, at)

        site.writer.run(first_of_the_day)
    return found


def _may(scope: str) -> Callable[..., Caller]:
    def check(who: Annotated[Caller, Depends(caller)]) -> Caller:
        """Who calls, if the token has the scope; else 403."""
        if scope not in who.scopes:
            raise Problem(403, f"This token may not do that: it lacks the scope {scope}.")
        return who

    return check


ReadsStandings = Annotated[Caller, Depends(_may("standings:read"))]
ReadsEntries = Annotated[Caller, Depends(_may("entries:read"))]
WritesEntries = Annotated[Caller, Depends(_may("entries:write"))]
