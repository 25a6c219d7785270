"""`tracker notices`: every decision to send or to skip, with its reason."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker.commands.opening import opened
from tracker.commands.printing import print_json_list
from tracker.records.mailing.notices import all_decisions
from tracker.records.store.engine import reading

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
    with opened() as tracker, reading(tracker.engine) as connection:
        rows = (dict(zip(_COLUMNS, row, strict=True)) for row in all_decisions(connection))
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
