"""From paths to typed rows, and every problem that shows without the database."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from tracker.importer.cells import clean
from tracker.importer.csv_schemas import LAYOUTS, Layout, Parser, parser_of, parsers
from tracker.importer.files import (
    BrokenFileError,
    Line,
    Problem,
    Progress,
    Sheet,
    UnreadableError,
    decode,
    display,
    find_files,
    open_sheet,
)
from tracker.importer.rows import EntryRow, Row, entry_row, number_among_equals, slips_between_cells
from tracker.importer.vocabulary import Vocabulary

# Each line is stepped over twice: when it is read, and when it is stored.
_PASSES = 2


@dataclass
class Reading:
    """What the files say. ``rows`` are by kind of file; ``entries`` stand apart.

    ``named`` are the people of people.csv, also those in whose rows something else is wrong;
    ``mentioned`` are the people of rows that could not be taken, each with its place: file, line,
    column, address; ``doubtful`` are the kinds of files in which some row could not be taken.
    ``whole`` is False when a file could not be read to its end: then nothing can be said about
    whom or what the other rows speak of.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    entries: list[EntryRow] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    mentioned: list[tuple[str, int, str, str]] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    whole: bool = True

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Note problems after which a file cannot be read further."""
        self.problems.extend(problems)
        self.whole = False


def read_files(
    paths: Iterable[Path], vocabulary: Vocabulary, as_of: date, progress: Progress
) -> Reading:
    """Read the files that ``paths`` name; people first, whatever the order of ``paths``.

    ``as_of`` is the last day on which an entry may lie. Never raises for what a file holds:
    the problems are in the result.
    """
    found = find_files(paths)
    reading = Reading(ignored=found.ignored)
    if found.problems:
        reading.refuse(found.problems)
    sheets = [_open(kind, path, reading, progress) for kind, path in found.files]
    reader = _RowReader(reading, vocabulary, as_of)
    order = list(LAYOUTS)
    for sheet in sorted(filter(None, sheets), key=lambda each: order.index(each.kind)):
        reader.read(sheet, progress)
    return reading


def _open(kind: str, path: Path, reading: Reading, progress: Progress) -> Sheet | None:
    file = display(path)
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        reading.refuse([Problem(file, None, None, None, f"cannot be read: {error.strerror}")])
        return None
    except UnreadableError as error:
        reading.refuse([Problem(file, error.line, None, None, str(error))])
        return None
    progress.expect(_PASSES * text.count("\n"))
    sheet = open_sheet(kind, file, text)
    if isinstance(sheet, Sheet):
        return sheet
    reading.refuse(sheet)
    return None


class _RowReader:
    """Reads sheet after sheet into one Reading."""

    def __init__(self, reading: Reading, vocabulary: Vocabulary, as_of: date) -> None:
        self._reading = reading
        self._catalogue = vocabulary
        self._parsers = parsers(vocabulary, as_of)
        self._by_key = dict[tuple[Any, ...], Row | EntryRow]()
        self._equals = Counter[tuple[str, str]]()

    def read(self, sheet: Sheet, progress: Progress) -> None:
        """Read all rows of a sheet."""
        layout = LAYOUTS[sheet.kind]
        self._reading.kinds.add(sheet.kind)
        omitted = frozenset(layout.optional) - set(sheet.columns)
        plan = [(column, parser_of(self._parsers, sheet.kind, column)) for column in sheet.columns]
        try:
            for line, cells in sheet.lines:
                progress.step()
                values = self._values((line, cells), sheet, plan, layout)
                if values is None:
                    self._reading.doubtful.add(sheet.kind)
                else:
                    self._keep(sheet, line, values, omitted)
        except BrokenFileError as error:
            self._reading.refuse([Problem(sheet.file, error.line, None, None, str(error))])

    def _values(
        self, row: Line, sheet: Sheet, plan: list[tuple[str, Parser]], layout: Layout
    ) -> dict[str, Any] | None:
        """The values of a row; None when something is wrong with it."""
        line, cells = row
        if len(cells) != len(plan):
            what = f"the row has {len(cells)} cells, and the first line names {len(plan)} columns"
            self._reading.problems.append(Problem(sheet.file, line, None, None, what))
            return None
        values = dict[str, Any]()
        for (column, parse), cell in zip(plan, cells, strict=True):
            try:
                values[column] = _value(cell, column, parse, layout)
            except ValueError as error:
                self._wrong(sheet, line, column, cell, str(error))
        if sheet.kind == "people" and "email" in values:
            self._reading.named.add(values["email"])
        whole = len(values) == len(plan)
        for column, value, what in slips_between_cells(values, self._catalogue):
            self._wrong(sheet, line, column, value, what)
            whole = False
        if not whole:
            self._mention(sheet, line, values)
        return values if whole else None

    def _mention(self, sheet: Sheet, line: int, values: Mapping[str, Any]) -> None:
        """Keep whom a wrong row speaks of: an unknown person is an error of its own."""
        if sheet.kind != "people":
            for column in ("email", "provider_email", "supervisor_email"):
                if email := values.get(column):
                    self._reading.mentioned.append((sheet.file, line, column, email))

    def _wrong(self, sheet: Sheet, line: int, column: str, value: object, what: str) -> None:
        self._reading.problems.append(Problem(sheet.file, line, column, str(value), what))

    def _keep(
        self, sheet: Sheet, line: int, values: Mapping[str, Any], omitted: frozenset[str]
    ) -> None:
        if sheet.kind == "entries":
            self._keep_entry(entry_row(sheet.file, line, values, omitted))
            return
        key = tuple(values[column] for column in LAYOUTS[sheet.kind].key)
        row = Row(sheet.file, line, key, values)
        if self._is_first((sheet.kind, *key), row, "email"):
            self._reading.rows.setdefault(sheet.kind, []).append(row)

    def _keep_entry(self, row: EntryRow) -> None:
        if not row.is_known_by_reference:
            self._equals[row.email, row.digest] += 1
            row = number_among_equals(row, self._equals[row.email, row.digest])
        elif not self._is_first(("entries", row.email, row.key), row, "reference"):
            return
        self._reading.entries.append(row)

    def _is_first(self, key: tuple[Any, ...], row: Row | EntryRow, column: str) -> bool:
        """Whether the row is the first with its key; another content is a problem."""
        first = self._by_key.setdefault(key, row)
        if first is not row and _content(first) != _content(row):
            value = row.email if isinstance(row, Row) else row.reference
            place = f"{first.file}:{first.line}"
            what = f"contradicts {place}, which speaks of the same {_subject(key)}: {_remedy(row)}"
            self._reading.problems.append(Problem(row.file, row.line, column, value, what))
        return first is row


def _value(cell: str, column: str, parse: Parser, layout: Layout) -> object:
    text = clean(cell)
    if text:
        return parse(text)
    if column in layout.required:
        raise ValueError("must not be empty")
    return layout.optional[column]


def _content(row: Row | EntryRow) -> object:
    return row.values if isinstance(row, Row) else replace(row, file="", line=0)


def _remedy(row: Row | EntryRow) -> str:
    if isinstance(row, Row):
        return "keep one"
    return "keep one, or write it in a column shared_reference if both are sessions"


def _subject(key: tuple[Any, ...]) -> str:
    kind, *names = key
    if kind == "people":
        return "person"
    if kind == "entries":
        return "reference"
    return f"{', '.join(map(str, names[1:]))}"
