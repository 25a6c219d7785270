"""What the columns and values of a sheet probably mean, by their names and by earlier imports."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from tracker.importer.mapping import (
    ChoicesByTarget,
    ImportMapping,
    SheetMapping,
    find_value,
    list_values,
    signature_of,
    value_key,
)
from tracker.importer.schemas import SCHEMAS
from tracker.importer.targets import (
    ASSOCIATION,
    INCLUDED,
    KIND_NAMES,
    KNOWN_TARGETS,
    SHARED,
    VALUE_NAMES,
    generic_names_of,
    hints_of,
    kind_of,
    list_targets,
    names_of,
)
from tracker.importer.workbooks import Sheet
from tracker.plain_text import plain_name

# Of 100. Names of columns are short, so that few letters make another word.
_LEAST_LIKENESS, _LEAST_VALUE_LIKENESS = 88, 85
_EXACT, _HINT = 100, 3
_MOST_VALUES = 60
_ORGANIZATION = "memberships.organization"
_ACTIVITY = "entries.activity"
_RSC_WORDS = {"rsc", "supervision", "consultation"}
# The kinds whose people an association sees.
_JOINING = ("endorsements", "applications", "vetting")
# What every list has, and what is not a column but the same in all rows.
_TELL_NOTHING = {"email", ASSOCIATION, "organization", "activity"}


@dataclass(frozen=True, slots=True)
class Memory:
    """What was answered before: ``sheets`` by their columns, ``headings``, ``values`` by target."""

    sheets: Mapping[str, Mapping[str, Any]]
    headings: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]

    def knows(self, sheets: Sequence[Sheet]) -> bool:
        """Whether sheets with these columns were imported before."""
        return all(signature_of(sheet) in self.sheets for sheet in sheets)


def propose_mapping(
    sheets: Sequence[Sheet], choices: ChoicesByTarget, memory: Memory
) -> ImportMapping:
    """Propose what an upload means. What was answered before goes first."""
    mapping = ImportMapping([_propose_sheet(sheet, choices, memory) for sheet in sheets])
    mapping.values = {target: dict(values) for target, values in memory.values.items()}
    for sheet, mapped in zip(sheets, mapping.sheets, strict=True):
        propose_values(sheet, mapped, mapping, choices)
    return mapping


def propose_values(
    sheet: Sheet, mapped: SheetMapping, mapping: ImportMapping, choices: ChoicesByTarget
) -> None:
    """Propose what the values of a sheet's columns mean, where nobody has said."""
    for column, target in enumerate(mapped.targets):
        if target not in choices or mapped.is_left_out:
            continue
        values = mapping.values.setdefault(target, {})
        for text in list_values(sheet, column)[:_MOST_VALUES]:
            if find_value(mapping, choices[target], target, text) is None:
                proposed = guess_value(text, choices[target])
                if proposed is not None:
                    values[value_key(text)] = proposed


def _propose_sheet(sheet: Sheet, choices: ChoicesByTarget, memory: Memory) -> SheetMapping:
    remembered = memory.sheets.get(signature_of(sheet))
    names = [plain_name(heading) for heading in sheet.heading]
    if remembered is not None:
        targets = [_known(remembered["targets"].get(name, "")) for name in names]
        orders = {names.index(n): each for n, each in remembered["orders"].items() if n in names}
        return SheetMapping(targets, dict(remembered["fixed"]), orders, remembered["left_out"])
    documented = _find_documented(sheet)
    if documented is not None:
        return SheetMapping(documented)
    likely = [_guess_target(name, memory) for name in names]
    main = _choose_kind(sheet, names, likely)
    targets = _resolve(names, likely, main)
    _drop_doubtful_filter(sheet, targets, choices)
    mapped = SheetMapping(targets)
    _drop_incomplete_kinds(mapped, main)
    mapped.fixed |= _propose_fixed(sheet, mapped, choices)
    mapped.is_left_out = not mapped.kinds
    return mapped


def _find_documented(sheet: Sheet) -> list[str] | None:
    """The targets of a sheet with the columns of a documented file."""
    columns = [heading.strip().lower() for heading in sheet.heading]
    for kind in sorted(KIND_NAMES, key=lambda each: not _has_hint(sheet, each)):
        required, known = SCHEMAS[kind].required_columns(), SCHEMAS[kind].columns()
        if set(required) <= set(columns) <= set(known):
            return [column if column in SHARED else f"{kind}.{column}" for column in columns]
    return None


def _known(target: str) -> str:
    return target if target in KNOWN_TARGETS else ""


def _guess_target(name: str, memory: Memory) -> str:
    """The target that a heading names, whatever the sheet is about; empty if none does."""
    if not name:
        return ""
    if _known(memory.headings.get(name, "")):
        return memory.headings[name]
    best, likeness = "", float(_LEAST_LIKENESS)
    for _, targets in list_targets():
        for target in targets:
            for known in _specific_names(target):
                found = _EXACT + 1 if known == name else _compare_names(known, name)
                if found > likeness:
                    best, likeness = target, found
    return best


def _compare_names(known: str, name: str) -> float:
    """How alike two names are, of 100; the order of their words matters little."""
    return max(fuzz.ratio(known, name), fuzz.token_sort_ratio(known, name))


def _specific_names(target: str) -> Iterator[str]:
    """The names that mean a target in every sheet, and not in those of one kind alone."""
    own = names_of(target)
    # The last one is the column's own name, which several kinds can have.
    *special, column = own
    yield from special
    kinds = [kind for kind in KIND_NAMES if column.replace(" ", "_") in SCHEMAS[kind].columns()]
    if len(kinds) == 1 or column in SHARED:
        yield column


def _choose_kind(sheet: Sheet, names: Sequence[str], likely: Sequence[str]) -> str:
    """The kind that the sheet is mainly about, besides people."""
    best, most = "", 0
    for kind in KIND_NAMES:
        if kind == "people":
            continue
        given = set(_resolve(names, likely, kind))
        if not _is_complete(kind, given):
            continue
        named = sum(kind_of(target) == kind for target in likely)
        resolved = sum(kind_of(target) == kind for target in given)
        hinted = _has_hint(sheet, kind)
        needed = set(SCHEMAS[kind].required_columns()) - _TELL_NOTHING
        found = named + resolved + _HINT * hinted
        # A day beside a name says too little: a list of contacts vets nobody.
        if found > most and (named or hinted or len(needed) > 1):
            best, most = kind, found
    return best


def _is_complete(kind: str, given: Collection[str]) -> bool:
    return all(_is_given(kind, column, given) for column in SCHEMAS[kind].required_columns())


def _is_given(kind: str, column: str, given: Collection[str]) -> bool:
    if column in {ASSOCIATION, "organization", "activity"}:
        return True
    return column in given if column in SHARED else f"{kind}.{column}" in given


def _has_hint(sheet: Sheet, kind: str) -> bool:
    words = plain_name(f"{sheet.file.rpartition('.')[0]} {sheet.name}").split()
    return any(hint in words for hint in hints_of(kind))


def _resolve(names: Sequence[str], likely: Sequence[str], main: str) -> list[str]:
    """Each column's target, once; names that any kind may have are those of the main one."""
    targets = list[str]()
    for name, target in zip(names, likely, strict=True):
        resolved = _resolve_one(name, target, main)
        targets.append("" if resolved in targets else resolved)
    return targets


def _resolve_one(name: str, target: str, main: str) -> str:
    if target or not main or not name:
        return target
    for column in SCHEMAS[main].columns():
        if column not in SHARED and name in generic_names_of(column):
            return f"{main}.{column}"
    return ""


def _drop_doubtful_filter(sheet: Sheet, targets: list[str], choices: ChoicesByTarget) -> None:
    """Let a column decide which rows count only if all of its values are understood."""
    if INCLUDED in targets:
        column = targets.index(INCLUDED)
        values = list_values(sheet, column)
        if not values or None in [guess_value(text, choices[INCLUDED]) for text in values]:
            targets[column] = ""


def _drop_incomplete_kinds(mapped: SheetMapping, main: str) -> None:
    """Propose no kind besides the main one that lacks what it needs.

    A list of memberships or hours is no source of names: people come with lists that make them an
    association's.
    """
    for kind in mapped.kinds:
        needed = set(SCHEMAS[kind].required_columns()) - {ASSOCIATION, "organization"}
        is_complete = all(mapped.has(kind, column) for column in needed)
        is_wanted = kind != "people" or main in {"", *_JOINING}
        if kind != main and not (is_complete and is_wanted):
            mapped.targets = ["" if kind_of(each) == kind else each for each in mapped.targets]


def _propose_fixed(sheet: Sheet, mapped: SheetMapping, choices: ChoicesByTarget) -> dict[str, str]:
    """What all rows have, where no column says it."""
    [association] = choices[ASSOCIATION]
    words = set(plain_name(f"{sheet.file} {sheet.name}").split())
    is_for_association = any(ASSOCIATION in SCHEMAS[kind].columns() for kind in mapped.kinds)
    possible = {
        ASSOCIATION: association if is_for_association else "",
        _ORGANIZATION: association if association in choices[_ORGANIZATION] else "",
        _ACTIVITY: "rsc" if words & _RSC_WORDS else "training",
    }
    fixed = dict[str, str]()
    for target, value in possible.items():
        is_needed = kind_of(target) in {"", *mapped.kinds}
        if value and is_needed and target not in mapped.targets:
            fixed[target] = value
    return fixed


def guess_value(text: str, choices: Mapping[str, str]) -> str | None:
    """The value that a text probably means; None if nothing is like it."""
    name = plain_name(text)
    best, likeness = None, float(_LEAST_VALUE_LIKENESS)
    for value, label in choices.items():
        # Labels are "IFS, Infant Family Specialist" where the value is a short name.
        words = plain_name(label.partition(", ")[2] or label)
        short = plain_name(value)
        if name in {short, words, *VALUE_NAMES.get(value, ())}:
            return value
        found = max(fuzz.token_sort_ratio(words, name), fuzz.token_sort_ratio(short, name))
        if short in name.split() and len(short) > 1:
            found = max(found, _LEAST_VALUE_LIKENESS + 1.0)
        if found > likeness:
            best, likeness = value, found
    return best
