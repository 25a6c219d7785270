"""Change the rules and services a little, thousands of times, and see whether a test fails.

``python -m tests.mutants [MODULE ...]`` runs mutmut on each module, with the tests that
``selection.toml`` chooses for it. A survivor is a change that no test noticed. It ends with 1 if
one is not in ``justified.toml``. Work goes to ``--folder``, where a run that was stopped continues.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

from tests.faults.long_form import Fault
from tracker.db.engine import migrate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# What tests read besides the code. mutmut copies it beside what it changes.
_BESIDE = ("templates", "config", "docs", "deploy", "README.md", "CHANGELOG.md", "Makefile")
_KILLED = {"killed", "segfault"}


@dataclass(frozen=True)
class Survivor:
    """A change that no test noticed: lines taken out and put in, without their indentation."""

    module: str
    name: str
    was: str
    becomes: str

    def is_justified(self, written: Sequence[Mapping[str, str]]) -> bool:
        """Whether ``justified.toml`` has this change."""
        key = (self.module, self.was, self.becomes)
        return key in {(each["module"], each["was"], each["becomes"]) for each in written}


@dataclass
class Result:
    """What became of one module's mutants."""

    module: str
    seconds: float = 0
    mutants: int = 0
    killed: int = 0
    endless: int = 0
    unchecked: int = 0
    justified: int = 0
    survivors: list[Survivor] = field(default_factory=list)
    untested: Counter[str] = field(default_factory=Counter)  # by function, as mutmut names it
    error: str = ""

    @property
    def is_done(self) -> bool:
        """Whether every mutant is killed or justified."""
        return not (self.survivors or self.untested or self.unchecked or self.error)


def read_toml(name: str) -> dict[str, Any]:
    """A file of data beside this one."""
    return tomllib.loads((HERE / name).read_text("utf-8"))


def select_tests(module: str) -> list[str]:
    """The tests to run for a module: those of the first pattern that it matches."""
    for pattern, tests in read_toml("selection.toml")["tests"].items():
        if fnmatch(module, pattern):
            return list(tests)
    raise SystemExit(f"{module}: no pattern of tests/mutants/selection.toml matches it")


def choice_of(module: str) -> str:
    """The expression by which pytest leaves tests out for a module."""
    left_out = read_toml("selection.toml")["leave_out"].get(module)
    return f"not postgresql and not {left_out}" if left_out else "not postgresql"


def run(module: str, folder: Path) -> Result:
    """Test every mutant of a module that has no result yet."""
    result = Result(module)
    started = time.monotonic()
    workspace = prepare(module, folder)
    environment = {
        **os.environ,
        "TRACKER_TEST_MIGRATED_SQLITE": str(migrated(folder)),
    }
    environment.pop("PYTHONPATH", None)  # it would win over what is changed
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
    with (workspace / "log").open("w") as log:
        done = subprocess.run(
            command, cwd=workspace, env=environment, stdout=log, stderr=log, check=False
        )
    result.seconds = time.monotonic() - started
    if done.returncode:
        result.error = f"mutmut ended with {done.returncode}: see {workspace / 'log'}"
    read_results(result, workspace)
    return result


def prepare(module: str, folder: Path) -> Path:
    """A folder in which mutmut changes this one module, and nothing of the checkout."""
    workspace = folder / module.removesuffix(".py").replace("/", ".")
    (workspace / "mutants").mkdir(parents=True, exist_ok=True)
    for name in ("tracker", "tests", *_BESIDE):
        if not (workspace / name).is_symlink():
            (workspace / name).symlink_to(ROOT / name)
    arguments = ["-n0", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
    options = {
        "source_paths": ["tracker"],
        "only_mutate": [module],
        "also_copy": list(_BESIDE),
        "pytest_add_cli_args": [*arguments, "-k", choice_of(module)],
        "pytest_add_cli_args_test_selection": select_tests(module),
        # An endless loop is one after so many times the usual time; a busy machine is slower too.
        "timeout_multiplier": 10.0,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (workspace / "pyproject.toml").write_text(
        "\n".join([project, "[tool.mutmut]", *lines, ""]), "utf-8"
    )
    return workspace


def migrated(folder: Path) -> Path:
    """A migrated database for all mutants: making one takes longer than most of the tests."""
    path = folder / "migrated" / "tracker.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(f"sqlite:///{path}")
    return path


def read_results(result: Result, workspace: Path) -> None:
    """Count what mutmut has found until now, and read each survivor's change."""
    found = workspace / "mutants" / f"{result.module}.meta"
    if not found.exists():
        result.error = result.error or "mutmut made no mutants"
        return
    codes: dict[str, int | None] = json.loads(found.read_text("utf-8"))["exit_code_by_key"]
    statuses = {name: status_by_exit_code[code] for name, code in codes.items()}
    counted = Counter(statuses.values())
    result.mutants = len(codes)
    result.killed = sum(counted[status] for status in _KILLED)
    result.endless = counted["timeout"]
    result.unchecked = counted["not checked"] + counted["check was interrupted by user"]
    written = read_toml("justified.toml")["survivor"]
    for name, status in statuses.items():
        if status == "no tests":
            result.untested[name.partition("__mutmut")[0]] += 1
        elif status in {"survived", "suspicious"}:
            survivor = read_survivor(result.module, name, workspace)
            if survivor.is_justified(written):
                result.justified += 1
            else:
                result.survivors.append(survivor)


def read_survivor(module: str, name: str, workspace: Path) -> Survivor:
    """What mutmut changed, as its diff shows it."""
    with chdir(workspace):  # mutmut finds its files by paths from there
        lines = get_diff_for_mutant(name, path=Path(module)).splitlines()
    removed = [line[1:].strip() for line in lines if line[:1] == "-" and line[:3] != "---"]
    added = [line[1:].strip() for line in lines if line[:1] == "+" and line[:3] != "+++"]
    return Survivor(module, name, "\n".join(removed), "\n".join(added))


def report(results: Sequence[Result]) -> Iterator[str]:
    """A table of the modules, and the survivors that nobody has justified."""
    yield f"{'module':44}  mutants  killed  endless  just.  left  untested  open      s"
    for each in results:
        yield (
            f"{each.module:44} {each.mutants:8} {each.killed:7} {each.endless:8} {each.justified:6}"
            f" {len(each.survivors):5} {each.untested.total():9} {each.unchecked:5}"
            f" {each.seconds:6.0f} {each.error}"
        )
    for each in results:
        for function, count in each.untested.items():
            yield f"\n{function}: none of the chosen tests calls it ({count} mutants)"
        for survivor in each.survivors:
            yield f"\n{survivor.name}\n- {survivor.was}\n+ {survivor.becomes}"
    yield ""
    yield "endless: killed, as the tests took ten times as long as usual"
    yield "just.: survivors that tests/mutants/justified.toml explains; left: those it does not"
    yield "open: not tried yet"


@dataclass
class Tally:
    """The mutants of several modules."""

    mutants: int = 0
    killed: int = 0
    endless: int = 0
    justified: int = 0
    left: int = 0
    unchecked: int = 0


def run_first(modules: int) -> Tally:
    """Test the mutants of so many modules of ``selection.toml``."""
    tally = Tally()
    for module in read_toml("selection.toml")["first"][:modules]:
        result = run(module, ROOT / "build" / "mutants")
        if result.error:
            raise RuntimeError(result.error)
        tally.mutants += result.mutants
        tally.killed += result.killed
        tally.endless += result.endless
        tally.justified += result.justified
        tally.left += len(result.survivors) + result.untested.total()
        tally.unchecked += result.unchecked
    return tally


FAULT = Fault(run_first, {"modules": 1000}, lambda found: found.left or found.unchecked)


def main() -> None:
    """Run the modules in turn; what is known is printed whenever it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="files; default: those of selection.toml")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "mutants")
    given = parser.parse_args()
    results: list[Result] = []
    try:
        for module in given.modules or read_toml("selection.toml")["first"]:
            if not (ROOT / module).is_file():
                parser.error(f"{module} is no file of this checkout")
            results.append(run(module, given.folder.resolve()))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped. What is known until now:\n")
    sys.stdout.write("\n".join(report(results)) + "\n")
    sys.exit(any(not each.is_done for each in results))


if __name__ == "__main__":
    main()
