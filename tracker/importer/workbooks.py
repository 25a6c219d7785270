"""The sheets of an uploaded file: CSV in any shape that `file_text` reads, or an Excel workbook.

A workbook comes from anywhere. So its size is limited before and after it is unpacked, nothing in
it is calculated, and only the results count that its program has stored.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from openpyxl import load_workbook

from tracker.formatting import format_count, format_size
from tracker.importer.file_text import UnreadableFile, decode, split_rows

MAX_FILES = 10
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_ROWS = 50_000
_MAX_SHEETS, _MAX_COLUMNS, _MAX_CELLS = 30, 200, 1_000_000
_LONGEST_CELL = 5_000
# A workbook's texts repeat themselves, so ten times is usual; a bomb has a thousand times.
_MAX_UNPACKED_BYTES, _MAX_PARTS, _MAX_RATIO = 150 * 1024 * 1024, 2_000, 200
_SMALL_PART_BYTES = 1024 * 1024
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_START_BYTES = 4_096
_MIDNIGHT = time()
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of texts: the heading, and each row with the number that its program shows.

    Empty rows are left out. ``name`` is empty for a file that has only one table.
    """

    file: str
    name: str
    heading: list[str]
    rows: list[tuple[int, list[str]]]

    @property
    def label(self) -> str:
        """``roster.xlsx, Endorsees``."""
        return f"{self.file}, {self.name}" if self.name else self.file


def read_upload(file: str, data: bytes) -> list[Sheet]:
    """The sheets of a file that have rows. Raises UnreadableFile with what would be right."""
    if not data:
        raise UnreadableFile("is empty")
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableFile(
            f"has {format_size(len(data))}; at most {format_size(MAX_FILE_BYTES)} can be uploaded"
        )
    if data.startswith(_OLD_EXCEL):
        raise UnreadableFile(
            "is an old or password-protected Excel file: save it as .xlsx without a password"
        )
    tables = _read_workbook(data) if data.startswith(_ZIP) else [("", split_rows(decode(data)))]
    sheets = []
    for name, rows in tables:
        sheet = _make_sheet(file, name, rows)
        if sheet is not None:
            sheets.append(sheet)
    if not sheets:
        raise UnreadableFile("has no rows below a line that names the columns")
    return sheets


def _make_sheet(file: str, name: str, rows: Iterable[tuple[int, list[str]]]) -> Sheet | None:
    """A sheet whose heading is its first row with more than one cell; None without rows.

    Lists often begin with a title in a row of its own. Raises UnreadableFile for a list without a
    heading: its first person would be lost.
    """
    where = f"sheet {name}: " if name else ""
    found = _collect_rows(where, rows)
    filled = [sum(map(bool, row)) for _, row in found]
    found = found[next((number for number, count in enumerate(filled) if count > 1), 0) :]
    if len(found) <= 1:
        return None
    width = max(len(row) for _, row in found)
    if any(map(_EMAIL.fullmatch, found[0][1])):
        raise UnreadableFile(
            f"{where}has an email address in its first row, where the names of the columns belong: "
            "add a row with names like Name and Email above it"
        )
    (_, heading), *body = [(line, row + [""] * (width - len(row))) for line, row in found]
    return Sheet(file, name, heading, body)


def _collect_rows(where: str, rows: Iterable[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows that are not empty. Raises UnreadableFile if there are too many."""
    found, cells = list[tuple[int, list[str]]](), 0
    for line, row in rows:
        trimmed = _trim(row, f"{where}row {line}")
        cells += len(trimmed)
        if trimmed:
            found.append((line, trimmed))
        if len(found) > MAX_ROWS or cells > _MAX_CELLS:
            raise UnreadableFile(
                f"{where}has more than {format_count(MAX_ROWS, 'row')} or "
                f"{format_count(_MAX_CELLS, 'cell')}: upload it in parts"
            )
    return found


def _trim(row: list[str], where: str) -> list[str]:
    """A row without the empty cells at its end. Raises UnreadableFile beyond a limit."""
    trimmed = [cell.strip() for cell in row]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    if len(trimmed) > _MAX_COLUMNS:
        count = format_count(_MAX_COLUMNS, "column")
        raise UnreadableFile(f"{where} has {len(trimmed)} cells; a list has at most {count}")
    if any(len(cell) > _LONGEST_CELL for cell in trimmed):
        raise UnreadableFile(f"{where} has a cell of more than {_LONGEST_CELL} characters")
    return trimmed


def _read_workbook(data: bytes) -> Iterator[tuple[str, Iterator[tuple[int, list[str]]]]]:
    has_formulas = _check_archive(data)
    workbook = _open(data, only_results=True)
    formulas = _open(data, only_results=False) if has_formulas else None
    if len(workbook.worksheets) > _MAX_SHEETS:
        count = format_count(_MAX_SHEETS, "sheet")
        raise UnreadableFile(
            f"has {len(workbook.worksheets)} sheets; at most {count} can be uploaded"
        )
    for sheet in workbook.worksheets:
        if sheet.sheet_state == "visible":
            source = None if formulas is None else formulas[sheet.title]
            yield sheet.title, _read_rows(sheet, source)


def _open(data: bytes, *, only_results: bool) -> Any:  # noqa: ANN401 - openpyxl has no types
    try:
        with warnings.catch_warnings():
            # Of features that only matter to a spreadsheet program.
            warnings.simplefilter("ignore")
            return load_workbook(
                io.BytesIO(data), read_only=True, data_only=only_results, keep_links=False
            )
    except Exception as error:
        # Whatever it stumbles over, the file is the reason.
        message = "can't be read as an Excel workbook: save it again as .xlsx, or as CSV"
        raise UnreadableFile(message) from error


def _read_rows(sheet: Any, source: Any) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401
    """The rows of a sheet as texts. ``source`` is the same sheet with its formulas, if any."""
    sheet.reset_dimensions()
    rows = sheet.iter_rows(max_col=_MAX_COLUMNS + 1, values_only=True)
    written: Iterator[Any] = iter(())
    if source is not None:
        source.reset_dimensions()
        written = source.iter_rows(max_col=_MAX_COLUMNS + 1, values_only=True)
    try:
        for number, values in enumerate(rows, start=1):
            _check_results(values, next(written, ()), f"sheet {sheet.title}, row {number}")
            yield number, [format_value(value) for value in values]
    except UnreadableFile:
        raise
    except Exception as error:
        message = f"sheet {sheet.title} is damaged: save it again as .xlsx, or as CSV"
        raise UnreadableFile(message) from error


def _check_results(values: Iterable[object], formulas: Iterable[object], where: str) -> None:
    """Raise UnreadableFile for a formula whose result is not in the file."""
    for value, formula in zip(values, formulas, strict=False):
        if value is None and isinstance(formula, str) and formula.startswith("="):
            raise UnreadableFile(
                f"{where}: the result of the formula {formula} is not stored in the file. Open it "
                "in Excel, save it, and upload it again"
            )


def format_value(value: object) -> str:
    """A cell's value as a person would type it; a day as YYYY-MM-DD."""
    text = "" if value is None else str(value)
    match value:
        case bool():
            text = "yes" if value else "no"
        case datetime() if value.time() == _MIDNIGHT:
            text = value.date().isoformat()
        case timedelta():
            minutes = round(value.total_seconds() / 60)
            text = f"{minutes // 60}:{minutes % 60:02}"
        case float():
            text = f"{value:.10g}"
    return text


def _check_archive(data: bytes) -> bool:
    """Whether a workbook has formulas. Raises UnreadableFile for a bomb or another archive."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        parts = archive.infolist()
        names = {part.filename for part in parts}
        if "[Content_Types].xml" not in names or not any(n.startswith("xl/") for n in names):
            raise UnreadableFile("is a ZIP file, and not an Excel workbook: upload the lists in it")
        _check_sizes(parts)
        return _check_parts(archive, parts)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile("is damaged: save it again, and upload it once more") from error


def _check_sizes(parts: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    is_bomb = len(parts) > _MAX_PARTS or unpacked > _MAX_UNPACKED_BYTES
    for part in parts:
        ratio = part.file_size / max(1, part.compress_size)
        is_bomb = is_bomb or (part.file_size > _SMALL_PART_BYTES and ratio > _MAX_RATIO)
    if is_bomb:
        limit = format_size(_MAX_UNPACKED_BYTES)
        raise UnreadableFile(f"is too large once it is unpacked; the limit is {limit}")


def _check_parts(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> bool:
    """Whether a sheet has formulas. Raises UnreadableFile for a part that defines entities."""
    has_formulas = False
    for part in parts:
        if not part.filename.endswith((".xml", ".rels")):
            continue
        with archive.open(part) as file:
            start = file.read(_START_BYTES)
            # No spreadsheet program writes one, and it can multiply what follows.
            if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
                raise UnreadableFile("has parts that no spreadsheet program writes")
            if part.filename.startswith("xl/worksheets/") and not has_formulas:
                rest = start + file.read()
                has_formulas = b"<f>" in rest or b"<f " in rest
    return has_formulas
