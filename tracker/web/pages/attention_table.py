"""What needs attention as a table for a workbook."""

from collections.abc import Sequence
from datetime import date

from tracker.exports.workbooks import Column, ExportTable, Value
from tracker.notifications.attention_text import AttentionRow

# Those of `AttentionRow`, in its order.
_COLUMNS = (
    Column("Association", 14),
    Column("Kind", 18),
    Column("Name", 24),
    Column("Category", 12),
    Column("Why", 50),
    Column("Next action", 18),
    Column("Page for the action", 40),
    Column("Since", 12),
    Column("Deadline", 12),
    Column("If nothing is done", 50),
    Column("Row on Today", 40),
)


def tabulate_attention(rows: Sequence[AttentionRow]) -> ExportTable:
    """The rows in their order, with days as days."""
    return ExportTable(_COLUMNS, [_list_values(row) for row in rows])


def _list_values(row: AttentionRow) -> list[Value]:
    since, deadline = _parse_day(row.since), _parse_day(row.deadline)
    return [*row[:7], since, deadline, row.consequence, row.row_url]


def _parse_day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
