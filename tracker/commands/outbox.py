"""`tracker outbox`: every message and what became of it."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracker.records.mailing import outbox
from tracker.records.mailing.outbox import Listed
from tracker.records.store.engine import ensure_schema, open_engine, reading
from tracker.settings import load_settings

_HEADS = ("Id", "Kind", "Association", "To", "Subject", "State", "Tries", "Written", "Next / done")


def run(as_json: bool) -> None:
    """List the messages, oldest first: a table for people, or JSON with ISO instants."""
    url = load_settings().database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            messages = outbox.listing(connection)
            if as_json:
                _print_json(messages)
            else:
                _print_table(messages, outbox.counts(connection))
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


def _print_table(messages: Iterable[Listed], counts: dict[str, int]) -> None:
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
