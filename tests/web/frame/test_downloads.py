"""All my data: so many archives at once and no more, and none waits for somebody who is gone."""

import asyncio
import io
import time
from collections.abc import Iterator

import pytest
from starlette.types import Message

from tests.support.cast import ALICE, BOB
from tests.web.client import WebClient, text_of
from tracker.web.pages import exports
from tracker.web.pages.exports import Download, Places

ZIP = "/takeaways/my-data.zip"


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Two of them, and nobody waits for one."""
    found = Places(2)
    monkeypatch.setattr(exports, "_PLACES", found)
    monkeypatch.setattr(exports, "_WAIT_SECONDS", 0)
    yield found
    assert found.take(-1), "every place is free again"


def test_without_a_place_the_download_waits(sqlite_web: WebClient, places: Places) -> None:
    alice, bob = sqlite_web.visit(ALICE), sqlite_web.visit(BOB)
    assert alice.get(ZIP).status_code == 200
    assert places.take(sqlite_web.cast.people[ALICE])
    # Nobody has two, so that one person leaves room for another.
    refused = alice.get(ZIP)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "The site is busy right now" in text_of(refused)
    assert bob.get(ZIP).status_code == 200
    assert places.take(-2)
    assert bob.get(ZIP).status_code == 503
    places.leave(-2)
    places.leave(sqlite_web.cast.people[ALICE])
    assert alice.get(ZIP).status_code == 200


def test_a_failed_archive_frees_its_place(
    sqlite_web: WebClient, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(exports, "write_my_data", fail)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            sqlite_web.visit(ALICE).get(ZIP)
    assert places.take(sqlite_web.cast.people[ALICE])
    places.leave(sqlite_web.cast.people[ALICE])


@pytest.mark.parametrize("limit", ["_IDLE_SECONDS", "_SLOWEST"])
def test_slow_clients_are_given_up(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Neither who takes nothing more, nor who takes a little now and then."""
    monkeypatch.setattr(exports, "_CHUNK", 10)
    if limit == "_IDLE_SECONDS":
        monkeypatch.setattr(exports, "_IDLE_SECONDS", 0.05)
    else:
        monkeypatch.setattr(exports, "_IDLE_SECONDS", 0.1)
        monkeypatch.setattr(exports, "_SLOWEST", 1e9)
    file, left, sent = io.BytesIO(b"x" * 1000), [], []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.sleep(3600 if limit == "_IDLE_SECONDS" else 0.02)

    async def receive() -> Message:
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    began = time.monotonic()
    download = Download(file, "my-data.zip", "application/zip", lambda: left.append(True))
    asyncio.run(download({"type": "http"}, receive, send))
    assert time.monotonic() - began < 5
    assert (file.closed, left) == (True, [True])
    assert sent[-1]["more_body"]
