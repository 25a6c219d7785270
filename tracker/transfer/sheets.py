"""A CSV file as heading and rows, each row with the line on which it begins."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tracker.transfer.catalogue import what_is_known
from tracker.transfer.layouts import LAYOUTS, Layout
from tracker.transfer.problems import Problem

# Excel's own first line; it only repeats what separates the columns.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE | re.DOTALL)
_WRONG_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SAVE_WITH_COMMAS = "the columns are separated by {}: save the file with commas between them"
Line = tuple[int, list[str]]


class BrokenFileError(Exception):
    """The rest of a file cannot be told apart into rows and cells."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Sheet:
    """An open file: its columns in its own order, and the rows that are still to be read."""

    kind: str
    file: str
    columns: tuple[str, ...]
    lines: Iterator[Line]


def split_lines(text: str) -> Iterator[Line]:
    """The rows of a CSV text that are not blank, each with its first physical line, from 1.

    Raises BrokenFileError when quotes do not match or a cell is absurdly long.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cells) and any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"the row cannot be read ({error}): quotes inside a quoted cell are doubled"
        raise BrokenFileError(line, message) from error


def open_sheet(kind: str, file: str, text: str) -> Sheet | list[Problem]:
    """Read the heading of a file; the problems with it, if there are any."""
    lines = split_lines(text)
    try:
        line, heading = _heading(lines)
    except BrokenFileError as error:
        return [Problem(file, error.line, None, None, str(error))]
    columns = tuple(cell.strip().lower() for cell in heading)
    wrong = list(_problems_of_heading(columns, LAYOUTS[kind]))
    if wrong:
        return [Problem(file, line, column, None, message) for column, message in wrong]
    return Sheet(kind, file, columns, lines)


def _heading(lines: Iterator[Line]) -> Line:
    line, cells = next(lines, (1, []))
    # A line "sep=," falls apart into two cells.
    if match := _SEPARATOR_LINE.fullmatch(",".join(cells)):
        if match[1] != ",":
            raise BrokenFileError(line, _save_with_commas(match[1]))
        line, cells = next(lines, (line + 1, []))
    if not cells:
        raise BrokenFileError(line, "is empty: its first line names the columns")
    if len(cells) == 1:
        for sign in _WRONG_SEPARATORS:
            if sign in cells[0]:
                raise BrokenFileError(line, _save_with_commas(sign))
    return line, cells


def _save_with_commas(sign: str) -> str:
    return _SAVE_WITH_COMMAS.format(_WRONG_SEPARATORS.get(sign, repr(sign)))


def _problems_of_heading(columns: tuple[str, ...], layout: Layout) -> Iterator[tuple[str, str]]:
    seen = set[str]()
    for number, column in enumerate(columns, start=1):
        if not column:
            yield f"column {number}", "has no name: remove it, or name it on the first line"
        elif column in seen:
            yield column, "stands there twice: keep one"
        elif column not in layout.columns:
            yield column, f"is not a known column; {what_is_known(column, layout.columns)}"
        seen.add(column)
    for column in layout.required:
        if column not in seen:
            yield column, f"is missing; required are {', '.join(layout.required)}"
