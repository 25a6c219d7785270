"""Builds the API, an application of its own below `/api/v1`."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from tracker.web.api import entries, standings
from tracker.web.api.problems import ProblemDocument, add_problems
from tracker.web.dependencies import Site

PREFIX = "/api/v1"
_ABOUT = (
    "Standings and entries of one association's endorsees. Each request carries a token of the "
    "association (`Authorization: Bearer …`); refusals are problem documents (RFC 9457). "
    "Lists come in pages: follow `next`."
)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The description, with the schema of problem documents, to which the responses refer."""
        described = super().openapi()
        template = "#/components/schemas/{model}"
        _, found = models_json_schema([(ProblemDocument, "serialization")], ref_template=template)
        described["components"]["schemas"].update(found["$defs"])
        return described


def build_api(site: Site) -> FastAPI:
    """The API on the same database as the pages; its description is at `openapi.json`."""
    api = _Api(
        title="Endorsement renewals",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        routes=[*standings.router.routes, *entries.router.routes],
    )
    api.state.site = site
    add_problems(api)
    return api
