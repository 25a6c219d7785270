"""Rows of one upload that have the same address and differ: side by side, and what was chosen.

They are one person, or people who share the address, or one of the rows is wrong. An address is
one person, so of people who share one only one can have it; the others need their own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from tracker.importer.cells import parse_email
from tracker.importer.csv_row import CsvRow, format_cell
from tracker.importer.mapping import ImportMapping, value_key
from tracker.importer.reader import ImportedFiles, TableOfCells
from tracker.importer.row_plan import REFUSED, UNCHANGED, PlannedRow
from tracker.importer.schemas import EndorsementRow, MembershipRow, PersonRow, VettingRow
from tracker.services.context import Refusal

# One person, with the name and details of a row; people who share the address, which a row's
# person has; or a row alone, without the others. The row's number follows.
ONE, SHARED, ONLY = "one", "shared", "only"
CHOICES = (ONE, SHARED, ONLY)
OWN = "own-"
# Rows of other kinds that contradict each other have other remedies.
_FACTS = (EndorsementRow, VettingRow, MembershipRow)
_PEOPLE = "people"
# The number of a sheet and of a line in it.
Place = tuple[int, int]


@dataclass(frozen=True)
class ListedVersion:
    """What an upload says with an address: in the first of ``places``, and equally in the others.

    ``label`` names the first place; ``cells`` are its texts by column.
    """

    places: list[Place]
    label: str
    name: str
    cells: dict[str, str]


@dataclass(frozen=True)
class SameAddress:
    """Rows with the same address and different content.

    ``is_person``: names or details of a person differ, and not only facts such as memberships.
    ``on_record`` is the name of the association's person with the address, if there is one;
    ``sheet`` the sheet of all the rows, where that has to be said.
    """

    email: str
    versions: list[ListedVersion]
    is_person: bool
    on_record: str = ""
    sheet: str = ""

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "SameAddress":
        """From the JSON of what `dataclasses.asdict` made."""
        versions = []
        for each in stored["versions"]:
            places = [(sheet, line) for sheet, line in each["places"]]
            versions.append(ListedVersion(**{**each, "places": places}))
        return cls(**{**stored, "versions": versions})

    @property
    def key(self) -> str:
        """What a choice is stored for: this address in these rows."""
        places = [place for version in self.versions for place in version.places]
        return sha256(f"{self.email} {places}".encode()).hexdigest()[:32]

    @property
    def choices(self) -> list[tuple[str, list[str]]]:
        """What can be chosen, with a choice for each version."""
        numbers = range(len(self.versions))
        return [(what, [f"{what}:{number}" for number in numbers]) for what in CHOICES]

    def read_choice(self, choices: Mapping[str, str]) -> tuple[str, int] | None:
        """What was chosen, and the number of the version; None if nothing was."""
        choice = choices.get(self.key, "")
        if not any(choice in possible for _, possible in self.choices):
            return None
        what, _, number = choice.partition(":")
        return what, int(number)

    def field_of(self, number: int) -> str:
        """What the own address of a version's person is stored for, and its field's name."""
        return f"{OWN}{self.key}-{number}"

    @property
    def columns(self) -> list[tuple[str, list[str], bool]]:
        """Each column with every version's text, and whether they differ: those that do first."""
        names = dict.fromkeys(name for version in self.versions for name in version.cells)
        columns = []
        for name in names:
            texts = [version.cells.get(name, "") for version in self.versions]
            if any(texts):
                columns.append((name, texts, len(set(map(value_key, texts))) > 1))
        return sorted(columns, key=lambda column: not column[2])


def find_same_addresses(files: ImportedFiles, sheet_of: Mapping[str, int]) -> list[SameAddress]:
    """The addresses with which several rows say different things.

    ``sheet_of`` is the number of the sheet from which a table comes, by what problems call it.
    """
    people, facts = list[SameAddress](), dict[frozenset[Place], list[CsvRow]]()
    for rows in _list_contradictions(files):
        if isinstance(rows[0], PersonRow):
            people.append(_describe(rows, sheet_of))
        else:
            places = frozenset(_place_of(row, sheet_of) for row in rows)
            facts.setdefault(places, []).extend(rows)
    version_of = _number_versions(people)
    apart = []
    for places, rows in facts.items():
        # Between the rows of different versions, the choice about their person decides.
        if len({version_of.get(place) for place in places}) == 1:
            apart.append(_describe(rows, sheet_of))
    return [*people, *apart]


def _number_versions(found: Iterable[SameAddress]) -> dict[Place, tuple[str, int]]:
    """The address and the number of the version by place."""
    return {
        place: (same.email, number)
        for same in found
        for number, version in enumerate(same.versions)
        for place in version.places
    }


def _list_contradictions(files: ImportedFiles) -> Iterator[list[CsvRow]]:
    """The rows that are about the same thing and of which some differ: all that are about it."""
    again = defaultdict[int, list[CsvRow]](list)
    for row, first in files.repeated:
        again[id(first)].append(row)
    rows_of = dict[int, list[CsvRow]]()
    for row, first in files.contradictions:
        if isinstance(row, (PersonRow, *_FACTS)):
            rows_of.setdefault(id(first), [first, *again[id(first)]]).append(row)
    yield from rows_of.values()


def _describe(rows: Sequence[CsvRow], sheet_of: Mapping[str, int]) -> SameAddress:
    """The different contents of rows, each with all places that have it."""
    by_place = defaultdict[Place, list[CsvRow]](list)
    for row in rows:
        by_place[_place_of(row, sheet_of)].append(row)
    by_content = defaultdict[str, list[Place]](list)
    for place in sorted(by_place):
        # A column that only one of the lists has is a difference, too.
        content = [row.model_dump(exclude_unset=True) for row in by_place[place]]
        by_content[str(content)].append(place)
    versions = []
    for places in by_content.values():
        cells, first = dict[str, str](), by_place[places[0]][0]
        for row in by_place[places[0]]:
            values = row.model_dump(exclude_unset=True, exclude={"email"})
            cells |= {name: format_cell(name, value) for name, value in values.items()}
        name = getattr(first, "name", "")
        versions.append(ListedVersion(places, first.file_and_line, name, cells))
    return SameAddress(rows[0].email, versions, isinstance(rows[0], PersonRow))


def _place_of(row: CsvRow, sheet_of: Mapping[str, int]) -> Place:
    file, line = row.sort_key
    return sheet_of[file], line


def check_own_addresses(same: SameAddress, own: Mapping[str, str]) -> Iterator[Refusal]:
    """What is wrong with the own addresses of people who share one (empty: none given)."""
    for number in range(len(same.versions)):
        field = same.field_of(number)
        try:
            email = parse_email(own[field]) if own.get(field) else ""
        except ValueError:
            yield Refusal(field, "email-invalid")
        else:
            if email == same.email:
                yield Refusal(field, "email-is-first-here")


class ChosenTables(NamedTuple):
    """Tables with what was chosen, and what becomes of the rows that are not in them any more."""

    tables: list[TableOfCells]
    rows: list[PlannedRow]


def apply_choices(
    tables: Sequence[TableOfCells],
    files: ImportedFiles,
    found: Iterable[SameAddress],
    mapping: ImportMapping,
    sheet_of: Mapping[str, int],
) -> ChosenTables | None:
    """Do what was chosen for each address; where nothing was, all rows stay.

    ``files`` are what was read from the tables. Returns None if nothing was chosen.
    """
    chosen = [(same, choice) for same in found if (choice := same.read_choice(mapping.addresses))]
    if not chosen:
        return None
    work = _Chosen(tables, files, sheet_of)
    for same, (what, number) in chosen:
        kept = same.versions[number]
        if what == ONE:
            work.join(same, kept)
        elif what == SHARED:
            work.part(same, kept, mapping.own_addresses)
        else:
            work.keep_only(same, kept)
    return work.result()


class _Line(NamedTuple):
    """A line of a table, with its texts by column."""

    kind: str
    file: str
    line: int
    cells: dict[str, str]


class _Chosen:
    """The lines that are left out of tables, and those that get other cells."""

    def __init__(
        self, tables: Sequence[TableOfCells], files: ImportedFiles, sheet_of: Mapping[str, int]
    ) -> None:
        self._tables = tables
        self._facts = [rows for rows in _list_contradictions(files) if isinstance(rows[0], _FACTS)]
        self._sheet_of = sheet_of
        self._lines = defaultdict[Place, list[_Line]](list)
        for table in tables:
            (_, heading), *lines = table.lines
            for number, cells in lines:
                line = _Line(table.kind, table.file, number, dict(zip(heading, cells, strict=True)))
                self._lines[sheet_of[table.file], number].append(line)
        self._left_out = set[tuple[str, int]]()
        self._rows = list[PlannedRow]()
        self._replaced = list[TableOfCells]()

    def result(self) -> ChosenTables:
        """What is left of the tables."""
        tables = []
        for table in self._tables:
            heading, *lines = table.lines
            lines = [each for each in lines if (table.file, each[0]) not in self._left_out]
            tables.append(table._replace(lines=[heading, *lines]))
        return ChosenTables([*tables, *self._replaced], self._rows)

    def join(self, same: SameAddress, kept: ListedVersion) -> None:
        """Make the rows those of one person."""
        others = [place for each in same.versions if each is not kept for place in each.places]
        if same.is_person:
            self._join_person(same.email, kept, others)
        self._keep_facts(same.email, kept, others)

    def part(self, same: SameAddress, kept: ListedVersion, own: Mapping[str, str]) -> None:
        """Give the address to one person, and the others their own, or refuse them."""
        for number, version in enumerate(same.versions):
            email = own.get(same.field_of(number), "")
            for line in self._list_lines(version.places if version is not kept else ()):
                if email:
                    self._replace(line, {**line.cells, "email": email})
                else:
                    self._leave_out(line, same.email, REFUSED, _describe_shared(kept))

    def keep_only(self, same: SameAddress, kept: ListedVersion) -> None:
        """Leave out all rows but the kept ones."""
        for version in same.versions:
            for line in self._list_lines(version.places if version is not kept else ()):
                reason = f"left out, as you chose: {kept.label} counts"
                self._leave_out(line, same.email, UNCHANGED, reason)

    def _list_lines(self, places: Iterable[Place]) -> list[_Line]:
        return [line for place in places for line in self._lines[place]]

    def _replace(self, line: _Line, cells: Mapping[str, str]) -> None:
        """Put other cells into a line, which can have other columns than its table then."""
        if (line.file, line.line) not in self._left_out:
            self._left_out.add((line.file, line.line))
            lines = [(0, list(cells)), (line.line, list(cells.values()))]
            self._replaced.append(TableOfCells(line.kind, line.file, lines))

    def _leave_out(self, line: _Line, email: str, outcome: str, reason: str) -> None:
        """Leave out a line, unless another choice has done so."""
        if (line.file, line.line) not in self._left_out:
            self._left_out.add((line.file, line.line))
            self._rows.append(PlannedRow(line.kind, line.file, line.line, email, outcome, reason))

    def _join_person(self, email: str, kept: ListedVersion, others: Sequence[Place]) -> None:
        """Make one of a person's lines: the kept one, with what only the others say."""
        first, *again = self._list_people(kept.places)
        cells = dict(first.cells)
        for line in self._list_people(others):
            for column, text in line.cells.items():
                cells[column] = cells.get(column, "") or text
            reason = f"the same person as {kept.label}, whose name and details are kept"
            self._leave_out(line, email, UNCHANGED, reason)
        for line in again:
            self._leave_out(line, email, UNCHANGED, f"the same as {kept.label}")
        self._replace(first, cells)

    def _list_people(self, places: Iterable[Place]) -> list[_Line]:
        return [line for line in self._list_lines(places) if line.kind == _PEOPLE]

    def _keep_facts(self, email: str, kept: ListedVersion, others: Collection[Place]) -> None:
        """Leave out what contradicts the kept rows, such as a membership with another last day."""
        for rows in self._facts:
            at = {row.sort_key: _place_of(row, self._sheet_of) for row in rows}
            if rows[0].email != email or not set(at.values()) & set(kept.places):
                continue
            for (file, _), place in at.items():
                if place in others:
                    [line] = [each for each in self._lines[place] if each.file == file]
                    reason = f"contradicts {kept.label}, which counts, as you chose"
                    self._leave_out(line, email, UNCHANGED, reason)


def _describe_shared(kept: ListedVersion) -> str:
    """What to do about a person who shares the address of another one."""
    name = f"{kept.name} ({kept.label})" if kept.name else f"the person in {kept.label}"
    return (
        f"{name} has this address and signs in with it, and two people need an address each: "
        "write this person's own address into the row, and upload it again. The shared address "
        "can be the second email address."
    )
