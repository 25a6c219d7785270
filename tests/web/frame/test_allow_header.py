"""Whoever sends a method that an address does not take is told which ones it takes."""

import re
from collections import defaultdict
from collections.abc import Iterator

from fastapi import FastAPI
from starlette.routing import Mount, Route

from tests.web.client import WebClient

OWN = {"Origin": "http://testserver"}


def routes_of(app: FastAPI, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each route below ``app``, with the methods that it knows."""
    for route in app.routes:
        if isinstance(route, Mount):
            assert isinstance(route.app, FastAPI)
            yield from routes_of(route.app, prefix + route.path)
            continue
        for each in getattr(getattr(route, "original_router", None), "routes", [route]):
            assert isinstance(each, Route), each
            yield prefix + each.path, each.methods or set()


def taken(app: FastAPI) -> dict[str, set[str]]:
    """Methods by path; of a path that other routes take in, too, those of them all."""
    by_path = defaultdict[str, set[str]](set)
    for path, methods in routes_of(app):
        by_path[path] |= methods | ({"HEAD"} if "GET" in methods else set())
    found = {}
    for path in by_path:
        address = re.sub(r"\{\w+\}", "1", path)
        same = (re.sub(r"\{\w+\}", "[^/]+", other) for other in by_path)
        like = [other for other, pattern in zip(by_path, same, strict=True)
                if re.fullmatch(pattern, address)]  # fmt: skip
        found[address] = {method for other in like for method in by_path[other]}
    return found


def test_405_lists_every_allowed_method(
    sqlite_web: WebClient,
) -> None:
    client = sqlite_web.visit().client
    wanted = taken(sqlite_web.app)
    assert wanted["/log"] == {"GET", "HEAD", "POST"}
    assert wanted["/api/v1/entries"] == {"GET", "HEAD", "POST"}
    told = defaultdict[str, set[str]](set)
    for path, methods in wanted.items():
        for method in {"OPTIONS", "DELETE", "GET"} - methods:
            answer = client.request(method, path, headers=OWN)
            assert answer.status_code == 405, (method, path)
            told[path] |= {answer.headers["allow"]}
    assert {path: {*allow.split(", ")} for path, (allow,) in told.items()} == wanted
    assert "allow" not in client.options("/nowhere").headers
