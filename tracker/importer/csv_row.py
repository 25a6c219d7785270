"""What the rows of all CSV files have in common."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from sqlmodel import SQLModel

from tracker.formatting import format_hours
from tracker.importer.cells import Email, clean
from tracker.importer.problems import ImportProblem

# The columns that mention people whom people.csv or the database must have.
PERSON_COLUMNS = ("email", "provider_email", "supervisor_email")


class CsvRow(BaseModel):
    """A row of a file. ``model_fields_set`` are the columns that the file has."""

    # Two rows with the same key columns are about the same thing; no key: each is about its own.
    key: ClassVar[tuple[str, ...]] = ()
    table: ClassVar[type[SQLModel]]
    # The columns of the table that identify a row in it.
    table_key: ClassVar[tuple[str, ...]] = ()
    # What to do about two rows of the same thing that differ.
    remedy: ClassVar[str] = "keep one"
    # Whether changes leave audit events, as changes on the pages do.
    audited: ClassVar[bool] = False

    # What stands in cells for the None of a required column.
    open_ended: ClassVar[Mapping[str, str]] = {}

    email: Email
    _file: str = PrivateAttr("")
    _line: int = PrivateAttr(0)
    # The address in the file, if it is a former one of the person.
    _former_email: str | None = PrivateAttr(None)

    @property
    def former_email(self) -> str | None:
        """The address in the file, if that is a former one of the person."""
        return self._former_email

    def replace_email(self, column: str, present: str) -> None:
        """Put the present address in the place of a former one."""
        if column == "email":
            self._former_email = self.email
        # Not an assignment: it would make the column one that the file has.
        self.__dict__[column] = present

    @field_validator("*", mode="wrap")
    @classmethod
    def _read_cell(
        cls, cell: str, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> object:
        text = clean(cell)
        if text:
            return read(text)
        field = cls.model_fields[str(info.field_name)]
        if field.is_required():
            raise ValueError("must not be empty")
        return field.default

    @classmethod
    def columns(cls) -> list[str]:
        """All columns of the file, in the documented order."""
        return list(cls.model_fields)

    @classmethod
    def required_columns(cls) -> list[str]:
        """The columns without which a file is refused."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]

    @classmethod
    def split(cls, cells_by_column: Mapping[str, str]) -> list[dict[str, str]]:
        """The cells of each row that a line stands for. Raises CourseCellError."""
        return [dict(cells_by_column)]

    @classmethod
    def written_column(cls, column: str, _cells_by_column: Mapping[str, str]) -> str:
        """The column of the file in which the cell for ``column`` is written."""
        return column

    def set_line(self, file: str, line: int) -> None:
        """Remember where the row begins; the heading is on line 1."""
        self._file, self._line = file, line

    def set_cells(self, cells_by_column: Mapping[str, str]) -> None:
        """Remember the cells from which the row was read, where that matters."""

    @property
    def file_and_line(self) -> str:
        """The file and the line on which the row begins."""
        return f"{self._file}:{self._line}"

    @property
    def sort_key(self) -> tuple[str, int]:
        """Sorts rows by file and line."""
        return self._file, self._line

    def identity(self) -> tuple[Any, ...] | None:
        """What the row is about, within its file; None if it stands for itself."""
        return tuple(getattr(self, column) for column in self.key) or None

    def people(self) -> Iterator[tuple[str, str]]:
        """Each person whom the row mentions: the column and the address."""
        for column in PERSON_COLUMNS:
            email = getattr(self, column, None)
            if email:
                yield column, email

    def contradicts(self, first: "CsvRow") -> ImportProblem:
        """The problem that an earlier row says something else about the same thing."""
        names = [format_cell(column, getattr(self, column)) for column in self.key[1:]]
        subject = ", ".join(filter(None, names)) or "person"
        message = f"contradicts {first.file_and_line}, which is about the same {subject}: "
        return self.problem("email", message + self.remedy)

    def problem(self, column: str, message: str) -> ImportProblem:
        """A problem with the row's value in ``column``."""
        value = format_cell(column, getattr(self, column)) or None
        return ImportProblem(self._file, message, self._line, column, value)


def format_cell(column: str, value: Any) -> str:  # noqa: ANN401 - any field's value
    """A value as the cell from which it is read."""
    if column == "hours":
        return format_hours(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "; ".join(f"{topic}:{format_hours(minutes)}" for topic, minutes in value)
    return value.isoformat() if isinstance(value, date) else str(value)
