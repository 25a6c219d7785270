"""Texts that are too long are refused before anything works on them, and hold nobody up."""

import threading
import time
from collections.abc import Sequence

import pytest

from tests.support.cast import ALICE
from tests.web.client import RSC, TRAINING, WebClient, problems
from tracker.services.rsc_providers import ProviderChoice
from tracker.web.forms import provider
from tracker.web.forms.provider import ProviderMatch

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


def test_names_are_compared_outside_of_the_writer(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    compare = provider.find_provider

    def noting_compare(typed: str, choices: Sequence[ProviderChoice]) -> ProviderMatch:
        threads.append(threading.current_thread().name)
        return compare(typed, choices)

    monkeypatch.setattr(provider, "find_provider", noting_compare)
    answer = sqlite_web.visit(ALICE).log(RSC | {"provider": "", "provider_name": "Dana Doyle"})
    assert answer.status_code in {303, 422}
    assert threads
    assert not [name for name in threads if name.startswith("writer")]
