"""Writes CSV (RFC 4180) that spreadsheets show and never calculate with.

A cell that would be a formula gets an apostrophe in front, as does one that already has
apostrophes before a formula sign. So `unescape_formula`, which an import applies to every cell,
restores the exact text.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

# Without this byte order mark spreadsheets don't recognize UTF-8.
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# Some spreadsheets read the last four as the first four.
_FORMULA = re.compile("'*[=+\\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
                      "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]")  # fmt: skip


def escape_formula(text: str) -> str:
    """The text as a cell that no spreadsheet calculates with."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_formula(cell: str) -> str:
    """The text that `escape_formula` made into ``cell``."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A file, line by line: UTF-8 with a byte order mark, CRLF, first the names of the columns."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    heading = writer.writerow([escape_formula(name) for name in columns])
    yield f"{_BYTE_ORDER_MARK}{heading}".encode()
    for row in rows:
        yield str(writer.writerow([escape_formula(cell) for cell in row])).encode()


class _Echo:
    """A file whose `write` returns the line, so that a writer's `writerow` returns it."""

    def write(self, line: str) -> str:
        return line
