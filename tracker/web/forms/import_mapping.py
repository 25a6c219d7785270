"""The form that says what the columns and values of uploaded sheets mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from starlette.datastructures import FormData

from tracker.formatting import format_date, format_list
from tracker.importer.loose_dates import DateOrder, read_loose_date
from tracker.importer.mapping import (
    ChoicesByTarget,
    ImportMapping,
    Question,
    SheetMapping,
    column_title,
    find_value,
    list_values,
    value_key,
)
from tracker.importer.proposals import propose_values
from tracker.importer.targets import (
    ASSOCIATION,
    KIND_NAMES,
    KNOWN_TARGETS,
    LEAVE_OUT,
    describe,
    is_date,
    label_of,
    list_targets,
)
from tracker.importer.workbooks import Sheet
from tracker.web.forms.body import text_of

# A column with more different values than this is something else than what was chosen.
_MOST_VALUES = 60
_EXAMPLES = 3
_LONGEST_EXAMPLE = 60
_ORDERS: tuple[DateOrder, DateOrder] = ("month", "day")


class ValueField(NamedTuple):
    """What a text of a column means: the field's name, and the chosen value (empty: none)."""

    name: str
    text: str
    chosen: str


class OrderField(NamedTuple):
    """Whether the month or the day comes first in a column: an example, read both ways."""

    name: str
    example: str
    chosen: str
    month_first: str
    day_first: str


class ColumnField(NamedTuple):
    """A column of a sheet: what it means, and what its values mean if it has certain ones."""

    name: str
    title: str
    examples: str
    target: str
    values: list[ValueField]
    choices: Mapping[str, str]
    order: OrderField | None


class FixedField(NamedTuple):
    """What all rows of a sheet have in a target that no column gives."""

    name: str
    label: str
    chosen: str
    choices: Mapping[str, str]


class SheetFields(NamedTuple):
    """A sheet with the fields for its columns."""

    name: str
    label: str
    rows: int
    kinds: str
    is_left_out: bool
    columns: list[ColumnField]
    fixed: list[FixedField]


def target_options() -> list[tuple[str, list[tuple[str, str]]]]:
    """What a column can mean, in groups with their names."""
    groups = []
    for kind, targets in list_targets():
        options = [(target, label_of(target)) for target in targets]
        groups.append((KIND_NAMES.get(kind, "Every list"), options))
    return groups


@dataclass(frozen=True, slots=True)
class MappingForm:
    """What the form is made of: the sheets, what they mean so far, and what is still asked.

    ``choices`` are the values of targets that have only certain ones.
    """

    sheets: Sequence[Sheet]
    mapping: ImportMapping
    choices: ChoicesByTarget
    questions: Sequence[Question]
    today: date


def build_fields(form: MappingForm) -> list[SheetFields]:
    """The fields for every sheet, as the mapping has them."""
    fields = []
    for number, (sheet, mapped) in enumerate(zip(form.sheets, form.mapping.sheets, strict=True)):
        columns = range(len(sheet.heading))
        fields.append(
            SheetFields(
                name=f"x-{number}",
                label=sheet.label,
                rows=len(sheet.rows),
                kinds=format_list([KIND_NAMES[kind].lower() for kind in mapped.kinds]),
                is_left_out=mapped.is_left_out,
                columns=[_build_column(form, number, column) for column in columns],
                fixed=list(_build_fixed(form, number)),
            )
        )
    return fields


def _build_column(form: MappingForm, number: int, column: int) -> ColumnField:
    sheet, mapped = form.sheets[number], form.mapping.sheets[number]
    target, texts = mapped.targets[column], list_values(sheet, column)
    examples = [text[:_LONGEST_EXAMPLE] for text in texts[:_EXAMPLES]]
    return ColumnField(
        name=f"c-{number}-{column}",
        title=column_title(sheet, column),
        examples=", ".join(examples),
        target=target,
        values=_build_values(form, number, column, texts),
        choices=form.choices.get(target, {}),
        order=_find_order_field(form, number, column),
    )


def _build_values(
    form: MappingForm, number: int, column: int, texts: Sequence[str]
) -> list[ValueField]:
    """The fields for the texts that are not the values themselves."""
    target = form.mapping.sheets[number].targets[column]
    if target not in form.choices or len(texts) > _MOST_VALUES:
        return []
    choices = form.choices[target]
    known = {value.casefold() for value in choices}
    fields = []
    for place, text in enumerate(texts):
        if value_key(text) not in known:
            chosen = find_value(form.mapping, choices, target, text) or ""
            fields.append(ValueField(f"v-{number}-{column}-{place}", text, chosen))
    return fields


def _find_order_field(form: MappingForm, number: int, column: int) -> OrderField | None:
    """The question for the order of a column's dates, if it is asked or was answered."""
    mapped = form.mapping.sheets[number]
    name, chosen = f"o-{number}-{column}", mapped.orders.get(column, "")
    for question in form.questions:
        if (question.what, question.sheet, question.column) == ("order", number, column):
            return _build_order(name, question.text, chosen, form.today)
    if chosen and is_date(mapped.targets[column]):
        return _build_order(name, _find_example(form.sheets[number], column), chosen, form.today)
    return None


def _find_example(sheet: Sheet, column: int) -> str:
    return next((row[column] for _, row in sheet.rows if row[column]), "")


def _build_order(name: str, example: str, chosen: str, today: date) -> OrderField:
    month, day = (_format_reading(example, order, today) for order in _ORDERS)
    return OrderField(name, example, chosen, month, day)


def _format_reading(example: str, order: DateOrder, today: date) -> str:
    try:
        return format_date(date.fromisoformat(read_loose_date(example, order, today)))
    except ValueError:
        return "no date"


def _build_fixed(form: MappingForm, number: int) -> Iterator[FixedField]:
    """Targets with certain values that no column gives: those that are set or missing."""
    fixed = form.mapping.sheets[number].fixed
    own = [question for question in form.questions if question.sheet == number]
    missing = [question.target for question in own if question.what == "missing"]
    for target in dict.fromkeys([*fixed, *missing]):
        if target in form.choices and target != ASSOCIATION:
            name, chosen = f"f-{number}-{target}", fixed.get(target, "")
            yield FixedField(name, describe(target), chosen, form.choices[target])


def parse_mapping(
    typed: FormData, sheets: Sequence[Sheet], before: ImportMapping, choices: ChoicesByTarget
) -> ImportMapping:
    """The mapping that a form says; what it does not ask stays as it was."""
    values = {target: dict(texts) for target, texts in before.values.items()}
    mapping = replace(before, sheets=[], values=values)
    for number, (sheet, stored) in enumerate(zip(sheets, before.sheets, strict=True)):
        mapped = _parse_sheet(typed, number, len(sheet.heading), choices)
        mapping.sheets.append(mapped)
        for column, target in enumerate(mapped.targets):
            # The values of another meaning were not asked.
            if target in choices and target == stored.targets[column]:
                said = _parse_values(typed, f"v-{number}-{column}", list_values(sheet, column))
                valid = {*choices[target], LEAVE_OUT}
                chosen = {key: value for key, value in said.items() if value in valid}
                mapping.values.setdefault(target, {}).update(chosen)
    for sheet, mapped in zip(sheets, mapping.sheets, strict=True):
        propose_values(sheet, mapped, mapping, choices)
    return mapping


def _parse_sheet(
    typed: FormData, number: int, columns: int, choices: ChoicesByTarget
) -> SheetMapping:
    targets = [text_of(typed, f"c-{number}-{column}") for column in range(columns)]
    targets = [target if target in KNOWN_TARGETS else "" for target in targets]
    mapped = SheetMapping(targets, is_left_out=bool(typed.get(f"x-{number}")))
    mapped.orders = dict(_parse_orders(typed, number, targets))
    for target, values in choices.items():
        value = text_of(typed, f"f-{number}-{target}")
        if value in values and target not in targets:
            mapped.fixed[target] = value
    if ASSOCIATION not in targets and mapped.kinds:
        [mapped.fixed[ASSOCIATION]] = choices[ASSOCIATION]
    return mapped


def _parse_orders(
    typed: FormData, number: int, targets: Sequence[str]
) -> Iterator[tuple[int, DateOrder]]:
    """Which comes first in the dates of columns, where it was chosen."""
    for column, target in enumerate(targets):
        chosen = text_of(typed, f"o-{number}-{column}")
        for order in _ORDERS:
            if is_date(target) and order == chosen:
                yield column, order


def _parse_values(typed: FormData, name: str, texts: Sequence[str]) -> dict[str, str]:
    """What was chosen for the values of a column."""
    numbered = enumerate(texts[:_MOST_VALUES])
    return {value_key(text): text_of(typed, f"{name}-{place}") for place, text in numbered}


def describe_question(
    question: Question, sheets: Sequence[Sheet], choices: ChoicesByTarget
) -> tuple[str, str]:
    """A question as (id of the field, sentence)."""
    sheet, target = question.sheet, question.target
    place = f" in {sheets[sheet].label}" if len(sheets) > 1 else ""
    match question.what:
        case "missing":
            field = f"f-{sheet}-{target}" if target in choices else f"c-{sheet}-0"
            return field, f"Choose the column for \u201c{describe(target)}\u201d{place}"
        case "twice":
            title = describe(target)
            return f"c-{sheet}-{question.column}", f"Choose only one column for \u201c{title}\u201d"
        case "order":
            return (
                f"o-{sheet}-{question.column}",
                f"Choose whether the month or the day comes first in {question.text}",
            )
        case "value":
            return _describe_unknown_value(question, sheets[sheet])
    return f"c-{sheet}-0", f"Choose what the columns mean{place}, or leave the sheet out"


def _describe_unknown_value(question: Question, sheet: Sheet) -> tuple[str, str]:
    number, column = question.sheet, int(question.column or 0)
    texts = list_values(sheet, column)
    title = describe(question.target)
    if len(texts) > _MOST_VALUES:
        field = f"c-{number}-{column}"
        return field, f"\u201c{column_title(sheet, column)}\u201d can\u2019t be \u201c{title}\u201d"
    place = texts.index(question.text)
    sentence = f"Choose what \u201c{question.text}\u201d means for \u201c{title}\u201d"
    return f"v-{number}-{column}-{place}", sentence
