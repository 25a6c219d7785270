"""Jobs and mail: run what is due, deliver what waits, and list notices, messages, and who to help.

The commands are `tracker run-due`, `deliver`, `notices`, `outbox`, and `attention`.
"""

import asyncio
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime
from functools import partial

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tracker import clock
from tracker.cli.context import open_app, open_database, print_json_list
from tracker.db.engine import reading
from tracker.formatting import format_count
from tracker.jobs.recheck import recheck
from tracker.jobs.runner import JobRun, run_due
from tracker.logs import configure_logs
from tracker.mail import outbox
from tracker.mail.delivery import DeliveryReport, deliver_once
from tracker.mail.outbox import ListedMessage
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.attention_text import AttentionRow, attention_rows
from tracker.notifications.context import dry_run_context, open_context
from tracker.services.maintenance import find_maintenance
from tracker.services.notices import list_decisions
from tracker.settings import load_settings


def run(as_of: datetime | None, *, dry_run: bool) -> None:
    """Run what is due, and print a line for each job; a dry run undoes everything.

    Exit code 1 if a job, or part of one, failed. The others ran.
    """
    configure_logs()
    console = Console(highlight=False, soft_wrap=True)
    runs: list[JobRun] = []
    with open_app(is_first=True) as app:
        context = open_context(app.settings, app.rulebooks, app.engine)
        with reading(app.engine) as session:
            is_paused = find_maintenance(session) is not None
        chosen = dry_run_context(context, app.engine) if dry_run else nullcontext(context)
        with chosen as used:
            for job_run in run_due(used, as_of or clock.now(), clock.now):
                runs.append(job_run)
                console.print(_format_run(job_run), markup=False)
    if not runs and is_paused:
        console.print("Maintenance mode is on: everything waits until `tracker maintenance off`.")
    elif not runs:
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
    with open_app() as app:
        server = parse_server(app.settings.smtp_url.get_secret_value())
        context = open_context(app.settings, app.rulebooks, app.engine)
        with reading(app.engine) as session:
            if find_maintenance(session) is not None:
                sys.stdout.write("Maintenance mode is on: mail waits.\n")
                return
        report = asyncio.run(
            deliver_once(
                app.engine,
                server,
                app.settings.mail,
                clock.now,
                recheck=partial(recheck, context),
            )
        )
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
        (report.held_back, "dropped as no longer true, or held back"),
    ):
        if number:
            facts.append(f"{format_count(number, 'message')} {outcome}")
    lines = [", ".join(facts) or "Nothing to send"]
    lines += [f"Problem: {problem}" for problem in report.problems]
    if report.failed:
        lines.append("`tracker outbox` shows why messages failed")
    return "".join(f"{line}.\n" for line in lines)


def print_notices(*, as_json: bool) -> None:
    """Print the notice ledger, oldest first; ``step`` is days from ``due_on``."""
    with open_app() as app, reading(app.engine) as session:
        decisions = list_decisions(session)
        if as_json:
            print_json_list(decision._asdict() for decision in decisions)
            return
        table = Table("Endorsee", "Endorsement", "Notice", "Days", "Of", "Decided", "Outcome")
        for decision in decisions:
            is_waiting = decision.outcome == "sent" and decision.delivery in {"waiting", "sending"}
            outcome = "waiting" if is_waiting else decision.outcome
            outcome += f": {decision.reason}" if decision.reason else ""
            table.add_row(
                escape(decision.email),
                escape(f"{decision.association} {decision.category}"),
                decision.kind,
                str(decision.step),
                decision.due_on.isoformat(),
                decision.decided_on.isoformat(),
                escape(outcome),
            )
    if table.row_count:
        Console().print(table)
    else:
        Console().print("No decisions yet. `tracker run-due` makes those that are due.")


def print_outbox(*, as_json: bool) -> None:
    """Print the messages, oldest first: a table for people, or JSON with ISO instants."""
    with open_database(load_settings()) as engine, reading(engine) as session:
        messages = outbox.list_messages(session)
        if as_json:
            print_json_list(message._asdict() for message in messages)
        else:
            _print_outbox_table(messages, outbox.count_by_state(session))


def _print_outbox_table(messages: Iterable[ListedMessage], counts: dict[str, int]) -> None:
    table = Table(
        *("Id", "Kind", "Association", "To", "Subject", "State", "Tries", "Written", "Next / done")
    )
    for message in messages:
        state = "held: email to their address comes back" if message.held else message.state
        state = f"{state}: {message.last_error}" if message.last_error else state
        cells = (
            str(message.id),
            message.kind,
            message.association or "",
            message.recipient,
            message.subject,
            state,
            str(message.attempts),
            _format_instant(message.created_at),
            _format_instant(message.finished_at or message.next_attempt_at),
        )
        # Text, not str: rich would read brackets in a subject as its own markup.
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    if table.row_count:
        console.print(table)
    total = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    console.print(Text(total or "The outbox is empty."))


def _format_instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def print_attention(*, association: str | None, as_json: bool) -> None:
    """Print what needs the coordinators' attention, of one association or of all."""
    rows: list[AttentionRow] = []
    with open_app() as app, reading(app.engine) as session:
        app.check_association(association)
        for name in app.rulebooks.associations:
            if association in (None, name):
                rows += attention_rows(
                    session, app.rulebooks, name, clock.now(), app.settings.base_url
                )
    if as_json:
        print_json_list(row._asdict() for row in rows)
        return
    table = Table("Association", "Who", "Category", "Why", "Since", "If nothing is done", "To do")
    for row in rows:
        cells = (
            row.association,
            row.name,
            row.category,
            row.reason,
            row.since,
            row.consequence,
            row.todo,
        )
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table if rows else "Nothing needs attention.")
