"""`tracker import`: people, what they hold or apply for, and their hours, from CSV files."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import typer
from rich import progress as rich_progress
from rich.console import Console
from rich.table import Table
from sqlmodel import Session

from tracker import clock
from tracker.cli.context import AppContext, open_app
from tracker.cli.first_days import parse_first_day
from tracker.db.engine import writing
from tracker.formatting import format_count, format_date
from tracker.importer.apply import import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.finish import (
    FinishedImport,
    FinishOptions,
    FirstDays,
    finish_import,
    store_first_days,
)
from tracker.importer.first_days import FirstDayNeeded, format_provisional_day
from tracker.importer.problems import ImportRefused, Progress
from tracker.importer.store import ImportReport
from tracker.importer.vocabulary import vocabulary_of
from tracker.notifications.context import open_context
from tracker.services.application_decisions import RECENT, ImportedDecision
from tracker.services.context import Actor, ServiceContext
from tracker.services.first_days import UndecidedAssociation

# A few screens of text; an import with more problems prints only the first ones.
_PRINTED_PROBLEMS = 200
_ACTOR = "tracker import"


class ImportOptions(NamedTuple):
    """What the command line says besides the files.

    ``as_of`` is the last day on which a session can be dated; by default today, in the time zone
    where the day starts first. ``similar`` and ``month_first`` are as of `ImportContext`.
    ``first_days`` are the associations' first days in this system.
    """

    as_of: date | None
    similar: Literal["same", "new"] | None
    first_days: FirstDays
    month_first: bool


def is_terminal() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty()


def run(paths: list[Path], options: ImportOptions) -> None:
    """Import files and folders. On any problem, list all of them, store nothing, and exit with 1.

    If an association needs a first day, a person at a terminal is asked for it.
    """
    with open_app() as app:
        for association in options.first_days:
            app.check_association(association)
        try:
            try:
                _import(app, paths, options)
            except FirstDayNeeded as needed:
                answers = {each.association: _ask_first_day(each) for each in needed.undecided}
                first_days = {**options.first_days, **answers}
                _import(app, paths, options._replace(first_days=first_days))
        except ImportRefused as refused:
            _print_problems(refused)


def _import(app: AppContext, paths: list[Path], options: ImportOptions) -> None:
    now = clock.now()
    zones = {rulebook.time_zone for rulebook in app.rulebooks.associations.values()}
    today = max(clock.local_day(now, zone) for zone in zones)
    mail = open_context(app.settings, app.rulebooks, app.engine)
    finish_options = FinishOptions(options.first_days, asks_first_day=is_terminal())
    finished = FinishedImport([], [], [], [])

    def finish(session: Session, report: ImportReport) -> None:
        nonlocal finished
        service = ServiceContext(session, app.rulebooks, Actor(_ACTOR), now)
        finished = finish_import(mail, service, report, finish_options)

    with _progress_bar() as progress:
        last_day = options.as_of or today
        vocabulary = vocabulary_of(app.rulebooks)
        context = ImportContext(
            vocabulary, last_day, _ACTOR, now, progress, options.similar, options.month_first
        )
        report = import_paths(app.engine, paths, context, finish)
    if options.first_days and not report.person_ids:
        with writing(app.engine) as session:
            service = ServiceContext(session, app.rulebooks, Actor(_ACTOR), now)
            store_first_days(mail, service, options.first_days)
    _print_report(report)
    for each in finished.provisional:
        typer.echo(f"Note: {format_provisional_day(each)}", err=True)
    if finished.linked:
        sessions = format_count(len(finished.linked), "session")
        typer.echo(f"The RSC provider of {sessions} was only a name, and is known now.")
    _print_letters(finished.granted, finished.decisions)


def _print_letters(grants: Sequence[str], decisions: Sequence[ImportedDecision]) -> None:
    """Say who gets a letter, and that past decisions get none."""
    letters = [f"{email} (waiver, leave, or due date)" for email in grants]
    letters += [f"{each.email} ({each.state})" for each in decisions if each.is_recent]
    if letters:
        count = format_count(len(letters), "letter")
        typer.echo(f"{count} by email: {', '.join(letters)}.")
    _print_past(sum(not each.is_recent for each in decisions))


def _print_past(number: int) -> None:
    if number:
        count, days = format_count(number, "decision"), format_count(RECENT.days, "day")
        typer.echo(f"No letter about {count} of more than {days} ago.")


def _ask_first_day(undecided: UndecidedAssociation) -> date | None:
    """Ask a person at a terminal."""
    name = undecided.association
    renewals = format_count(undecided.renewals, "renewal")
    typer.echo(
        f"These files bring {renewals} of {name} that would be overdue or lapsed at once, such as "
        f"{undecided.email}'s of {format_date(undecided.due_on)}. Renewals due before {name}'s "
        "first day in this system have no records here, and nobody is told that they lapsed.",
        err=True,
    )
    question = f"First day of {name} (YYYY-MM-DD, or none if all its records are here)"
    return typer.prompt(question, value_proc=parse_first_day, err=True)  # type: ignore[no-any-return]


def _print_problems(refused: ImportRefused) -> NoReturn:
    for problem in refused.problems[:_PRINTED_PROBLEMS]:
        typer.echo(str(problem), err=True)
    count = len(refused.problems)
    if count > _PRINTED_PROBLEMS:
        typer.echo(f"… and {count - _PRINTED_PROBLEMS} more", err=True)
    typer.echo(f"{format_count(count, 'problem')}: nothing was stored.", err=True)
    raise typer.Exit(1) from None


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    """A bar on a terminal's standard error; nothing elsewhere, because a log needs none."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Progress()
        return
    columns = (
        *rich_progress.Progress.get_default_columns()[:-1],
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Importing", total=None)
        yield Progress(lambda done, total: bar.update(task, completed=done, total=total))


def _print_report(report: ImportReport) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("added", "changed", "unchanged"):
        table.add_column(heading, justify="right")
    for kind, counts in report.counts.items():
        table.add_row(kind, str(counts.added), str(counts.changed), str(counts.unchanged))
    Console().print(table)
    for former, present in report.changed_emails.items():
        typer.echo(f"Changed address: {former} is now {present}.")
    for note in report.notes:
        typer.echo(f"Note: {note}", err=True)
    for file in report.ignored:
        typer.echo(f"Ignored: {file} is not one of the files that can be imported.", err=True)
