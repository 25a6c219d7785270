"""`tracker deliver`: send what waits, once."""

import asyncio
import sys

from tracker import clock
from tracker.commands.logs import configure_logs
from tracker.mail.server import parse_server
from tracker.mail.smtp import DeliveryReport, deliver_once
from tracker.records.store.engine import ensure_schema, open_engine
from tracker.settings import load_settings


def run() -> None:
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
