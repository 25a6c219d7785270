"""`tracker run-due` runs every job that is due; `tracker deliver` sends what waits."""

import asyncio
import sys
from contextlib import nullcontext
from datetime import datetime

import typer
from rich.console import Console

from tracker import clock
from tracker.cli.context import open_app
from tracker.db.engine import ensure_schema, open_engine
from tracker.formatting import format_count
from tracker.jobs.runner import JobRun, run_due
from tracker.logs import configure_logs
from tracker.mail.delivery import DeliveryReport, deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import dry_run_context, open_context
from tracker.settings import load_settings


def run(as_of: datetime | None, *, dry_run: bool) -> None:
    """Run what is due, and print a line for each job; a dry run undoes everything.

    Exit code 1 if a job, or part of one, failed. The others ran.
    """
    configure_logs()
    console = Console(highlight=False, soft_wrap=True)
    runs: list[JobRun] = []
    with open_app() as app:
        context = open_context(app.settings, app.rulebooks, app.engine)
        chosen = dry_run_context(context, app.engine) if dry_run else nullcontext(context)
        with chosen as used:
            for job_run in run_due(used, as_of or clock.now(), clock.now):
                runs.append(job_run)
                console.print(_format_run(job_run), markup=False)
    if not runs:
        console.print("Nothing is due.")
    elif dry_run:
        console.print("This was a dry run. Nothing was written, and nothing will be sent.")
    else:
        console.print("`tracker deliver` sends the messages. `tracker serve` sends them by itself.")
    if any(job_run.failures for job_run in runs):
        raise typer.Exit(1)


def _format_run(run: JobRun) -> str:
    results = ", ".join(f"{key} {value}" for key, value in run.report.items()) or "nothing to do"
    if run.failures:
        failed = [f"{f.subject}: {f.error}" if f.subject else f.error for f in run.failures]
        results = f"{results}; FAILED, will be tried again: {'; '.join(failed)}"
    missed = f" ({len(run.due.missed)} missed before it, caught up)" if run.due.missed else ""
    return f"{run.association} {run.job} for {run.due.local_date}{missed}: {results}"


def run_deliver() -> None:
    """Send what waits in the outbox, and print what came of it.

    Exit code 1 if the mail server could not be reached.
    """
    configure_logs()
    settings = load_settings()
    server = parse_server(settings.smtp_url.get_secret_value())
    url = settings.database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    try:
        report = asyncio.run(deliver_once(engine, server, settings.mail, clock.now))
    finally:
        engine.dispose()
    sys.stdout.write(format_report(report))
    if report.unreachable:
        sys.exit(1)


def format_report(report: DeliveryReport) -> str:
    """The report, one fact a line."""
    facts = []
    for number, outcome in (
        (report.sent, "sent"),
        (report.retried, "kept for later"),
        (report.failed, "failed"),
    ):
        if number:
            facts.append(f"{format_count(number, 'message')} {outcome}")
    lines = [", ".join(facts) or "Nothing to send"]
    lines += [f"Problem: {problem}" for problem in report.problems]
    if report.failed:
        lines.append("`tracker outbox` shows why messages failed")
    return "".join(f"{line}.\n" for line in lines)
