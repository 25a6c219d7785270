"""`tracker notices`: every decision to send or to skip, with its reason."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tracker.cli.context import open_app, print_json_list
from tracker.db.engine import ensure_schema, open_engine, reading
from tracker.mail import outbox
from tracker.mail.outbox import Listed
from tracker.services.notices import all_decisions
from tracker.settings import load_settings

_COLUMNS = (
    "email",
    "association",
    "category",
    "kind",
    "step",
    "due_on",
    "decided_on",
    "outcome",
    "reason",
    "message_id",
)


def run(*, as_json: bool) -> None:
    """Print the notice ledger, oldest first; ``step`` is days from ``due_on``."""
    with open_app() as tracker, reading(tracker.engine) as session:
        rows = (dict(zip(_COLUMNS, row, strict=True)) for row in all_decisions(session))
        if as_json:
            print_json_list(rows)
        else:
            _print_table(rows)


def _print_table(rows: Iterator[dict[str, Any]]) -> None:
    table = Table("Endorsee", "Endorsement", "Notice", "Days", "Of", "Decided", "Outcome")
    for row in rows:
        outcome = row["outcome"] + (f": {row['reason']}" if row["reason"] else "")
        table.add_row(
            escape(row["email"]),
            escape(f"{row['association']} {row['category']}"),
            row["kind"],
            str(row["step"]),
            row["due_on"].isoformat(),
            row["decided_on"].isoformat(),
            escape(outcome),
        )
    if table.row_count:
        Console().print(table)
    else:
        Console().print("No decision was taken yet: `tracker run-due` takes those that are due.")


_HEADS = ("Id", "Kind", "Association", "To", "Subject", "State", "Tries", "Written", "Next / done")


def run_outbox(as_json: bool) -> None:
    """List the messages, oldest first: a table for people, or JSON with ISO instants."""
    url = load_settings().database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            messages = outbox.listing(session)
            if as_json:
                _print_json(messages)
            else:
                _print_table_outbox(messages, outbox.counts(session))
    finally:
        engine.dispose()


def _print_json(messages: Iterable[Listed]) -> None:
    """Write a JSON list one message at a time, however many there are."""
    separator = "[\n"
    for message in messages:
        line = json.dumps(message._asdict(), default=_iso)
        sys.stdout.write(f"{separator} {line}")
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def _iso(value: datetime) -> str:
    return value.isoformat()


def _print_table_outbox(messages: Iterable[Listed], counts: dict[str, int]) -> None:
    table = Table(*_HEADS)
    for message in messages:
        # Text, not str: rich would read brackets in a subject as its own markup.
        table.add_row(*(Text(cell) for cell in _cells(message)))
    console = Console()
    if table.row_count:
        console.print(table)
    total = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    console.print(Text(total or "The outbox is empty."))


def _cells(message: Listed) -> tuple[str, ...]:
    then = message.finished_at or message.next_attempt_at
    state = f"{message.state}: {message.last_error}" if message.last_error else message.state
    return (
        str(message.id),
        message.kind,
        message.association or "",
        message.recipient,
        message.subject,
        state,
        str(message.attempts),
        _minute(message.created_at),
        _minute(then),
    )


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
