"""Which methods an address takes: said wherever another one is refused."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from starlette.routing import Match

_NOT_ALLOWED = 405
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def with_allowed(
    request: Request, status: int, headers: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """The headers of a refusal; of 405 with all that the address takes.

    The router names the methods of one route only, and a page and its form are two.
    """
    if status != _NOT_ALLOWED:
        return headers
    return {**(headers or {}), "Allow": ", ".join(_allowed(request))}


def _allowed(request: Request) -> list[str]:
    app: FastAPI = request.app
    found = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in app.router.routes
        )
    ]
    # HEAD is answered as GET before any route is looked for.
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found
