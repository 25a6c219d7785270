"""`make torture`: each promise has its trials, and a broken one is told as broken."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import database_trouble
from tests.faults.long_form import Fault
from tests.test_shown import ROOT
from tests.torture.__main__ import judge, main, report
from tests.torture.trials import (
    BROKEN,
    HOLDS,
    Databases,
    Options,
    Outcome,
    Promise,
    Trial,
    read_promises,
    run_trials,
)

HERE = sys.modules[__name__]


@dataclass
class Tally:
    """What a made-up fault came to."""

    tries: int
    lost: int = 0


def fault(tries: int, lost: int = 0) -> Fault:
    return Fault(lambda _url, **_: Tally(tries, lost), {"tries": 1}, lambda found: found.lost)


def crash(_url: str, **_: int) -> Tally:
    raise ZeroDivisionError("by zero")


CASES = {
    "holds": (fault(tries=3), HOLDS, "lost 0"),
    "loses": (fault(tries=3, lost=2), BROKEN, "lost 2"),
    "idles": (fault(tries=0), BROKEN, "lost 0"),
    "crashes": (Fault(crash, {"tries": 1}, lambda _: False), BROKEN, "ZeroDivisionError: by zero"),
}


@pytest.fixture
def no_database() -> Databases:
    @contextmanager
    def none() -> Iterator[str]:
        yield ""

    return {"sqlite": none, "postgresql": none}


# Writes down each number that hypothesis draws. It begins with the same smallest one for any seed.
DRAWING = """
import os
from pathlib import Path
from hypothesis import given, settings, strategies as st

@settings(max_examples=int(os.environ["TRACKER_TEST_EXAMPLES"]), database=None)
@given(number=st.integers(1, 2**62))
def test_any_number(number):
    if number > 1:
        with Path({drawn!r}).open("a") as file:
            file.write(str(number) + "\\n")
"""


def test_every_promise_has_a_trial() -> None:
    promises = read_promises()
    assert [promise.number for promise in promises] == [*range(1, 22)]
    for promise in promises:
        assert promise.trials, promise.says
        for trial in promise.trials:
            assert bool(trial.module) != bool(trial.tests), trial
            assert trial.short or trial.why, f"{trial.name} is left out of --short without a reason"
            for test in trial.tests:
                assert (ROOT / test.partition("::")[0]).exists(), test


@pytest.mark.parametrize("name", CASES)
def test_a_broken_fault_is_told_as_broken(
    no_database: Databases, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made_up, verdict, figure = CASES[name]
    monkeypatch.setattr(HERE, "FAULT", made_up, raising=False)
    trial = Trial(1, module=__name__, long={"tries": 3})
    [outcome] = run_trials([trial], Options(engines=["sqlite"]), no_database)
    assert (outcome.verdict, outcome.figure) == (verdict, figure)


def test_a_failing_test_breaks_its_own_promise_only(no_database: Databases, tmp_path: Path) -> None:
    file = tmp_path / "test_made_up.py"
    file.write_text("def test_right(): pass\ndef test_wrong(): assert not 'wrong'\n", "utf-8")
    trials = [
        Trial(number, tests=[f"{file}::{name}"], short=[f"{file}::{name}"])
        for number, name in enumerate(("test_right", "test_wrong", "test_missing"), 1)
    ]
    options = Options(is_short=True)
    outcomes = list(run_trials(trials[:2], options, no_database))
    assert [(outcome.promise, outcome.verdict) for outcome in outcomes] == [(1, HOLDS), (2, BROKEN)]
    [missing] = run_trials(trials[2:], options, no_database)
    assert (missing.verdict, missing.figure) == (BROKEN, "no test ran")


def test_another_seed_tries_other_examples(no_database: Databases, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    file = tmp_path / "test_made_up.py"
    file.write_text(DRAWING.format(drawn=str(drawn)), "utf-8")
    trial = Trial(1, tests=[str(file)], examples=10, part=5)
    found = []
    for seed in (1, 1, 3):
        [outcome] = run_trials([trial], Options(seed=seed), no_database)
        assert (outcome.verdict, outcome.runs) == (HOLDS, 10)
        found.append(drawn.read_text("utf-8").split())
        drawn.unlink()
    first, again, other = found
    assert first == again
    assert not set(first) & set(other)


def test_one_broken_trial_breaks_a_promise() -> None:
    promise = Promise(1, "a promise", "0 lost", ())
    outcomes = [
        Outcome(1, "one", "sqlite", 3, "", HOLDS),
        Outcome(1, "two", "sqlite", 3, "lost 2", BROKEN),
    ]
    assert judge(promise, outcomes[:1]) == HOLDS
    assert judge(promise, outcomes) == BROKEN
    assert judge(promise, []) == "not run"
    assert [*report([promise], outcomes)][-1] == "1 promises: 0 holds, 1 BROKEN, 0 not run"


def test_the_short_form_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a trial by a fault, and of one by tests, which are all in the suite anyway."""
    code = main(["--short", "--database", "sqlite", "--only", "8", "16"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "2 promises: 2 holds, 0 BROKEN, 0 not run" in printed


@pytest.mark.usefixtures("durable_sqlite")
def test_a_database_in_trouble_loses_nothing(sqlite_url: str) -> None:
    tally = database_trouble.run(sqlite_url, rounds=1, seed=1)
    assert tally.acknowledged >= 4 * 4 * 3
    assert tally.refused
    assert (tally.lost, tally.wrong, tally.down, tally.unclear, tally.unanswered) == (0,) * 5
