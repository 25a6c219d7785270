"""Texts that are too long are refused before anything works on them, and hold nobody up."""

import time

import pytest

from tests.support.cast import ALICE
from tests.web.client import RSC, TRAINING, WebClient, problems
from tracker.db import writer
from tracker.web.forms import provider

WORDS = "ab " * 1_600


@pytest.mark.parametrize("field", ["title", "reference"])
def test_a_text_that_is_too_long_comes_back_whole(sqlite_web: WebClient, field: str) -> None:
    typed = "x" * 1_000
    answer = sqlite_web.visit(ALICE).log(TRAINING | {field: typed})
    [(name, words)] = problems(answer)
    assert name == field
    assert words.startswith("Use at most ")
    assert typed in answer.text


def test_a_long_provider_name_costs_nothing(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "find_provider", lambda *_: pytest.fail("it was compared"))
    alice = sqlite_web.visit(ALICE)
    answer = alice.log(RSC | {"provider": "", "provider_name": WORDS})
    assert problems(answer) == [("provider_name", "Use at most 200 characters")]


def test_a_very_long_provider_name_is_refused_at_once(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    began = time.monotonic()
    for field in ("provider_name", "asked"):
        answer = alice.log(RSC | {"provider": "", field: "ab " * 20_000})
        assert answer.status_code == 413
    assert time.monotonic() - began < 2


def test_a_long_name_that_was_asked_about_is_cut_off(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    began = time.monotonic()
    answer = alice.log(RSC | {"provider": "", "provider_name": "", "asked": WORDS})
    assert answer.status_code == 422
    assert WORDS.strip() not in answer.text
    assert time.monotonic() - began < 2


def test_names_are_compared_while_others_can_save(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_writer: list[bool] = []
    compare, write = provider.find_provider, writer.Writer._write
    is_writing = False

    def noting_compare(*arguments: object) -> object:
        in_writer.append(is_writing)
        return compare(*arguments)  # type: ignore[arg-type]

    def noting_write(*arguments: object) -> None:
        nonlocal is_writing
        is_writing = True
        write(*arguments)  # type: ignore[arg-type]
        is_writing = False

    monkeypatch.setattr(provider, "find_provider", noting_compare)
    monkeypatch.setattr(writer.Writer, "_write", noting_write)
    answer = sqlite_web.visit(ALICE).log(RSC | {"provider": "", "provider_name": "Dana Doyle"})
    assert answer.status_code in {303, 422}
    assert in_writer
    assert not any(in_writer)
