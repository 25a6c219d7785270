"""Change the rules and services a little, thousands of times, and see whether a test fails.

``python -m tests.mutants [MODULE ...]`` has mutmut change each module, and runs the tests that
``selection.toml`` chooses for it. A survivor is a change that no test noticed. It ends with 1 if
one is not in ``justified.toml``. Work goes to ``--folder``, where a run that was stopped continues,
and survivors are tried again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.long_form import Fault
from tests.mutants.generation import Mutant, make_mutants
from tests.mutants.trial import FOLDER_VARIABLE
from tracker.db.migrate import migrate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# What tests read besides the code.
_BESIDE = (
    "templates",
    "config",
    "docs",
    "deploy",
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    "pyproject.toml",
)
# Survivors are tried again, as there may be new tests.
_FOUND = {"killed", "endless"}


def is_justified(module: str, mutant: Mutant, written: Sequence[Mapping[str, str]]) -> bool:
    """Whether ``justified.toml`` has a change."""
    key = (module, mutant.was, mutant.becomes)
    return key in {(each["module"], each["was"], each["becomes"]) for each in written}


class Selection(NamedTuple):
    """The tests that are run for a module, but for those with ``leave_out`` in their names."""

    tests: tuple[str, ...]
    leave_out: str | None


@dataclass
class Result:
    """What became of one module's mutants."""

    module: str
    mutants: int = 0
    killed: int = 0
    endless: int = 0
    unchecked: int = 0
    justified: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    untested: Counter[str] = field(default_factory=Counter)  # by function, as mutmut names it
    error: str = ""

    @property
    def is_done(self) -> bool:
        """Whether every mutant is killed or justified."""
        return not (self.survivors or self.untested or self.unchecked or self.error)


def read_toml(name: str) -> dict[str, Any]:
    """A file of data beside this one."""
    return tomllib.loads((HERE / name).read_text("utf-8"))


def select(module: str) -> Selection:
    """What ``selection.toml`` chooses for a module: the first with a pattern that it matches."""
    for each in read_toml("selection.toml")["selection"]:
        if any(fnmatch(module, pattern) for pattern in each["modules"]):
            return Selection(tuple(each["tests"]), each.get("leave_out"))
    raise SystemExit(f"{module}: no pattern of tests/mutants/selection.toml matches it")


def run_all(modules: Iterable[str], folder: Path) -> Iterator[Result]:
    """Run modules in turn, but together those whose tests are the same."""
    together: dict[Selection, list[str]] = {}
    for module in modules:
        together.setdefault(select(module), []).append(module)
    for selection, those in together.items():
        yield from run(those, selection, folder)


def run(modules: Sequence[str], selection: Selection, folder: Path) -> list[Result]:
    """Try every mutant of modules that no test has killed yet."""
    workspace = folder / "work"
    mutants = prepare(modules, folder, workspace)
    environment = {
        **os.environ,
        FOLDER_VARIABLE: str(folder),
        "TRACKER_TEST_MIGRATED_SQLITE": str(migrated(folder)),
        # Otherwise half of the tests of services would be left for PostgreSQL.
        "TRACKER_TEST_ENGINES": "both",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    environment.pop("PYTHONPATH", None)  # it would win over what is changed
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    command += ["-p", "tests.mutants.trial", "--hypothesis-profile=mutants"]
    # Pytest's own format, with the source of each failure, took 60% of the time.
    command += ["--tb=native"]
    left_out = f" and not {selection.leave_out}" if selection.leave_out else ""
    command += ["-k", f"not postgresql{left_out}", *selection.tests]
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            command, cwd=workspace, env=environment, stdout=log, stderr=log, check=False
        )
    outcomes = read_outcomes(folder)
    results = [count(module, those, outcomes) for module, those in mutants.items()]
    if done.returncode:
        results[0].error = f"pytest ended with {done.returncode}: see {folder / 'log'}"
    return results


def prepare(modules: Iterable[str], folder: Path, workspace: Path) -> dict[str, list[Mutant]]:
    """Copy the code and the tests into a folder in which the modules have their mutants."""
    workspace.mkdir(parents=True, exist_ok=True)
    for name in ("tracker", "tests"):
        shutil.rmtree(workspace / name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, workspace / name, ignore=ignored)
    for name in _BESIDE:
        if not (workspace / name).is_symlink():
            (workspace / name).symlink_to(ROOT / name)
    known = read_outcomes(folder)
    mutants, todo = {}, []
    for module in modules:
        code, mutants[module] = make_mutants(module, (ROOT / module).read_text("utf-8"))
        (workspace / module).write_text(code, "utf-8")
        todo += [asdict(each) for each in mutants[module] if known.get(each.digest) not in _FOUND]
    (folder / "todo").write_text(json.dumps(todo), "utf-8")
    return mutants


def read_outcomes(folder: Path) -> dict[str, str]:
    """What is known of each mutant: the last outcome that was written."""
    outcomes = folder / "outcomes"
    lines = outcomes.read_text("utf-8").splitlines() if outcomes.exists() else []
    return dict(line.split(" ") for line in lines)


def migrated(folder: Path) -> Path:
    """A migrated database for all mutants: making one takes longer than most of the tests."""
    path = folder / "migrated" / "tracker.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name("unfinished.db")
        unfinished.unlink(missing_ok=True)
        migrate(f"sqlite:///{unfinished}")
        unfinished.rename(path)
    return path


def count(module: str, mutants: Iterable[Mutant], outcomes: Mapping[str, str]) -> Result:
    """What has become of the mutants of a module until now."""
    written = read_toml("justified.toml")["survivor"]
    result = Result(module)
    for mutant in mutants:
        result.mutants += 1
        outcome = outcomes.get(mutant.digest)
        if outcome == "survived":
            if is_justified(module, mutant, written):
                result.justified += 1
            else:
                result.survivors.append(mutant)
        elif outcome == "untested":
            result.untested[mutant.function] += 1
        else:
            result.killed += outcome == "killed"
            result.endless += outcome == "endless"
            result.unchecked += outcome is None
    return result


def report(results: Sequence[Result]) -> Iterator[str]:
    """A table of the modules, and the survivors that nobody has justified."""
    yield f"{'module':44}  mutants  killed  endless  just.  left  untested  open"
    for each in results:
        yield (
            f"{each.module:44} {each.mutants:8} {each.killed:7} {each.endless:8} {each.justified:6}"
            f" {len(each.survivors):5} {each.untested.total():9} {each.unchecked:5}"
            f" {each.error}"
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
    first = read_toml("selection.toml")["first"][:modules]
    for result in run_all(first, ROOT / "build" / "mutants"):
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
    modules = given.modules or read_toml("selection.toml")["first"]
    for module in modules:
        if not (ROOT / module).is_file():
            parser.error(f"{module} is no file of this checkout")
    results: list[Result] = []
    try:
        results.extend(run_all(modules, given.folder.resolve()))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped. What is known until now:\n")
    sys.stdout.write("\n".join(report(results)) + "\n")
    sys.exit(any(not each.is_done for each in results))


if __name__ == "__main__":
    main()
