"""A table as a CSV file and as a workbook (XLSX).

No cell is a formula: a text that could be one stays a text. Days are dates, and numbers numbers.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from tracker.spreadsheet_csv import csv_lines, escape_formula

Value = str | date | float | None
# The type of a workbook.
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_LONGEST_SHEET_NAME = 31
_NOT_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\]")
_DATE_FORMAT, _NUMBER_FORMAT = "yyyy-mm-dd", "0.##"


class Column(NamedTuple):
    """A column, and how wide it is in a workbook, in characters."""

    name: str
    width: int


class ExportTable(NamedTuple):
    """What both files hold: columns, and the values of each row."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]


def table_csv(table: ExportTable) -> Iterator[bytes]:
    """The file, line by line. Days are ISO dates, and numbers decimal."""
    lines = ([_format_cell(value) for value in row] for row in table.rows)
    return csv_lines([column.name for column in table.columns], lines)


def _format_cell(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


def table_workbook(table: ExportTable, title: str) -> IO[bytes]:
    """A workbook with one sheet, as an open nameless file at its beginning; the caller closes it.

    It is written row by row, so a large list takes little memory.
    """
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(_NOT_IN_SHEET_NAMES.sub(" ", title)[:_LONGEST_SHEET_NAME])
    sheet.freeze_panes = "B2"
    for number, column in enumerate(table.columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = column.width
    headings = [_text_cell(sheet, column.name) for column in table.columns]
    for cell in headings:
        cell.font = Font(bold=True)
    sheet.append(headings)
    for row in table.rows:
        sheet.append([_typed_cell(sheet, value) for value in row])
    last = f"{get_column_letter(len(table.columns))}{len(table.rows) + 1}"
    sheet.auto_filter.ref = f"A1:{last}"
    file = TemporaryFile()  # noqa: SIM115 - the caller sends and closes it
    workbook.save(file)
    file.seek(0)
    return file


def _typed_cell(sheet: Any, value: Value) -> Any:  # noqa: ANN401 - openpyxl ships no types
    if isinstance(value, str):
        return _text_cell(sheet, value)
    if value is None:
        return None
    cell: Any = WriteOnlyCell(sheet, value)  # type: ignore[arg-type]  # its stubs forget dates
    cell.number_format = _DATE_FORMAT if isinstance(value, date) else _NUMBER_FORMAT
    return cell


def _text_cell(sheet: Any, text: str) -> Any:  # noqa: ANN401 - openpyxl ships no types
    """A text, also if it looks like a formula or a number."""
    text = ILLEGAL_CHARACTERS_RE.sub("", text)
    cell: Any = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    # So that it stays a text when somebody edits the cell.
    cell.quotePrefix = escape_formula(text) != text
    return cell
