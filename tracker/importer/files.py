"""What is wrong with the files of an import, each with its place."""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tracker.importer.csv_schemas import FILE_NAMES, LAYOUTS, Layout
from tracker.importer.vocabulary import what_is_known

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and in ``message`` what would be right.

    ``line`` is the physical line of the file on which the row begins (the heading is on
    line 1); None when the whole file is meant. ``column`` and ``value`` are None when no one
    cell is.
    """

    file: str
    line: int | None
    column: str | None
    value: str | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        # What would be right may depend on another cell, and then names what stands there.
        message = _visible(self.message)
        if self.column is None:
            return f"{place}: {message}"
        if self.value is None:
            return f"{place}: {_shown(self.column)}: {message}"
        return f'{place}: {_shown(self.column)} "{_shown(self.value)}": {message}'


def _shown(text: str) -> str:
    """Text from a file for one line of a message: shortened, nothing invisible in it."""
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}…"
    return _visible(text)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ImportRefused(Exception):  # noqa: N818 - it names the outcome, as the command says it
    """The files hold problems; nothing of them was stored."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda each: (each.file, each.line or 0))
        super().__init__(f"{len(problems)} problems, the first: {self.problems[0]}")


ProgressCallback = Callable[[int, int], None]
_TOLD_EVERY = 500


class Progress:
    """Counts steps, and tells ``callback(done, total)`` now and then."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._total = 0
        self._done = 0
        self._told = 0

    def expect(self, steps: int) -> None:
        """Add ``steps`` to the total."""
        self._total += steps

    def step(self, steps: int = 1) -> None:
        """Count steps as done."""
        self._done += steps
        if self._done - self._told >= _TOLD_EVERY:
            self._tell()

    def finish(self) -> None:
        """Everything is done, also what was expected and turned out to be nothing."""
        self._done = self._total
        self._tell()

    def _tell(self) -> None:
        self._told = self._done
        if self._callback:
            self._callback(min(self._done, self._total), self._total)


_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
KNOWN_NAMES = ", ".join(FILE_NAMES)


class UnreadableError(Exception):
    """A file's bytes are no text; ``line`` says where, None for the whole file."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class Found:
    """The files to read, each with its kind, in the order given; and what was left aside."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: Path, message: str) -> None:
        """Note that a path cannot be read."""
        self.problems.append(Problem(display(path), None, None, None, message))

    def add(self, path: Path, kind: str) -> None:
        """Take a file to be read, once, by whatever path it is named."""
        if path.resolve() not in {known.resolve() for _, known in self.files}:
            self.files.append((kind, path))


def find_files(paths: Iterable[Path]) -> Found:
    """The known files that ``paths`` (files, or folders that hold them) name.

    The case of a file's name does not matter. Other files of a folder are left aside; the CSV
    files among them are in ``ignored``.
    """
    found = Found()
    for path in paths:
        try:
            _look_at(path, found)
        except OSError as error:
            found.refuse(path, f"cannot be read: {error.strerror}")
    return found


def _look_at(path: Path, found: Found) -> None:
    if path.is_dir() and path.name.lower() not in FILE_NAMES:
        _look_into(path, found)
    elif path.is_dir():
        found.refuse(path, "is a folder, and must be a file: name the folder that holds the files")
    elif not path.exists():
        found.refuse(path, "does not exist")
    elif kind := FILE_NAMES.get(path.name.lower()):
        found.add(path, kind)
    else:
        found.refuse(path, f"is not a known file name; known are {KNOWN_NAMES}")


def _look_into(folder: Path, found: Found) -> None:
    known = 0
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if name in FILE_NAMES:
            known += 1
            _look_at(path, found)
        elif name.endswith(".csv"):
            found.ignored.append(display(path))
    if not known:
        found.refuse(folder, f"holds none of the known files: {KNOWN_NAMES}")


def display(path: Path) -> str:
    """A path as it is printed, even when its bytes are no text."""
    return os.fsencode(path).decode("utf-8", "replace")


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 with or without its mark, else Windows-1252.

    Raises UnreadableError for any other encoding that shows, and for NUL characters.
    """
    if data.startswith(_OTHER_BOMS):
        raise UnreadableError('is in UTF-16: save it as "CSV UTF-8"')
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(_BOM):
            raise UnreadableError(
                "is not the UTF-8 that its mark says", _line(data, error)
            ) from None
        text = _decode_windows(data)
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise UnreadableError("holds a NUL character: this is no CSV text", line)
    return text


def _decode_windows(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        message = f"byte {data[error.start]:#04x} is neither UTF-8 nor Windows-1252"
        raise UnreadableError(message, _line(data, error)) from None


def _line(data: bytes, error: UnicodeDecodeError) -> int:
    return data.count(b"\n", 0, error.start) + 1


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
