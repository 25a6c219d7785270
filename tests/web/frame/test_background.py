"""What visitors do not wait for: done in its order, never piled up without an end."""

import threading

import pytest

from tracker.web import background
from tracker.web.background import BackgroundWork


def test_cleanup_waits_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "_MOST_WAITING", 4)
    work, done, begun, may_end = BackgroundWork(), [], threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        may_end.wait(30)

    def tidy(number: int) -> None:
        done.append(f"tidied {number}")

    work.run(hold)
    assert begun.wait(30)
    for number in range(100):
        work.run_once(tidy, number)
    for number in range(5):
        work.run(lambda number: done.append(f"sent {number}"), number)
    may_end.set()
    work.settle()
    # One place was taken by what holds, one by what tidies: two were left, three are dropped.
    assert done == ["tidied 0", "sent 0", "sent 1"]
    work.run_once(tidy, 100)
    work.settle()
    assert done[-1] == "tidied 100"


def test_dropped_cleanup_can_be_requested_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "_MOST_WAITING", 1)
    work, done, may_end = BackgroundWork(), list[str](), threading.Event()

    def hold() -> None:
        may_end.wait(30)

    def tidy() -> None:
        done.append("tidied")

    work.run(hold)
    work.run_once(tidy)
    may_end.set()
    work.settle()
    assert done == []
    work.run_once(tidy)
    work.settle()
    assert done == ["tidied"]
