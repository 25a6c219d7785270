"""Writing CSV (RFC 4180) for spreadsheets, which take some texts for formulas.

A cell that begins with one of their signs gets an apostrophe in front. Where apostrophes stand
before such a sign already, one more is added, so that `plain` finds the text again: it is what an
import does to every cell.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

# Spreadsheets know no encoding but by this mark; an import leaves it out.
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# The last four are what some of them read as the first four.
_FORMULA = re.compile("'*[=+\\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
                      "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]")  # fmt: skip


def harmless(text: str) -> str:
    """The text as no spreadsheet calculates with it."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(cell: str) -> str:
    """The text that `harmless` made into ``cell``."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A file, line by line: UTF-8 with its mark, CRLF, the names of the columns first."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield (_MARK + str(writer.writerow([harmless(name) for name in columns]))).encode()
    for row in rows:
        yield str(writer.writerow([harmless(cell) for cell in row])).encode()


class _Echo:
    """Gives back what a writer writes."""

    def write(self, line: str) -> str:
        return line
