"""What is served in the benchmark: the site, and the three floors beside it.

Each is made in the worker itself, by name: ``uvicorn tests.bench.sites:form_floor --factory``.
"""

import os
from typing import Annotated, Any, Literal
from unittest.mock import patch

from fastapi import FastAPI, Form
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.bench.load import WORKER
from tests.bench.work import CONFIG, NIGHT
from tracker.db.engine import open_engine
from tracker.rulebooks import load_rulebooks
from tracker.settings import Settings
from tracker.web.app import build_app, collect_garbage_rarely

DATABASE, BASE_URL, TOKEN = "BENCH_DATABASE_URL", "BENCH_BASE_URL", "BENCH_TOKEN"


def site() -> ASGIApp:
    """The site itself, on the benchmark's database and at its instant."""
    return _naming_itself(_site())


def _site() -> FastAPI:
    url = os.environ[DATABASE]
    settings = Settings(database_url=url, base_url=os.environ[BASE_URL], config_dir=CONFIG)
    app = build_app(settings, open_engine(url), load_rulebooks(CONFIG), now=lambda: NIGHT)
    collect_garbage_rarely()
    return app


class Session(BaseModel):
    """The fields of a session, validated as FastAPI's own documentation does it."""

    form_key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    activity: Literal["rsc", "training"]
    day: Annotated[int, Field(ge=1, le=31)]
    month: Annotated[int, Field(ge=1, le=12)]
    year: Annotated[int, Field(ge=1900, le=2100)]
    hours: Annotated[float, Field(gt=0, le=24)]
    title: Annotated[str, Field(max_length=300)] = ""
    provider: int | None = None
    format: Literal["individual", "group"] | None = None


def form_floor() -> ASGIApp:
    """The least that a form can cost: read, validated, redirected; stored nowhere."""
    app = FastAPI()

    @app.post("/log")
    async def save(form: Annotated[Session, Form()]) -> RedirectResponse:
        return RedirectResponse(f"/log/saved/{form.day}", 303)

    return _naming_itself(app)


def template_floor() -> ASGIApp:
    """The least that My year can cost: its own template, with facts that are there already."""
    whole = _site()
    pages = whole.state.site.pages
    name, facts, _ = _visit_my_year(whole)
    app = FastAPI()

    @app.get("/my-year")
    async def show() -> HTMLResponse:
        shown: HTMLResponse = pages.render(name, **facts)
        return shown

    return _naming_itself(app)


def bare_answer() -> ASGIApp:
    """The least that any page can cost: the framework's answer of as many bytes as My year has."""
    _, _, body = _visit_my_year(_site())

    async def show(_: Request) -> Response:
        return Response(body, media_type="text/html")

    return _naming_itself(Starlette(routes=[Route("/my-year", show)]))


def _naming_itself(app: ASGIApp) -> ASGIApp:
    """The app, which also tells by which process it is answered: that all of them are ready."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked_who = scope["type"] == "http" and scope["path"] == WORKER
        await (PlainTextResponse(str(os.getpid())) if asked_who else app)(scope, receive, send)

    return answer


def _visit_my_year(app: FastAPI) -> tuple[str, dict[str, Any], bytes]:
    """The template of My year, its facts, and the page, of the person whose session is named."""
    found: list[tuple[str, dict[str, Any]]] = []
    pages = app.state.site.pages
    render = pages.render_text

    def note(template: str, **facts: Any) -> str:  # noqa: ANN401 - what a template prints
        found.append((template, facts))
        return str(render(template, **facts))

    with patch.object(pages, "render_text", note), TestClient(app) as client:
        client.cookies.set("session", os.environ[TOKEN])
        answer = client.get("/my-year")
        assert answer.status_code == 200
    return *found[-1], answer.content
