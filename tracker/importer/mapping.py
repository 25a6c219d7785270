"""What the columns and values of uploaded sheets mean, and the tables that follow from it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from tracker.importer.loose_dates import DateOrder, find_order, read_loose_date
from tracker.importer.reader import TableOfCells
from tracker.importer.schemas import SCHEMAS
from tracker.importer.targets import (
    FIRST_NAME,
    INCLUDED,
    KIND_NAMES,
    LAST_NAME,
    LEAVE_OUT,
    NAME,
    NO,
    SHARED,
    is_date,
    kind_of,
)
from tracker.importer.workbooks import Sheet
from tracker.plain_text import normalize_text, plain_name

# By target: the words for each value that it can have.
ChoicesByTarget = Mapping[str, Mapping[str, str]]


@dataclass
class SheetMapping:
    """What one sheet's columns mean.

    ``targets`` are in the order of the columns; empty for a column that is not imported.
    ``fixed`` are values that all rows have. ``orders`` say, by column, which comes first in dates.
    """

    targets: list[str]
    fixed: dict[str, str] = field(default_factory=dict)
    orders: dict[int, DateOrder] = field(default_factory=dict)
    is_left_out: bool = False

    @property
    def kinds(self) -> list[str]:
        """The kinds of which the sheet has rows."""
        found = {kind_of(target) for target in (*self.targets, *self.fixed)}
        return [] if self.is_left_out else [kind for kind in KIND_NAMES if kind in found]

    def has(self, kind: str, column: str) -> bool:
        """Whether rows of a kind get a value in a column."""
        target = column if column in SHARED else f"{kind}.{column}"
        given = {*self.targets, *self.fixed}
        return target in given or (target == NAME and bool({FIRST_NAME, LAST_NAME} & given))


@dataclass
class ImportMapping:
    """What an upload means.

    ``values`` are by target and by the text in the sheets (as `value_key` has it). ``people`` say
    who is meant by an address: see `look_alikes`. ``addresses`` say what rows with one address
    are, and ``own_addresses`` those that people get instead: see `same_address`. ``similar``
    decides about all rows that look like a stored session.
    """

    sheets: list[SheetMapping] = field(default_factory=list)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    own_addresses: dict[str, str] = field(default_factory=dict)
    similar: Literal["", "same", "new"] = ""

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ImportMapping":
        """From what `to_json` made."""
        stored = json.loads(text)
        sheets = []
        for sheet in stored.pop("sheets"):
            orders = {int(column): order for column, order in sheet.pop("orders").items()}
            sheets.append(SheetMapping(orders=orders, **sheet))
        return cls(sheets=sheets, **stored)


class Question(NamedTuple):
    """What has to be answered before a plan can be made.

    ``column`` is None for what no column of the sheet answers. ``text`` is an example, or the
    value that is unknown.
    """

    what: Literal["missing", "twice", "value", "order", "nothing"]
    sheet: int
    target: str
    column: int | None = None
    text: str = ""


def value_key(text: str) -> str:
    """A value as it is compared: spaces and upper case make no difference."""
    return normalize_text(text).casefold()


def list_values(sheet: Sheet, column: int) -> list[str]:
    """The different texts of a column that are not empty, in their order."""
    found = dict[str, str]()
    for _, row in sheet.rows:
        if row[column]:
            found.setdefault(value_key(row[column]), normalize_text(row[column]))
    return list(found.values())


def find_value(
    mapping: ImportMapping, choices: Mapping[str, str], target: str, text: str
) -> str | None:
    """What a text means in a target with certain values; None if nobody has said."""
    key = value_key(text)
    said = mapping.values.get(target, {}).get(key)
    if said in choices or said == LEAVE_OUT:
        return said
    return next((value for value in choices if value.casefold() == key), None)


def list_questions(
    sheets: Sequence[Sheet], mapping: ImportMapping, choices: ChoicesByTarget
) -> list[Question]:
    """What the mapping does not answer."""
    questions = list[Question]()
    for number, (sheet, mapped) in enumerate(zip(sheets, mapping.sheets, strict=True)):
        if not mapped.is_left_out:
            questions += _ask_about_columns(number, mapped)
            for column, target in enumerate(mapped.targets):
                questions += _ask_about_cells(number, sheet, mapping, choices, column, target)
    if not questions and not any(mapped.kinds for mapped in mapping.sheets):
        questions.append(Question("nothing", 0, ""))
    return questions


def _ask_about_columns(number: int, mapped: SheetMapping) -> Iterator[Question]:
    targets = [target for target in mapped.targets if target]
    for target in dict.fromkeys(targets):
        if targets.count(target) > 1:
            second = len(mapped.targets) - 1 - mapped.targets[::-1].index(target)
            yield Question("twice", number, target, second)
    if targets and not mapped.kinds:
        yield Question("nothing", number, "")
    for target in _list_missing(mapped):
        yield Question("missing", number, target)


def _list_missing(mapped: SheetMapping) -> list[str]:
    """The targets that the sheet's kinds need and no column or fixed value gives."""
    missing = dict[str, None]()
    has_days = mapped.has("entries", "days")
    for kind in mapped.kinds:
        for column in SCHEMAS[kind].required_columns():
            target = column if column in SHARED else f"{kind}.{column}"
            is_of_days = has_days and target in {"entries.date", "entries.hours"}
            if not is_of_days and not mapped.has(kind, column):
                missing[target] = None
    return list(missing)


def _ask_about_cells(
    number: int,
    sheet: Sheet,
    mapping: ImportMapping,
    choices: ChoicesByTarget,
    column: int,
    target: str,
) -> Iterator[Question]:
    if target in choices:
        for text in list_values(sheet, column):
            if find_value(mapping, choices[target], target, text) is None:
                yield Question("value", number, target, column, text)
    if target and is_date(target) and column not in mapping.sheets[number].orders:
        order, example = find_order(row[column] for _, row in sheet.rows)
        if order is None:
            yield Question("order", number, target, column, example)


class MappedTables(NamedTuple):
    """The tables of an upload, and where their rows come from.

    ``sheet_of`` is the number of a table's sheet by the table's label. ``left_out`` are the numbers
    of sheets with the lines of rows that a value leaves out.
    """

    tables: list[TableOfCells]
    sheet_of: dict[str, int]
    left_out: list[tuple[int, int]]


def map_sheets(
    sheets: Sequence[Sheet], mapping: ImportMapping, choices: ChoicesByTarget, today: date
) -> MappedTables:
    """The tables that the sheets stand for: one for each kind and sheet."""
    result = MappedTables([], {}, [])
    for number, (sheet, mapped) in enumerate(zip(sheets, mapping.sheets, strict=True)):
        reader = _SheetReader(sheet, mapped, mapping, choices, today)
        rows = list(reader.read())
        result.left_out.extend((number, line) for line, cells in rows if cells is None)
        kinds = mapped.kinds
        for kind in kinds:
            table = _make_table(kind, sheet, mapped, rows, is_only=len(kinds) == 1)
            result.tables.append(table)
            result.sheet_of[table.file] = number
    return result


@dataclass(frozen=True, slots=True)
class _SheetReader:
    """Reads the rows of a sheet as values by target."""

    sheet: Sheet
    mapped: SheetMapping
    mapping: ImportMapping
    choices: ChoicesByTarget
    today: date

    def read(self) -> Iterator[tuple[int, dict[str, str] | None]]:
        """Each row's values by target; None for a row that one of its values leaves out."""
        orders = [self._order_of(column) for column in range(len(self.mapped.targets))]
        for line, row in self.sheet.rows:
            cells: dict[str, str] | None = dict(self.mapped.fixed)
            for column, target in enumerate(self.mapped.targets):
                if target and cells is not None:
                    text = self._read_cell(target, row[column], orders[column])
                    cells = None if text is None else {**cells, target: text}
            yield line, None if cells is None else _join_name(cells)

    def _order_of(self, column: int) -> DateOrder:
        if not is_date(self.mapped.targets[column]):
            return "month"
        chosen = self.mapped.orders.get(column)
        found, _ = find_order(row[column] for _, row in self.sheet.rows)
        return found or chosen or "month"

    def _read_cell(self, target: str, text: str, order: DateOrder) -> str | None:
        """The value that a text stands for; None if it leaves its row out."""
        if not text:
            return ""
        if target in self.choices:
            value = find_value(self.mapping, self.choices[target], target, text)
            is_left_out = value == LEAVE_OUT or (target == INCLUDED and value == NO)
            return None if is_left_out else value or text
        return read_loose_date(text, order, self.today) if is_date(target) else text


def _join_name(cells: dict[str, str]) -> dict[str, str]:
    """The cells with a name that is joined from its parts."""
    if NAME in cells or not {FIRST_NAME, LAST_NAME} & cells.keys():
        return cells
    parts = (cells.get(FIRST_NAME, ""), cells.get(LAST_NAME, ""))
    return {**cells, NAME: " ".join(filter(None, parts))}


def _make_table(
    kind: str,
    sheet: Sheet,
    mapped: SheetMapping,
    rows: Sequence[tuple[int, dict[str, str] | None]],
    *,
    is_only: bool,
) -> TableOfCells:
    """The rows of one kind. If a sheet has several, a row without a value of its own is none."""
    columns, targets, own = _list_columns(kind, mapped)
    lines: list[tuple[int, list[str]]] = [(0, columns)]
    for line, cells in rows:
        if cells is not None and (is_only or any(map(cells.get, own))):
            lines.append((line, [cells.get(target, "") for target in targets]))
    label = sheet.label if is_only else f"{sheet.label} ({KIND_NAMES[kind].lower()})"
    return TableOfCells(kind, label, lines)


def _list_columns(kind: str, mapped: SheetMapping) -> tuple[list[str], list[str], list[str]]:
    """The columns of a kind's table, their targets, and those that tell whether it has a row."""
    columns, targets, own = [], [], []
    has_days = mapped.has("entries", "days")
    for column in SCHEMAS[kind].columns():
        is_of_days = kind == "entries" and has_days and column in {"date", "hours"}
        if not is_of_days and not mapped.has(kind, column):
            continue
        target = column if column in SHARED else f"{kind}.{column}"
        columns.append(column)
        targets.append(target)
        if column not in SHARED and target not in mapped.fixed:
            own.append(target)
    return columns, targets, own


def signature_of(sheet: Sheet) -> str:
    """What identifies sheets with the same columns: a digest of their names."""
    names = sorted(filter(None, (plain_name(heading) for heading in sheet.heading)))
    return sha256("|".join(names).encode()).hexdigest()


def mapped_headings(sheet: Sheet, mapped: SheetMapping) -> dict[str, Any]:
    """A sheet's mapping by the names of its columns, as it is remembered."""
    names = [plain_name(heading) for heading in sheet.heading]
    orders = {names[column]: order for column, order in mapped.orders.items()}
    targets = dict(zip(names, mapped.targets, strict=True))
    return {
        "targets": targets,
        "fixed": mapped.fixed,
        "orders": orders,
        "left_out": mapped.is_left_out,
    }


def column_title(sheet: Sheet, column: int) -> str:
    """A column's heading, or its number."""
    return sheet.heading[column] or f"Column {column + 1}"
