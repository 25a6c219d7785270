"""`tracker import`: people, what they hold or apply for, and their hours, from CSV files."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

import typer
from rich import progress as rich_progress
from rich.console import Console
from rich.table import Table
from sqlmodel import Session

from tracker import clock
from tracker.cli.context import open_app
from tracker.formatting import format_count
from tracker.importer.apply import ImportReport, import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.problems import ImportRefused, Progress
from tracker.importer.vocabulary import vocabulary_of
from tracker.notifications.context import open_context
from tracker.notifications.grant_mail import notify_grants
from tracker.notifications.provider_mail import notify_known_providers
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.provider_names import LinkedSession, link_known_providers, list_linked

# A few screens of text; an import with more problems prints only the first ones.
_PRINTED_PROBLEMS = 200
_ACTOR = "tracker import"


def run(paths: list[Path], as_of: date | None, similar: Literal["same", "new"] | None) -> None:
    """Import files and folders. On any problem, list all of them, store nothing, and exit with 1.

    ``as_of`` is the last day on which a session can be dated; by default today, in the time zone
    where the day starts first. ``similar`` is as of `ImportContext`.
    """
    with open_app() as app:
        now = clock.now()
        zones = {rulebook.time_zone for rulebook in app.rulebooks.associations.values()}
        today = max(clock.local_day(now, zone) for zone in zones)
        vocabulary = vocabulary_of(app.rulebooks)

        def finish(session: Session, report: ImportReport) -> None:
            evaluate_people(session, app.rulebooks, report.person_ids, now)
            service = ServiceContext(session, app.rulebooks, Actor(_ACTOR), now)
            linked = [
                *list_linked(session, report.linked_entry_ids),
                *link_known_providers(service, report.person_ids),
            ]
            newly_linked.extend(linked)
            mail = open_context(app.settings, app.rulebooks, app.engine)
            if linked:
                notify_known_providers(mail, service, linked)
            if report.grants:
                notify_grants(mail, session, report.grants, now)

        newly_linked = list[LinkedSession]()
        try:
            with _progress_bar() as progress:
                last_day = as_of or today
                context = ImportContext(vocabulary, last_day, _ACTOR, now, progress, similar)
                report = import_paths(app.engine, paths, context, finish)
        except ImportRefused as refused:
            for problem in refused.problems[:_PRINTED_PROBLEMS]:
                typer.echo(str(problem), err=True)
            count = len(refused.problems)
            if count > _PRINTED_PROBLEMS:
                typer.echo(f"… and {count - _PRINTED_PROBLEMS} more", err=True)
            typer.echo(f"{format_count(count, 'problem')}: nothing was stored.", err=True)
            raise typer.Exit(1) from None
    _print_report(report)
    if newly_linked:
        sessions = format_count(len(newly_linked), "session")
        typer.echo(f"The RSC provider of {sessions} was only a name, and is known now.")


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
