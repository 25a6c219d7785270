"""Try every promise with its own faults, and print a table: promise, runs, figure, verdict.

``python -m tests.torture [--only 1 7] [--short] [--scale 0.01] [--database sqlite] [--seed 501]``.
The long form of everything takes days; ``--scale 0.01`` tries a hundredth. A run that goes on from
an earlier one, or runs beside it, gets a ``--seed`` of its own. Ctrl-C prints what is known, as
does SIGTERM. It ends with 1 if a promise is broken.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

from tests.support.databases import copy_sqlite, postgres_database, sqlalchemy_url
from tests.support.postgres import client_programs, running_server
from tests.torture.trials import (
    BROKEN,
    ENGINES,
    HOLDS,
    Databases,
    Options,
    Outcome,
    Promise,
    read_promises,
    run_trials,
)
from tracker.db.migrate import migrate


def report(promises: Sequence[Promise], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines of the table; a promise without an outcome was not run."""
    for promise in promises:
        yield f"{promise.number:2}  {promise.says}  [{promise.figure}]"
        own = [outcome for outcome in outcomes if outcome.promise == promise.number]
        for each in own:
            where = f"{each.name} {each.engine}".strip()
            yield f"      {each.verdict:7} {each.runs:8} runs {each.seconds:7.0f} s  {where}"
            if each.figure:
                yield f"{'':33}{each.figure}"
        if not own:
            yield "      not run: stopped before it"
    verdicts = [judge(promise, outcomes) for promise in promises]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in (HOLDS, BROKEN, "not run")]
    yield f"{len(promises)} promises: {', '.join(counts)}"


def judge(promise: Promise, outcomes: Sequence[Outcome]) -> str:
    """The verdict of all trials of a promise: one that is broken breaks it."""
    verdicts = {each.verdict for each in outcomes if each.promise == promise.number}
    if BROKEN in verdicts:
        return BROKEN
    return HOLDS if HOLDS in verdicts else "not run"


@contextmanager
def open_databases() -> Iterator[Databases]:
    """New, migrated databases; PostgreSQL starts when the first is wanted there."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        @cache
        def migrated() -> Path:
            path = folder / "migrated.db"
            migrate(f"sqlite:///{path}")
            return path

        @cache
        def server() -> tuple[str, str]:
            path = f"{client_programs()}{os.pathsep}{os.environ['PATH']}"
            stack.enter_context(patch.dict(os.environ, {"PATH": path}))
            url = stack.enter_context(running_server())
            template = stack.enter_context(postgres_database(url))
            migrate(sqlalchemy_url(url, template))
            return url, template

        @contextmanager
        def sqlite() -> Iterator[str]:
            own = Path(tempfile.mkdtemp(dir=folder))
            yield copy_sqlite(migrated(), own)
            shutil.rmtree(own)

        @contextmanager
        def postgresql() -> Iterator[str]:
            url, template = server()
            with postgres_database(url, template) as name:
                yield sqlalchemy_url(url, name)

        yield {"sqlite": sqlite, "postgresql": postgresql}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; an unknown promise is refused."""
    known = [promise.number for promise in read_promises()]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=int, nargs="+", choices=known, metavar="PROMISE")
    parser.add_argument("--short", action="store_true", help="a little of each, in half a minute")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the long form")
    parser.add_argument("--database", choices=[*ENGINES, "both"], default="both")
    parser.add_argument("--seed", type=int, default=1, help="other examples of hypothesis")
    given = parser.parse_args(arguments)
    if given.scale <= 0:
        parser.error("--scale is more than 0, such as 0.01")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is wanted, and print the table; 1 if a promise is broken."""
    given = parse(arguments)
    engines = ENGINES if given.database == "both" else (given.database,)
    options = Options(given.short, given.scale, engines, given.seed)
    wanted = [each for each in read_promises() if not given.only or each.number in given.only]
    trials = [trial for promise in wanted for trial in promise.trials]
    outcomes: list[Outcome] = []
    say = partial(print, file=sys.stderr, flush=True)
    try:
        with open_databases() as databases:
            for outcome in run_trials(trials, options, databases):
                outcomes.append(outcome)
                say(f"{outcome.promise:2} {outcome.name} {outcome.engine}: {outcome.verdict}")
    except KeyboardInterrupt:
        say("Stopped. What is known until now:")
    sys.stdout.write("\n".join(report(wanted, outcomes)) + "\n")
    return any(outcome.verdict == BROKEN for outcome in outcomes)


if __name__ == "__main__":
    # As Ctrl-C, which a shell's background jobs ignore: `timeout 600 python -m tests.torture`.
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.default_int_handler)
    sys.exit(main())
