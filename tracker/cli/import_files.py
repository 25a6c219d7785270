"""`tracker import`: people, what they hold or apply for, and their hours, from CSV files."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn
from rich.table import Table
from sqlmodel import Session

from tracker import clock
from tracker.cli.context import open_app
from tracker.importer.apply import ImportReport, import_paths
from tracker.importer.files import ImportRefused, ProgressCallback
from tracker.importer.vocabulary import vocabulary_of
from tracker.rulebooks import Rulebooks
from tracker.services.evaluation import evaluate_people

# A screen's worth of screens: who has more to repair begins with these.
_PRINTED_PROBLEMS = 200
_WHO = "tracker import"


def run(paths: list[Path], as_of: date | None) -> None:
    """Import files and folders; on any problem list them all, store nothing, exit with 1.

    ``as_of`` is the last day on which an entry may lie; by default the day it is now where
    an association is furthest ahead.
    """
    with open_app() as tracker:
        rulebooks, now = tracker.rulebooks, clock.now()

        def judge(session: Session, person_ids: set[int]) -> None:
            evaluate_people(session, rulebooks, person_ids, now)

        try:
            with _progress_bar() as tell:
                report = import_paths(
                    tracker.engine,
                    paths,
                    vocabulary_of(rulebooks),
                    as_of=as_of or _latest_day(rulebooks, now),
                    now=now,
                    who=_WHO,
                    progress=tell,
                    after=judge,
                )
        except ImportRefused as refused:
            _print_problems(refused)
            raise typer.Exit(1) from None
    _print_report(report)


def _latest_day(rulebooks: Rulebooks, now: datetime) -> date:
    zones = {rulebook.time_zone for rulebook in rulebooks.associations.values()}
    return max(clock.local_day(now, zone) for zone in zones)


@contextmanager
def _progress_bar() -> Iterator[ProgressCallback | None]:
    """A bar on a terminal's standard error; elsewhere nothing, for a log needs no bar."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        *Progress.get_default_columns()[:-1],
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Importing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_problems(refused: ImportRefused) -> None:
    for problem in refused.problems[:_PRINTED_PROBLEMS]:
        typer.echo(str(problem), err=True)
    count = len(refused.problems)
    if count > _PRINTED_PROBLEMS:
        typer.echo(f"… and {count - _PRINTED_PROBLEMS} more", err=True)
    found = "1 problem" if count == 1 else f"{count} problems"
    typer.echo(f"{found}: nothing was stored.", err=True)


def _print_report(report: ImportReport) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("added", "changed", "unchanged"):
        table.add_column(heading, justify="right")
    for kind, counts in report.counts.items():
        table.add_row(kind, str(counts.added), str(counts.changed), str(counts.unchanged))
    Console().print(table)
    for file in report.ignored:
        typer.echo(f"Left aside: {file} is not one of the files that an import knows.", err=True)
