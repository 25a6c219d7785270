"""New people in a list who may be known by another address, and addresses with another name."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

from rapidfuzz import fuzz
from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.statements import in_chunks
from tracker.formatting import format_list
from tracker.importer.csv_row import PERSON_COLUMNS, CsvRow
from tracker.importer.reader import ImportedFiles, TableOfCells
from tracker.importer.schemas import SHARED_ADDRESS, PersonRow
from tracker.plain_text import plain_name

# Of 100: "Alicia Moreno" and "Alice Moreno" are as alike as this.
_LEAST_LIKENESS = 86
# A word that more people have tells nothing alone.
_MOST_IN_COMMON, _MOST_WORDS = 40, 5
# What was decided about an address: another person; the person with another address, who keeps
# that one; or that person, who has this address from now on.
OTHER, _KEEP, _MOVE = "other", "keep:", "move:"
LOOK_ALIKE = "look-alike"
_PREVIOUS = "previous_email"
_BATCH = 500
Why = Literal["name", "second address", "list", "another name"]


class LookAlike(NamedTuple):
    """A person of a list beside one who may be the same.

    ``is_stored``: the other one is here already; otherwise in another row. ``held`` is what the
    stored one has at the association. For "another name" both have the same address.
    """

    email: str
    name: str
    place: str
    other_email: str
    other_name: str
    why: Why
    is_stored: bool = True
    held: str = ""

    @property
    def decisions(self) -> list[str]:
        """What can be decided, the same person first."""
        if self.why == "another name":
            return [f"{_KEEP}{self.email}", OTHER]
        same = [f"{_KEEP}{self.other_email}"]
        if self.is_stored:
            same.append(f"{_MOVE}{self.other_email}")
        return [*same, OTHER]


@dataclass
class _Known:
    """People by address, and by what two spellings of one name have in common.

    That is a word that few others have, or two words, or how all words begin: to compare everybody
    with everybody would take minutes.
    """

    names: dict[str, str] = field(default_factory=dict)
    _sorted: dict[str, str] = field(default_factory=dict)
    _by_part: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, email: str, name: str) -> None:
        self.names[email] = name
        words = _sorted_words(name)
        self._sorted[email] = " ".join(words)
        for part in _list_parts(words):
            self._by_part[part].append(email)

    def find(self, email: str, name: str) -> str | None:
        """The address of the person with the most similar name; None if none is similar."""
        words = _sorted_words(name)
        candidates = set[str]()
        for part in _list_parts(words):
            found = self._by_part.get(part, ())
            if len(found) <= _MOST_IN_COMMON or part not in words:
                candidates.update(found)
        own = " ".join(words)
        best, likeness = None, float(_LEAST_LIKENESS)
        for candidate in sorted(candidates - {email}):
            alike = fuzz.ratio(own, self._sorted[candidate], score_cutoff=likeness)
            if alike > likeness or (alike == likeness and best is None):
                best, likeness = candidate, alike
        return best


def _sorted_words(name: str) -> list[str]:
    return sorted(plain_name(name).split())


def _list_parts(words: Sequence[str]) -> Iterator[str]:
    """What is compared of a name: each word, each two words, and how all words begin."""
    yield from words
    for first, second in combinations(words[:_MOST_WORDS], 2):
        yield f"{first} {second}"
    yield "".join(f"{word[:2]}-" for word in words)


def find_look_alikes(
    session: Session, association: str, rows: Iterable[PersonRow]
) -> list[LookAlike]:
    """The people of a list who may be somebody else than their address says.

    They are compared with the association's people, and with each other.
    """
    people = _load_people(session, association)
    stored, listed, by_second = _Known(), _Known(), dict[str, str]()
    for person in people.values():
        stored.add(person.email, person.name)
        if person.second_email:
            by_second[person.second_email.lower()] = person.email
    held = _describe_held(session, association, people)
    found = []
    for row in rows:
        if row.previous_email:
            continue
        look_alike = _compare(row, stored, listed, by_second)
        listed.add(row.email, row.name)
        if look_alike is not None:
            found.append(look_alike._replace(held=held.get(look_alike.other_email, "")))
    known_elsewhere = _find_known(session, [each.email for each in found])
    return [
        each for each in found if each.why == "another name" or each.email not in known_elsewhere
    ]


def _compare(
    row: PersonRow, stored: _Known, listed: _Known, by_second: Mapping[str, str]
) -> LookAlike | None:
    email, name, place = row.email, row.name, row.file_and_line
    if email in stored.names:
        before = stored.names[email]
        if _have_common_word(before, name):
            return None
        return LookAlike(email, name, place, email, before, "another name")
    if email in by_second:
        other = by_second[email]
        return LookAlike(email, name, place, other, stored.names[other], "second address")
    if (alike := stored.find(email, name)) is not None:
        return LookAlike(email, name, place, alike, stored.names[alike], "name")
    if (alike := listed.find(email, name)) is not None:
        return LookAlike(email, name, place, alike, listed.names[alike], "list", is_stored=False)
    return None


def _load_people(session: Session, association: str) -> dict[int, Person]:
    """The association's people, by id."""
    people = dict[int, Person]()
    tables: tuple[Any, ...] = (Endorsement, Application, Vetting)
    for table in tables:
        belonging = select(table.person_id).where(table.association == association)
        for person in session.exec(select(Person).where(col(Person.id).in_(belonging))):
            people[person.id] = person
    return people


def list_own_names(session: Session, association: str) -> dict[str, str]:
    """The names of the association's people, by address."""
    people = _load_people(session, association)
    return {person.email: person.name for person in people.values()}


def _describe_held(
    session: Session, association: str, people: Mapping[int, Person]
) -> dict[str, str]:
    """The categories that people hold, or held, by address."""
    held = defaultdict[str, list[str]](list)
    query = select(Endorsement).where(Endorsement.association == association)
    for endorsement in session.exec(query.order_by(col(Endorsement.starts_on))):
        held[people[endorsement.person_id].email].append(endorsement.category)
    return {email: format_list(list(dict.fromkeys(each))) for email, each in held.items()}


def _find_known(session: Session, emails: Sequence[str]) -> set[str]:
    """The addresses of people who are here, at any association."""
    return set(session.exec(select(Person.email).where(col(Person.email).in_(emails))))


def note_undecided(
    files: ImportedFiles, look_alikes: Iterable[LookAlike], decisions: Mapping[str, str]
) -> None:
    """Leave out people until it is decided who they are, and those with another's address.

    All their rows are left out: the address may be somebody else's, who is stored.
    """
    by_email = defaultdict[str, list[CsvRow]](list)
    for row in files.rows_of(CsvRow):
        by_email[row.email].append(row)
    for each in look_alikes:
        decision, message = decisions.get(each.email), ""
        if decision not in each.decisions:
            message = f"may be {each.other_name} <{each.other_email}>: choose whether they are"
        elif each.why == "another name" and decision == OTHER:
            message = (
                f"is the address of {each.other_name}: two people need an address each, because "
                "they sign in with it"
            )
        if message:
            code = LOOK_ALIKE if decision not in each.decisions else ""
            problems = [row.problem("email", message) for row in by_email[each.email]]
            files.problems += [replace(problem, code=code) for problem in problems]


def note_other_people(
    session: Session, files: ImportedFiles, association: str, sheet_of: Mapping[str, int]
) -> None:
    """Leave out what belongs to people who have the address of somebody with another name.

    That is somebody in another row of the upload, or of another association. ``sheet_of`` is the
    number of the sheet from which a table comes, by what problems call the table.
    """
    shared = {
        (sheet_of[problem.file], problem.line): problem.message
        for problem in files.problems
        if problem.code == SHARED_ADDRESS
    }
    foreign = _list_foreign_names(session, files, association)
    rows = [*files.rows_of(CsvRow), *(row for row, _ in files.repeated)]
    for row in rows:
        file, line = row.sort_key
        if message := shared.get((sheet_of[file], line)) or foreign.get(row.email):
            files.problems.append(row.problem("email", message))


def _list_foreign_names(session: Session, files: ImportedFiles, association: str) -> dict[str, str]:
    """Why people of other associations are not meant, by address. It does not tell their names."""
    listed = {row.email: row.name for row in files.rows_of(PersonRow) if not row.previous_email}
    own = list_own_names(session, association)
    message = "is the address of someone with another name: check the address"
    columns = select(Person.email, Person.name)
    foreign = dict[str, str]()
    for emails in in_chunks(sorted(listed.keys() - own.keys()), _BATCH):
        for email, name in session.exec(columns.where(col(Person.email).in_(emails))):
            if not _have_common_word(name, listed[email]):
                foreign[email] = message
    return foreign


def _have_common_word(first: str, second: str) -> bool:
    return bool(set(plain_name(first).split()) & set(plain_name(second).split()))


def apply_decisions(
    tables: Iterable[TableOfCells], decisions: Mapping[str, str]
) -> Iterator[TableOfCells]:
    """The tables with the addresses that were decided for people."""
    kept, moved = dict[str, str](), dict[str, str]()
    for email, decision in decisions.items():
        if decision.startswith(_KEEP):
            kept[email] = decision.removeprefix(_KEEP)
        elif decision.startswith(_MOVE):
            moved[email] = decision.removeprefix(_MOVE)
    for table in tables:
        replaced = list(_replace_emails(table, kept))
        if table.kind == "people" and moved:
            replaced = list(_add_previous(replaced, moved))
        yield table._replace(lines=replaced)


def _replace_emails(
    table: TableOfCells, kept: Mapping[str, str]
) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table with the addresses that people keep."""
    (line, heading), *rows = table.lines
    columns = [heading.index(column) for column in PERSON_COLUMNS if column in heading]
    yield line, heading
    for number, cells in rows:
        new = list(cells)
        for column in columns:
            new[column] = kept.get(_as_key(cells[column]), cells[column])
        yield number, new


def _add_previous(
    lines: Sequence[tuple[int, list[str]]], moved: Mapping[str, str]
) -> Iterator[tuple[int, list[str]]]:
    """The lines of people with the addresses that they had before."""
    (line, heading), *rows = lines
    if _PREVIOUS not in heading:
        heading = [*heading, _PREVIOUS]
        rows = [(number, [*cells, ""]) for number, cells in rows]
    email, previous = heading.index("email"), heading.index(_PREVIOUS)
    yield line, heading
    for number, cells in rows:
        new = list(cells)
        new[previous] = moved.get(_as_key(cells[email]), cells[previous])
        yield number, new


def _as_key(cell: str) -> str:
    return cell.strip().lower()
