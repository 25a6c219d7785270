"""From paths to rows, with every problem that shows without the database."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tracker.formatting import format_count, format_list
from tracker.importer.cells import ImportContext, clean, parse_email
from tracker.importer.csv_row import PERSON_COLUMNS, CsvRow
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import SCHEMAS, PersonRow
from tracker.importer.vocabulary import suggest

UNKNOWN_PERSON = "is neither in people.csv nor in the database: add the person to people.csv"
# Each line counts when it is read and when it is stored.
_PASSES = 2
_FILE_NAMES = format_list([f"{kind}.csv" for kind in SCHEMAS])
R = TypeVar("R", bound=CsvRow)


class UnreadableFile(Exception):  # noqa: N818 - reads as the sentence it prints
    """The rest of a file can't be read, from ``line`` on (None: the whole file)."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class ImportedFiles:
    """What the files contain.

    ``people`` are the addresses in people.csv, and ``mentions`` the people whom other files
    mention in rows with problems: unknown ones are problems too. ``incomplete`` are the kinds of
    files in which a row has a problem. ``is_readable`` is False if a file could not be read to its
    end: then nothing is known about what the other rows refer to. ``ignored`` are unknown files.
    """

    rows: dict[type[CsvRow], list[Any]] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    mentions: list[ImportProblem] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    incomplete: set[type[CsvRow]] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)
    problems: list[ImportProblem] = field(default_factory=list)
    is_readable: bool = True

    def rows_of(self, schema: type[R]) -> list[R]:
        """The rows of one kind of file, or of every kind whose schema derives from this one."""
        found = list[R]()
        for kind, rows in self.rows.items():
            if issubclass(kind, schema):
                found += rows
        return found

    def refuse(self, file: str, error: UnreadableFile | OSError) -> None:
        """Note a file that can't be read to its end."""
        if isinstance(error, OSError):
            error = UnreadableFile(f"can't be read: {error.strerror}")
        self.problems.append(ImportProblem(file, str(error), error.line))
        self.is_readable = False


def read_files(paths: Iterable[Path], context: ImportContext) -> ImportedFiles:
    """Read the files and folders in ``paths``, people first.

    Never raises for what a file contains: the problems are in the result.
    """
    files = ImportedFiles()
    readers = list[_FileReader]()
    for kind, path in find_files(paths, files):
        file = display_path(path)
        try:
            text = decode(path.read_bytes())
            context.progress.expect(_PASSES * text.count("\n"))
            readers.append(_FileReader(kind, file, text))
        except (OSError, UnreadableFile) as error:
            files.refuse(file, error)
    order = list(SCHEMAS)
    first_rows = dict[tuple[Any, ...], CsvRow]()
    for reader in sorted(readers, key=lambda each: order.index(each.kind)):
        reader.read(files, first_rows, context)
    return files


def find_files(paths: Iterable[Path], files: ImportedFiles) -> list[tuple[str, Path]]:
    """The known files that ``paths`` (files or folders) name, each once, with their kind.

    Upper and lower case are the same. Other CSV files in a folder are noted as ignored.
    """
    found = dict[Path, tuple[str, Path]]()
    for path in paths:
        try:
            for kind, file in _find_in(path, files):
                found.setdefault(file.resolve(), (kind, file))
        except (OSError, UnreadableFile) as error:
            files.refuse(display_path(path), error)
    return list(found.values())


def _find_in(path: Path, files: ImportedFiles) -> list[tuple[str, Path]]:
    kind = _kind_of(path)
    if not path.exists():
        raise UnreadableFile("does not exist")
    if kind and path.is_dir():
        raise UnreadableFile("is a folder, and must be a file: name the folder that contains it")
    if kind:
        return [(kind, path)]
    if not path.is_dir():
        raise UnreadableFile(f"is not a known file name; known are {_FILE_NAMES}")
    found = []
    for file in sorted(path.iterdir()):
        if kind := _kind_of(file):
            found.append((kind, file))
        elif file.suffix.lower() == ".csv":
            files.ignored.append(display_path(file))
    if not found:
        raise UnreadableFile(f"contains none of the known files: {_FILE_NAMES}")
    return found


def _kind_of(path: Path) -> str | None:
    name = path.name.lower()
    kind = name.removesuffix(".csv")
    return kind if name.endswith(".csv") and kind in SCHEMAS else None


def display_path(path: Path) -> str:
    """A path that can be printed, even if its bytes are not text."""
    return os.fsencode(path).decode("utf-8", "replace")


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 with or without a byte order mark, otherwise Windows-1252.

    Raises UnreadableFile for any other encoding that can be detected, and for NUL characters.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile('is UTF-16: save it as "CSV UTF-8"')
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(b"\xef\xbb\xbf"):
            line = data.count(b"\n", 0, error.start) + 1
            raise UnreadableFile("is not UTF-8, as its first bytes say", line) from None
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError as other:
            message = f"byte {data[other.start]:#04x} is neither UTF-8 nor Windows-1252"
            line = data.count(b"\n", 0, other.start) + 1
            raise UnreadableFile(message, line) from None
    if (position := text.find("\0")) >= 0:
        line = text.count("\n", 0, position) + 1
        raise UnreadableFile("contains a NUL character: this is not CSV", line)
    return text


# Excel's own first line, which names the separator. With a comma it is two cells.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE | re.DOTALL)
_WRONG_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class _FileReader:
    """Reads one file into rows. Raises UnreadableFile unless its heading is right."""

    def __init__(self, kind: str, file: str, text: str) -> None:
        self.kind = kind
        self._file = file
        self._schema = SCHEMAS[kind]
        self._lines = _split_lines(text)
        self._heading_line, heading = self._read_heading()
        self._columns = [cell.strip().lower() for cell in heading]

    def _read_heading(self) -> tuple[int, list[str]]:
        line, cells = next(self._lines, (1, []))
        separator = _SEPARATOR_LINE.fullmatch(",".join(cells))
        if separator and separator[1] == ",":
            line, cells = next(self._lines, (line + 1, []))
        if not cells:
            raise UnreadableFile("is empty: its first line must name the columns", line)
        for wrong, name in _WRONG_SEPARATORS.items():
            if (separator and separator[1] == wrong) or (len(cells) == 1 and wrong in cells[0]):
                message = f"the columns are separated by {name}: save the file with commas"
                raise UnreadableFile(message, line)
        return line, cells

    def read(
        self,
        files: ImportedFiles,
        first_rows: dict[tuple[Any, ...], CsvRow],
        context: ImportContext,
    ) -> None:
        """Read all rows. ``first_rows`` are those read so far, by what they are about."""
        if wrong := list(self._heading_problems()):
            files.problems += wrong
            files.is_readable = False
            return
        files.kinds.add(self.kind)
        rows = files.rows.setdefault(self._schema, [])
        try:
            for line, cells in self._lines:
                context.progress.step()
                row = self._read_row(line, cells, files, context)
                if row is None:
                    continue
                first = row
                if identity := row.identity():
                    first = first_rows.setdefault((self._schema, *identity), row)
                if first is row:
                    rows.append(row)
                elif first.model_dump(exclude_unset=True) != row.model_dump(exclude_unset=True):
                    files.problems.append(row.contradicts(first))
        except UnreadableFile as error:
            files.refuse(self._file, error)

    def _heading_problems(self) -> Iterator[ImportProblem]:
        known, seen = self._schema.columns(), set[str]()
        for number, column in enumerate(self._columns, start=1):
            if not column:
                message = "has no name: remove it, or name it on the first line"
                yield self._problem(f"column {number}", message)
            elif column in seen:
                yield self._problem(column, "appears twice: keep one")
            elif column not in known:
                yield self._problem(column, f"is not a known column; {suggest(column, known)}")
            seen.add(column)
        required = self._schema.required_columns()
        for column in required:
            if column not in seen:
                yield self._problem(column, f"is missing; required are {format_list(required)}")

    def _problem(self, column: str, message: str) -> ImportProblem:
        return ImportProblem(self._file, message, self._heading_line, column)

    def _read_row(
        self, line: int, cells: list[str], files: ImportedFiles, context: ImportContext
    ) -> CsvRow | None:
        problems = []
        if len(cells) == len(self._columns):
            texts = dict(zip(self._columns, cells, strict=True))
            try:
                row = self._schema.model_validate(texts, context=context)
            except ValidationError as error:
                for details in error.errors(include_url=False):
                    column, cell = str(details["loc"][0]), str(details["input"])
                    message = str(details["ctx"].get("error"))
                    if details["type"] == "string_too_long":
                        longest = details["ctx"]["max_length"]
                        message = f"must have at most {longest} characters, and has {len(cell)}"
                    problems.append(ImportProblem(self._file, message, line, column, cell))
                self._note_people(line, texts, files)
            else:
                row.set_line(self._file, line)
                if isinstance(row, PersonRow):
                    files.people.add(row.email)
                return row
        else:
            count = format_count(len(cells), "cell")
            message = f"the row has {count}, but the first line names {len(self._columns)} columns"
            problems.append(ImportProblem(self._file, message, line))
        files.problems += problems
        files.incomplete.add(self._schema)
        return None

    def _note_people(self, line: int, texts: dict[str, str], files: ImportedFiles) -> None:
        """Note whom a row with problems mentions."""
        for column in PERSON_COLUMNS:
            try:
                email = parse_email(clean(texts.get(column, "")))
            except ValueError:
                continue
            if self._schema is PersonRow:
                files.people.add(email)
            else:
                problem = ImportProblem(self._file, UNKNOWN_PERSON, line, column, email)
                files.mentions.append(problem)


def _split_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV text that are not blank, each with its first physical line, from 1.

    Raises UnreadableFile for quotes that do not match or an absurdly long cell.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"the row can't be read ({error}): double the quotes inside a quoted cell"
        raise UnreadableFile(message, line) from error
