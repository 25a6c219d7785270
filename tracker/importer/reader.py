"""From paths to rows, with every problem that shows without the database."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from tracker.formatting import format_count, format_list
from tracker.importer.cells import ImportContext, clean, find_ambiguous_date, parse_email
from tracker.importer.course_days import CourseCellError
from tracker.importer.csv_row import PERSON_COLUMNS, CsvRow
from tracker.importer.file_text import UnreadableFile, count_lines, decode, split_rows
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import SCHEMAS, PersonRow
from tracker.importer.vocabulary import suggest

UNKNOWN_PERSON = "is neither in people.csv nor in the database: add the person to people.csv"
# Each line counts when it is read and when it is stored.
_PASSES = 2
# Spreadsheets save text with tabs under the last two.
_SUFFIXES = {".csv", ".tsv", ".txt"}
# Those that hold nothing but a table, so that an unknown name is probably a mistake.
_TABLE_SUFFIXES = {".csv", ".tsv"}
_FILE_NAMES = format_list([f"{kind}.csv" for kind in SCHEMAS])
R = TypeVar("R", bound=CsvRow)


@dataclass
class ImportedFiles:
    """What the files contain.

    ``people`` are the addresses in people.csv, and ``mentions`` the people whom other files
    mention in rows with problems: unknown ones are problems too. ``incomplete`` are the kinds of
    files in which a row has a problem. ``is_readable`` is False if a file could not be read to its
    end: then nothing is known about what the other rows refer to. ``ignored`` are unknown files.
    ``changed_emails`` are present addresses by former ones, as far as this import changed them.
    ``repeated`` are rows that say the same as an earlier one, each with that one, and
    ``contradictions`` those that say something else about the same thing. ``kind_of_file`` are the
    kinds of files by what problems call them.
    """

    rows: dict[type[CsvRow], list[Any]] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    mentions: list[ImportProblem] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    incomplete: set[type[CsvRow]] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)
    problems: list[ImportProblem] = field(default_factory=list)
    is_readable: bool = True
    changed_emails: dict[str, str] = field(default_factory=dict)
    repeated: list[tuple[CsvRow, CsvRow]] = field(default_factory=list)
    contradictions: list[tuple[CsvRow, CsvRow]] = field(default_factory=list)
    kind_of_file: dict[str, str] = field(default_factory=dict)

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
            if not context.month_first:
                _check_dates(text)
            context.progress.expect(_PASSES * count_lines(text))
            readers.append(_FileReader(kind, file, split_rows(text)))
        except (OSError, UnreadableFile) as error:
            files.refuse(file, error)
    _read_all(readers, files, context)
    return files


class TableOfCells(NamedTuple):
    """Rows of one kind, with the number of each row's line; the first one names the columns.

    ``file`` is what problems call it.
    """

    kind: str
    file: str
    lines: Sequence[tuple[int, list[str]]]


def read_tables(tables: Iterable[TableOfCells], context: ImportContext) -> ImportedFiles:
    """Read tables as `read_files` reads files."""
    files, readers = ImportedFiles(), list[_FileReader]()
    for table in tables:
        context.progress.expect(_PASSES * len(table.lines))
        readers.append(_FileReader(table.kind, table.file, iter(table.lines)))
    _read_all(readers, files, context)
    return files


def _read_all(
    readers: Iterable["_FileReader"], files: ImportedFiles, context: ImportContext
) -> None:
    order = list(SCHEMAS)
    first_rows = dict[tuple[Any, ...], CsvRow]()
    for reader in sorted(readers, key=lambda each: order.index(each.kind)):
        reader.read(files, first_rows, context)


def _check_dates(text: str) -> None:
    """Raise UnreadableFile if the dates of a file can be read in two ways."""
    match = find_ambiguous_date(text)
    if match is None:
        return
    message = (
        f"{match[0]} can be month/day or day/month, and no other date in the file tells: if the "
        "month comes first, import with --month-first; otherwise write dates as YYYY-MM-DD"
    )
    raise UnreadableFile(message, text.count("\n", 0, match.start()) + 1)


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
    found = list[tuple[str, Path]]()
    for file in sorted(path.iterdir()):
        if kind := _kind_of(file):
            _check_only_export(kind, file, dict(found))
            found.append((kind, file))
        elif file.suffix.lower() in _TABLE_SUFFIXES:
            files.ignored.append(display_path(file))
    if not found:
        raise UnreadableFile(f"contains none of the known files: {_FILE_NAMES}")
    return found


def _check_only_export(kind: str, file: Path, found: Mapping[str, Path]) -> None:
    """Raise UnreadableFile if a folder holds one kind of file in two formats.

    They are probably two exports of one sheet, and equal rows of entries are separate sessions.
    """
    other = found.get(kind)
    if other is not None and other.suffix.lower() != file.suffix.lower():
        names = format_list([other.name, file.name])
        raise UnreadableFile(f"contains {names}: keep one, or name the files to import")


def _kind_of(path: Path) -> str | None:
    kind = path.stem.lower()
    return kind if path.suffix.lower() in _SUFFIXES and kind in SCHEMAS else None


def display_path(path: Path) -> str:
    """A path that can be printed, even if its bytes are not text."""
    return os.fsencode(path).decode("utf-8", "replace")


def _cells_of(row: CsvRow) -> dict[str, Any]:
    """A row's values in the columns that its file has."""
    return row.model_dump(exclude_unset=True)


class _FileReader:
    """Reads one file into rows. Raises UnreadableFile unless its heading is right."""

    def __init__(self, kind: str, file: str, lines: Iterator[tuple[int, list[str]]]) -> None:
        self.kind = kind
        self._file = file
        self._schema = SCHEMAS[kind]
        self._lines = lines
        self._heading_line, heading = next(self._lines, (1, []))
        if not heading:
            raise UnreadableFile("is empty: its first line must name the columns", 1)
        self._columns = [cell.strip().lower() for cell in heading]
        self._names = [column for column in self._columns if column]

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
        files.kind_of_file[self._file] = self.kind
        rows = files.rows.setdefault(self._schema, [])
        try:
            for line, cells in self._lines:
                context.progress.step()
                for row in self._read_rows(line, cells, files, context):
                    first = row
                    if identity := row.identity():
                        first = first_rows.setdefault((self._schema, *identity), row)
                    if first is row:
                        rows.append(row)
                    elif _cells_of(first) != _cells_of(row):
                        files.contradictions.append((row, first))
                        files.problems.append(row.contradicts(first))
                    else:
                        files.repeated.append((row, first))
        except UnreadableFile as error:
            files.refuse(self._file, error)

    def _heading_problems(self) -> Iterator[ImportProblem]:
        known, seen = self._schema.columns(), set[str]()
        for column in self._names:
            if column in seen:
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

    def _read_rows(
        self, line: int, cells: list[str], files: ImportedFiles, context: ImportContext
    ) -> list[CsvRow]:
        """The rows that a line stands for: one, or each day of a course; none with problems."""
        problems = list(self._shape_problems(line, cells))
        texts = dict.fromkeys(self._names, "")
        texts |= {name: cell for name, cell in zip(self._columns, cells, strict=False) if name}
        rows = list[CsvRow]()
        if not problems:
            try:
                for part in self._schema.split(texts):
                    rows += self._validate(line, part, problems, context)
            except CourseCellError as error:
                cell = texts[error.column]
                problems.append(ImportProblem(self._file, str(error), line, error.column, cell))
            if problems:
                self._note_people(line, texts, files)
        if problems:
            # A course's days have most of their cells in common.
            files.problems += dict.fromkeys(problems)
            files.incomplete.add(self._schema)
            return []
        files.people.update(row.email for row in rows if isinstance(row, PersonRow))
        # One step is expected for each line.
        context.progress.expect(len(rows) - 1)
        return rows

    def _validate(
        self,
        line: int,
        texts: dict[str, str],
        problems: list[ImportProblem],
        context: ImportContext,
    ) -> list[CsvRow]:
        """The row with these cells; none if it has problems, which are added."""
        try:
            row = self._schema.model_validate(texts, context=context)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                column, cell = str(details["loc"][0]), str(details["input"])
                message = str(details["ctx"].get("error"))
                if details["type"] == "string_too_long":
                    longest = details["ctx"]["max_length"]
                    message = f"must have at most {longest} characters, and has {len(cell)}"
                written = self._schema.written_column(column, texts)
                cell = cell if written == column else texts[written]
                problems.append(ImportProblem(self._file, message, line, written, cell))
            return []
        row.set_line(self._file, line)
        row.set_cells(texts)
        return [row]

    def _shape_problems(self, line: int, cells: list[str]) -> Iterator[ImportProblem]:
        """Cells that are missing, or that belong to no column.

        Spreadsheets leave out empty cells at the end of a row, and add columns without anything.
        """
        required = set(self._schema.required_columns())
        missing = [name for name in self._columns[len(cells) :] if name in required]
        if missing:
            count, columns = (
                format_count(len(cells), "cell"),
                format_count(len(self._names), "column"),
            )
            message = f"the row has {count}, but the first line names {columns}"
            yield ImportProblem(
                self._file, f"{message}: {format_list(missing)} must not be empty", line
            )
        for number, cell in enumerate(cells, start=1):
            if cell.strip() and not "".join(self._columns[number - 1 : number]):
                message = (
                    "has no name on the first line: name the column, or empty the cell; quote a "
                    "cell that contains what separates cells"
                )
                yield ImportProblem(self._file, message, line, f"column {number}", cell)

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
