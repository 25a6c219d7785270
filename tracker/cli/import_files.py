"""`tracker import`: people, what they hold or apply for, and their hours, from CSV files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import typer
from rich import progress as rich_progress
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlmodel import Session

from tracker import clock
from tracker.cli.context import AppContext, is_terminal, open_app
from tracker.cli.first_days import parse_first_day
from tracker.db.engine import reading, writing
from tracker.formatting import format_count, format_date, format_list
from tracker.importer.cells import ImportContext
from tracker.importer.finish import (
    FinishedImport,
    FinishOptions,
    FirstDays,
    finish_import,
    store_first_days,
)
from tracker.importer.first_days import FirstDayNeeded, format_provisional_day
from tracker.importer.operator_imports import import_as_unit, plan_paths
from tracker.importer.plan_records import get_import
from tracker.importer.plans import ImportRunner, start_undoing
from tracker.importer.problems import ImportRefused, Progress, make_visible
from tracker.importer.row_plan import CHANGED, OUTCOMES, REFUSED, PlannedRow, count_outcomes
from tracker.importer.same_address import SameAddress
from tracker.importer.store import ImportReport
from tracker.importer.vocabulary import vocabulary_of
from tracker.notifications.context import open_context
from tracker.services.application_decisions import RECENT, ImportedDecision
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.desk_changes import REVERSED, list_people_of
from tracker.services.first_days import UndecidedAssociation

# A few screens of text; an import with more problems prints only the first ones.
_PRINTED_PROBLEMS = 200
_PRINTED_ADDRESSES = 20
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


def run(paths: list[Path], options: ImportOptions) -> None:
    """Import files and folders. On any problem, list all of them, store nothing, and exit with 1.

    If an association needs a first day, a person at a terminal is asked for it.
    """
    with open_app(is_first=True) as app:
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


class _Run:
    """One import, as the command line has it."""

    def __init__(self, app: AppContext, options: ImportOptions) -> None:
        self._app = app
        self._options = options
        self._now = clock.now()
        self._mail = open_context(app.settings, app.rulebooks, app.engine)
        self.finished = FinishedImport([], [], [], [])

    def open_service(self, session: Session) -> ServiceContext:
        """Who imports, in a transaction."""
        return ServiceContext(session, self._app.rulebooks, Actor(_ACTOR), self._now)

    def finish(self, service: ServiceContext, report: ImportReport) -> list[int]:
        """Do what follows, and return whose sessions have a known provider now."""
        options = FinishOptions(self._options.first_days, asks_first_day=is_terminal())
        self.finished = finish_import(self._mail, service, report, options)
        return [each.person_id for each in self.finished.linked]

    def context(self, progress: Progress) -> ImportContext:
        """What the import goes by."""
        zones = {rulebook.time_zone for rulebook in self._app.rulebooks.associations.values()}
        last_day = self._options.as_of or max(clock.local_day(self._now, zone) for zone in zones)
        return ImportContext(
            vocabulary_of(self._app.rulebooks),
            last_day,
            _ACTOR,
            self._now,
            progress,
            self._options.similar,
            self._options.month_first,
        )

    def store_first_days(self) -> None:
        """Store the chosen days where nothing else was stored."""
        with writing(self._app.engine) as session:
            store_first_days(self._mail, self.open_service(session), self._options.first_days)


def _import(app: AppContext, paths: list[Path], options: ImportOptions) -> None:
    run = _Run(app, options)
    with _progress_bar() as progress:
        context = run.context(progress)
        report, number = import_as_unit(app.engine, paths, context, run.open_service, run.finish)
    if options.first_days and number is None:
        run.store_first_days()
    _print_report(report)
    finished = run.finished
    for each in finished.provisional:
        typer.echo(f"Note: {format_provisional_day(each)}", err=True)
    if finished.linked:
        sessions = format_count(len(finished.linked), "session")
        typer.echo(f"The RSC provider of {sessions} was only a name, and is known now.")
    _print_letters(finished.granted, finished.decisions)
    if number is not None:
        typer.echo(f"To undo this import: tracker import --undo {number}", err=True)


def plan(paths: list[Path], options: ImportOptions) -> None:
    """Print what an import would do, row by row. Exit with 1 if a row would be refused."""
    with open_app(is_first=True) as app:
        run = _Run(app, options)
        try:
            with _progress_bar() as progress:
                context = run.context(progress)
                done, same_addresses = plan_paths(
                    app.engine, paths, context, run.open_service, run.finish
                )
        except ImportRefused as refused:
            _print_problems(refused)
        except FirstDayNeeded as needed:
            names = format_list([each.association for each in needed.undecided])
            typer.echo(f"The import would ask for the first day of {names}: see --first-day.")
            raise typer.Exit(1) from None
    _print_plan(done.rows, same_addresses)


def _print_plan(rows: Sequence[PlannedRow], same_addresses: Sequence[SameAddress]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in OUTCOMES:
        table.add_column(heading, justify="right")
    for kind, counts in count_outcomes(rows).items():
        table.add_row(kind, *(str(counts[outcome]) for outcome in OUTCOMES))
    Console().print(table)
    changed = [row for row in rows if row.outcome == CHANGED]
    _print_lines([f"{row.file}:{row.line}: {row.email}: {_format_changes(row)}" for row in changed])
    refused = [f"{row.file}:{row.line}: {row.reason}" for row in rows if row.outcome == REFUSED]
    _print_lines(refused, err=True)
    _print_same_addresses(same_addresses)
    if refused:
        count = format_count(len(refused), "row")
        typer.echo(f"{count} would be refused, and so nothing would be stored.", err=True)
        raise typer.Exit(1)
    typer.echo("This is a plan: nothing was stored.")


def _print_same_addresses(same_addresses: Sequence[SameAddress]) -> None:
    """Print rows with the same address side by side, with what differs."""
    for same in same_addresses[:_PRINTED_ADDRESSES]:
        table = Table(box=None, pad_edge=False, title=Text(same.email), title_justify="left")
        for heading in ("", *(version.label for version in same.versions), ""):
            table.add_column(Text(heading), overflow="fold")
        for name, texts, differs in same.columns:
            cells = [Text(make_visible(text)) for text in texts]
            table.add_row(name, *cells, "differs" if differs else "")
        Console(stderr=True).print(table)


def _format_changes(row: PlannedRow) -> str:
    values = row.changes.items()
    return ", ".join(f"{name} {before!r} → {after!r}" for name, (before, after) in values)


def _print_lines(lines: Sequence[str], *, err: bool = False) -> None:
    for line in lines[:_PRINTED_PROBLEMS]:
        typer.echo(line, err=err)
    if len(lines) > _PRINTED_PROBLEMS:
        typer.echo(f"… and {len(lines) - _PRINTED_PROBLEMS} more", err=err)


def undo(number: int) -> None:
    """Undo an import of the command line or of a desk, and print what was kept and why."""
    with open_app() as app:
        mail = open_context(app.settings, app.rulebooks, app.engine)
        now = clock.now()
        try:
            with writing(app.engine) as session:
                start_undoing(ServiceContext(session, app.rulebooks, Actor(_ACTOR), now), number)
        except (NotFound, Refused):
            typer.echo(f"There is no import {number} that can be undone.", err=True)
            raise typer.Exit(1) from None
        ImportRunner(mail, app.rulebooks, mail.transaction).run(number, now)
        with reading(app.engine) as session:
            record = get_import(session, Actor(_ACTOR), number)
            people = list_people_of(session, int(record.change_id or 0))
    kept = [each for each in people if each.outcome not in ("", REVERSED)]
    for each in kept:
        typer.echo(f"Kept {each.name}: {each.note}", err=True)
    if record.problem:
        typer.echo(record.problem, err=True)
        raise typer.Exit(1)
    count = format_count(len(people) - len(kept), "person", "people")
    typer.echo(f"Import {number} is undone for {count}.")


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
