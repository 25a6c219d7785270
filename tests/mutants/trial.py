"""A pytest plugin that runs tests for each mutant of a module, in a process of its own.

Pytest starts and collects once. One child runs all tests without a mutant, and notes which
functions each of them calls. For each mutant, a child runs the tests that call its function until
one fails. The parent runs none, so no child finds what unchanged code left in a cache.
"""

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from mutmut.mutation import trampoline

# The folder with `todo`, what to try; the outcomes are added to `outcomes` beside it.
FOLDER_VARIABLE = "TRACKER_MUTANTS_FOLDER"
# An endless loop is one after so many times the usual time, in seconds of the processor.
_TIMES, _AND_SECONDS = 10, 5
_LONGEST_WAIT = 900
_MORE_MEMORY = 2 << 30
# So many tests that found other mutants of the function are tried first.
_FIRST = 3

Calls = dict[str, dict[int, float]]  # by function: the tests that call it, and how long each takes


class Trial:
    """The mutants of one module, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.has_failed = False
        self.failure = ""
        self.clear: list[Callable[[], None]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice a failure."""
        if report.failed and not self.has_failed:
            self.has_failed = True
            self.failure = f"{report.nodeid}\n{report.longreprtext}\n"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants of `todo`, instead of running the tests."""
        items = session.items
        self.clear = _list_caches()
        if self._in_child(lambda: self._note_calls(items), items, _LONGEST_WAIT):
            raise pytest.UsageError("a test fails without a mutant")
        noted: Calls = {
            function: {int(number): seconds for number, seconds in tests.items()}
            for function, tests in json.loads((self.folder / "calls").read_text()).items()
        }
        finders: defaultdict[str, list[int]] = defaultdict(list)
        with (self.folder / "outcomes").open("a") as outcomes:
            for mutant in json.loads((self.folder / "todo").read_text()):
                function = f"{mutant['module']}.{mutant['function']}"
                name = f"{mutant['module']}.{mutant['name']}"
                outcome = self._try(items, name, noted.get(function, {}), finders[function])
                outcomes.write(f"{mutant['digest']} {outcome}\n")
                outcomes.flush()
        return True

    def _try(
        self, items: list[pytest.Item], name: str, tests: dict[int, float], finders: list[int]
    ) -> str:
        """What becomes of one mutant."""
        if not tests:
            return "untested"
        numbers = [*finders[:_FIRST], *_put_in_order(items, tests)]
        chosen = list(dict.fromkeys(numbers))
        limit = int(_TIMES * sum(tests.values()) + _AND_SECONDS)
        found = self.folder / "found"
        found.unlink(missing_ok=True)
        code = self._in_child(lambda: self._find(items, name, chosen), items, limit)
        if code in (-signal.SIGXCPU, -signal.SIGALRM):
            return "endless"
        if found.exists():
            finder = int(found.read_text())
            finders[:] = [finder, *(each for each in finders if each != finder)]
        return "killed" if code else "survived"

    def _find(self, items: list[pytest.Item], name: str, numbers: list[int]) -> int:
        """Run tests until one notices the mutant: 1 then, else 0."""
        trampoline.set_mutant_under_test(name)
        self._empty_caches()
        for number, following in pairwise([*numbers, None]):
            assert number is not None
            _run(items[number], None if following is None else items[following])
            if self.has_failed:
                (self.folder / "found").write_text(str(number))
                return 1
        return 0

    def _note_calls(self, items: list[pytest.Item]) -> int:
        """Run all tests, and note which functions of the module each calls: 1 if one fails."""
        calls: defaultdict[str, dict[int, float]] = defaultdict(dict)
        called: set[str] = set()

        def note(name: str, caller: str | None = None) -> None:
            del caller
            called.add(name)

        trampoline.record_trampoline_hit = note  # type: ignore[attr-defined]
        trampoline.set_mutant_under_test("stats")
        for number, (item, following) in enumerate(pairwise([*items, None])):
            assert item is not None
            # Otherwise only the first test that needs a cached value calls what makes it.
            self._empty_caches()
            called.clear()
            started = time.process_time()
            _run(item, following)
            seconds = time.process_time() - started
            for name in called:
                calls[name][number] = seconds
        (self.folder / "calls").write_text(json.dumps(calls))
        sys.stdout.write(self.failure)
        sys.stdout.flush()
        return int(self.has_failed)

    def _empty_caches(self) -> None:
        for clear in self.clear:
            clear()

    def _in_child(self, work: Callable[[], int], items: list[pytest.Item], limit: int) -> int:
        """Do work in a child, and return its exit code, or the signal that ended it as a negative.

        ``limit`` is in seconds of the processor.
        """
        files = tempfile.mkdtemp(prefix="mutant-")
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            code = 1
            try:
                items[0].config._tmp_path_factory._basetemp = Path(files)  # type: ignore[attr-defined]
                resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_MEMORY, used + _MORE_MEMORY))
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(_LONGEST_WAIT)
                code = work()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        shutil.rmtree(files, ignore_errors=True)
        return os.waitstatus_to_exitcode(status)


def _put_in_order(items: list[pytest.Item], tests: dict[int, float]) -> list[int]:
    """The quickest tests first, but those of a file together, as they share fixtures."""
    files: defaultdict[Path, list[int]] = defaultdict(list)
    for number in sorted(tests, key=lambda number: tests[number]):
        files[items[number].path].append(number)
    by_time = sorted(
        files.values(), key=lambda numbers: sum(tests[n] for n in numbers) / len(numbers)
    )
    return [number for numbers in by_time for number in numbers]


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _list_caches() -> list[Callable[[], None]]:
    """What empties the caches of all modules, and of their classes."""
    found = []
    for module in [module for name, module in sys.modules.items() if name.startswith("tracker.")]:
        classes = [each for each in vars(module).values() if isinstance(each, type)]
        for holder in (module, *classes):
            found += [
                each.cache_clear for each in vars(holder).values() if hasattr(each, "cache_clear")
            ]
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Take over where a folder is named."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        config.pluginmanager.register(Trial(Path(folder)))
