"""`tracker run-due`: all that is due, now or as if it were another instant."""

import asyncio
import sys
from contextlib import nullcontext
from datetime import datetime

from rich.console import Console

from tracker import clock
from tracker.cli.context import open_app
from tracker.db.engine import ensure_schema, open_engine
from tracker.jobs.runner import Ran, run_due
from tracker.logs import configure_logs
from tracker.mail.delivery import DeliveryReport, deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import dry_run_context, open_context
from tracker.settings import load_settings


def run(as_of: datetime | None, *, dry_run: bool) -> None:
    """Do what is due and say so, a line a job; a dry run undoes all of it."""
    configure_logs()
    console = Console(highlight=False, soft_wrap=True)
    with open_app() as tracker:
        context = open_context(tracker.settings, tracker.rulebooks, tracker.engine)
        chosen = dry_run_context(context, tracker.engine) if dry_run else nullcontext(context)
        number = 0
        with chosen as used:
            for number, ran in enumerate(run_due(used, as_of or clock.now(), clock.now), 1):  # noqa: B007 - counted
                console.print(_line(ran), markup=False)
    if not number:
        console.print("Nothing is due.")
    elif dry_run:
        console.print("A dry run: nothing was written, nothing will be sent.")
    else:
        console.print("`tracker deliver` sends what waits; `tracker serve` does by itself.")


def _line(ran: Ran) -> str:
    did = ", ".join(f"{key} {value}" for key, value in ran.report.items()) or "nothing to do"
    missed = f" ({len(ran.due.missed)} missed before it, caught up)" if ran.due.missed else ""
    return f"{ran.association} {ran.job} for {ran.due.local_date}{missed}: {did}"


def run_deliver() -> None:
    """Empty the outbox and say what came of it; exit code 1 if the server was out of reach."""
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
    sys.stdout.write(summary(report))
    if report.unreachable:
        sys.exit(1)


def summary(report: DeliveryReport) -> str:
    """The report in plain words, one fact a line."""
    counted = ((report.sent, "sent"), (report.retried, "kept for later"), (report.failed, "failed"))
    facts = [f"{_mails(number)} {what}" for number, what in counted if number]
    lines = [", ".join(facts) if facts else "Nothing to send"]
    lines += [f"Problem: {problem}" for problem in report.problems]
    if report.failed:
        lines.append("`tracker outbox` says why mails failed")
    return "".join(f"{line}.\n" for line in lines)


def _mails(number: int) -> str:
    return "1 mail" if number == 1 else f"{number:,} mails"
