"""The trials of the promises: read from a table, run, and told as outcomes.

A trial that tried nothing has not shown anything, so it counts as broken.
"""

import base64
import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
import xml.etree.ElementTree as ET  # what pytest itself has written
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults.long_form import Fault

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).parent / "promises.toml"
HOLDS, BROKEN, NOT_RUN = "holds", "BROKEN", "not run"
ENGINES = ("sqlite", "postgresql")
_FEW = 2  # examples of hypothesis in the short form
_EXAMPLES = re.compile(r"(\d+) passing, \d+ failing")


@dataclass(frozen=True)
class Trial:
    """One way of trying a promise: a fault (``module``) or tests; the table explains the rest."""

    promise: int
    module: str = ""
    long: Mapping[str, int] = field(default_factory=dict)
    short: Mapping[str, int] | Sequence[str] = ()
    tests: Sequence[str] = ()
    examples: int = 0
    part: int = 0
    databases: Sequence[str] = ENGINES
    why: str = ""

    @property
    def name(self) -> str:
        """What is run, in a few characters."""
        if self.module:
            return self.module.removesuffix(".__main__").rpartition(".")[2]
        files = dict.fromkeys(Path(test.partition("::")[0]).stem for test in self.tests)
        return ", ".join(files)


@dataclass(frozen=True)
class Promise:
    """A line of the table."""

    number: int
    says: str
    figure: str
    trials: Sequence[Trial]


@dataclass(frozen=True)
class Outcome:
    """What a trial came to on an engine (empty: on none). ``runs`` is how often it was tried."""

    promise: int
    name: str
    engine: str
    runs: int
    figure: str
    verdict: str
    seconds: float = 0


@dataclass(frozen=True)
class Options:
    """How much is tried: the short form, or a ``scale`` of the long one (1: all of it).

    Hypothesis draws the examples of the first part from ``seed``, of the second from the one after.
    """

    is_short: bool = False
    scale: float = 1
    engines: Sequence[str] = ENGINES
    seed: int = 1


Databases = Mapping[str, Callable[[], AbstractContextManager[str]]]


def read_promises(table: Path = TABLE) -> list[Promise]:
    """The promises, in their order."""
    found = tomllib.loads(table.read_text("utf-8"))["promise"]
    return [
        Promise(
            each["number"],
            each["says"],
            each["figure"],
            [Trial(promise=each["number"], **trial) for trial in each["trials"]],
        )
        for each in found
    ]


def run_trials(
    trials: Sequence[Trial], options: Options, databases: Databases
) -> Iterator[Outcome]:
    """Run trials in turn. ``databases`` makes a new, migrated one for each engine.

    In the short form all tests are run by one process of pytest, in the end.
    """
    tests: list[Trial] = []
    for trial in trials:
        if options.is_short and not trial.short:
            yield Outcome(trial.promise, trial.name, "", 0, trial.why, NOT_RUN)
        elif trial.module:
            yield from run_fault(trial, options, databases)
        elif options.is_short:
            tests.append(replace(trial, tests=tuple(trial.short)))
        else:
            yield from run_tests([trial], options)
    if tests:
        yield from run_tests(tests, options)


def run_fault(trial: Trial, options: Options, databases: Databases) -> Iterator[Outcome]:
    """Try a fault on a database of each engine, or once if it needs none."""
    fault: Fault = importlib.import_module(trial.module).FAULT
    numbers = dict(trial.short) if isinstance(trial.short, Mapping) else {}
    if not options.is_short:
        numbers = dict(trial.long)
        first = next(iter(numbers))
        numbers[first] = max(1, round(numbers[first] * options.scale))
    if not trial.databases:
        yield _try(trial, "", lambda: fault.run(**numbers), fault)
    for engine in trial.databases:
        if engine in options.engines:
            with databases[engine]() as url:
                yield _try(trial, engine, lambda url=url: fault.run(url, **numbers), fault)  # type: ignore[misc]


def _try(trial: Trial, engine: str, run: Callable[[], Any], fault: Fault) -> Outcome:
    started = time.monotonic()
    try:
        tally = run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the promise was not shown to hold
        sys.stderr.write(traceback.format_exc())
        message = f"{type(error).__name__}: {error}".partition("\n")[0]
        return _told(trial, engine, 0, message, BROKEN, started)
    counts = asdict(tally)
    runs = int(next(iter(counts.values())))
    figure = ", ".join(f"{name} {count}" for name, count in [*counts.items()][1:])
    is_broken = fault.is_wrong(tally) or not runs
    return _told(trial, engine, runs, figure, BROKEN if is_broken else HOLDS, started)


def _told(
    trial: Trial, engine: str, runs: int, figure: str, verdict: str, started: float
) -> Outcome:
    seconds = time.monotonic() - started
    return Outcome(trial.promise, trial.name, engine, runs, figure, verdict, seconds)


@dataclass
class Cases:
    """The cases of one engine: how many examples passed, which failed, how many were skipped."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)


# By promise, trial, and engine.
Found = dict[tuple[int, str, str], Cases]


def run_tests(trials: Sequence[Trial], options: Options) -> Iterator[Outcome]:
    """Run the tests of trials by pytest, again and again until as many examples were tried."""
    started = time.monotonic()
    found: Found = {}
    [examples] = {
        0 if options.is_short else round(trial.examples * options.scale) for trial in trials
    }
    output = ""
    try:
        for seed in count(options.seed):
            part = min(trials[0].part, examples) if examples else _FEW * options.is_short
            report, output = _call_pytest(trials, options, part, seed)
            before = _count_passed(found)
            for trial in trials:
                _add_cases(report, trial, found)
            passed = _count_passed(found)
            if passed >= examples or passed == before or _failed(found):
                break
    except KeyboardInterrupt:
        if found:
            yield from _tell(trials, found, output, started)
        raise
    yield from _tell(trials, found, output, started)


def _count_passed(found: Found) -> int:
    return sum(cases.passed for cases in found.values())


def _failed(found: Found) -> bool:
    return not found or any(cases.failed for cases in found.values())


def _call_pytest(
    trials: Sequence[Trial], options: Options, part: int, seed: int
) -> tuple[ET.Element | None, str]:
    """Run pytest once; its report (None if it made none) and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("CI", None)  # its profile of hypothesis ignores the seed
    if not options.is_short:
        # Otherwise a test of a page or a service runs on one engine only.
        environment["TRACKER_TEST_ENGINES"] = "both"
    if part:
        environment["TRACKER_TEST_EXAMPLES"] = str(part)
    only = {"sqlite": ["-k", "not postgresql"], "postgresql": ["-k", "postgresql"]}
    chosen = only[options.engines[0]] if len(options.engines) == 1 else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            f"--hypothesis-seed={seed}",
        ]
        arguments = [f"--junitxml={file}", *chosen]
        tests = dict.fromkeys(test for trial in trials for test in trial.tests)
        done = subprocess.run(
            [*command, *arguments, *tests],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return (ET.parse(file).getroot() if file.exists() else None), done.stdout  # noqa: S314


def _add_cases(report: ET.Element | None, trial: Trial, found: Found) -> None:
    """Add the cases of one trial: examples where hypothesis made some, otherwise single tests."""
    if report is None:
        return
    examples = {
        each.attrib["name"].removeprefix("hypothesis-statistics-"): sum(
            int(passing)
            for passing in _EXAMPLES.findall(base64.b64decode(each.attrib["value"]).decode())
        )
        for each in report.iter("property")
        if each.attrib["name"].startswith("hypothesis-statistics-")
    }
    for case in report.iter("testcase"):
        if "classname" not in case.attrib:
            continue  # pytest was stopped within this test
        node = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"
        if not any(_is_of(node, test) for test in trial.tests):
            continue
        engine = "postgresql" if "postgresql" in case.attrib["name"] else "sqlite"
        cases = found.setdefault((trial.promise, trial.name, engine), Cases())
        if case.find("failure") is not None or case.find("error") is not None:
            cases.failed.append(node)
        elif case.find("skipped") is not None:
            cases.skipped += 1
        else:
            cases.passed += examples.get(node, 1)


def _is_of(node: str, test: str) -> bool:
    """Whether a case belongs to a test as the table names it: a folder, a file, or a function."""
    path, _, function = test.partition("::")
    file, _, name = node.partition("::")
    is_inside = path.endswith(file) or file.startswith(f"{path}/")
    return is_inside and function in {"", name, name.partition("[")[0]}


def _tell(
    trials: Sequence[Trial],
    found: Found,
    output: str,
    started: float,
) -> Iterator[Outcome]:
    for trial in trials:
        own = {
            key[2]: cases for key, cases in found.items() if key[:2] == (trial.promise, trial.name)
        }
        if not own:
            sys.stderr.write(output)
            yield _told(trial, "", 0, "no test ran", BROKEN, started)
        for engine, cases in sorted(own.items()):
            if cases.failed:
                sys.stderr.write(output)
            figure = f"failed {len(cases.failed)}, skipped {cases.skipped}"
            if cases.failed:
                figure += f": {cases.failed[0]}"
            verdict = BROKEN if cases.failed or not cases.passed else HOLDS
            yield _told(trial, engine, cases.passed, figure, verdict, started)
