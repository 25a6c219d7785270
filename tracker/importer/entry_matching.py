"""Which stored entries the new rows of entries.csv are about."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tracker.formatting import format_hours
from tracker.importer.entry_rows import ImportedEntry, entry_of
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import EntryRow
from tracker.plain_text import normalize_text, plain_name
from tracker.rules.explain import LoggedEntry
from tracker.services.entry_rules import EntryInput

# The code of the problem that a row may be about a stored session.
SIMILAR_ENTRY = "similar-entry"
# Person, day, activity, minutes.
_Session = tuple[int, date, str, int]
# Ids of entries by what they have in common.
_Index = dict[tuple[Any, ...], list[int]]


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A stored entry; ``provider`` is the name of its provider if that is a person."""

    entry: LoggedEntry
    provider: str | None


@dataclass
class EntryMatches:
    """What the new rows are about.

    ``recognized`` rows are about a stored entry, which stays as it is. ``linked`` rows are too,
    and have the address of a provider of whom the entry has at most a name. ``similar`` rows are
    among the ``others``: they may be about a stored entry, and nobody has decided. ``unmatched``
    rows are said to be about a stored entry, and there is none.
    """

    recognized: list[tuple[ImportedEntry, int]] = field(default_factory=list)
    linked: list[tuple[ImportedEntry, LoggedEntry]] = field(default_factory=list)
    others: list[ImportedEntry] = field(default_factory=list)
    similar: list[tuple[EntryRow, LoggedEntry]] = field(default_factory=list)
    unmatched: list[EntryRow] = field(default_factory=list)


@dataclass
class EntryMatcher:
    """Finds the stored entry that each new row is about. Each entry is that of one row.

    ``person_ids`` and ``names`` are by address. ``decision`` is for similar
    rows that have none.
    """

    entries: Iterable[StoredEntry]
    person_ids: Mapping[str, int]
    names: Mapping[str, str]
    decision: str | None = None
    _free: dict[int, LoggedEntry] = field(default_factory=dict)
    _by_content: _Index = field(default_factory=lambda: defaultdict(list))
    _by_likeness: _Index = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Index the entries."""
        for stored in self.entries:
            entry = stored.entry
            self._free[entry.id] = entry
            for content in _contents_of(stored):
                self._by_content[content].append(entry.id)
            for likeness in _likenesses_of(entry.person_id, entry):
                self._by_likeness[likeness].append(entry.id)

    def match(self, rows: Iterable[ImportedEntry]) -> EntryMatches:
        """Match exact content first, then the provider's name, then what is only similar."""
        matches = EntryMatches()
        unequal = []
        for imported in rows:
            entries = self._list_free(self._by_content, [self._content_of(imported.row)])
            if entries:
                self._settle(imported, entries[0], matches)
            else:
                unequal.append(imported)
        for imported in unequal:
            self._match_similar(imported, matches)
        for imported in matches.others:
            entries = self._list_similar(imported.row)
            if entries and self._decision_on(imported.row) is None:
                matches.similar.append((imported.row, entries[0]))
        return matches

    def _match_similar(self, imported: ImportedEntry, matches: EntryMatches) -> None:
        """Match a row by the name of its provider, or as it was decided."""
        row, decision = imported.row, self._decision_on(imported.row)
        entries = [] if decision == "new" else self._list_similar(row)
        named = [each for each in entries if self._names_provider(each, row)]
        if named:
            self._settle(imported, named[0], matches)
        elif entries and decision == "same":
            self._settle(imported, entries[0], matches)
        else:
            matches.others.append(imported)
            if row.similar == "same":
                matches.unmatched.append(row)

    def _decision_on(self, row: EntryRow) -> str | None:
        return row.similar or self.decision

    def _settle(self, imported: ImportedEntry, entry: LoggedEntry, matches: EntryMatches) -> None:
        """The row is about this entry, which therefore is that of no other row."""
        del self._free[entry.id]
        lacks_provider = imported.row.provider_email and entry.provider_id is None
        if lacks_provider and imported.row.activity == entry.activity:
            matches.linked.append((imported, entry))
        else:
            matches.recognized.append((imported, entry.id))

    def _names_provider(self, entry: LoggedEntry, row: EntryRow) -> bool:
        """Whether the entry has the name of the provider whose address the row has."""
        name = plain_name(self.names.get(row.provider_email or "", ""))
        same_session = (entry.held_on, entry.minutes) == (row.date, row.hours)
        return bool(name) and same_session and name == plain_name(entry.provider_name or "")

    def _list_similar(self, row: EntryRow) -> list[LoggedEntry]:
        likenesses = _likenesses_of(*self._entry_of(row))
        return self._list_free(self._by_likeness, likenesses)

    def _list_free(self, index: _Index, keys: Iterable[tuple[Any, ...]]) -> list[LoggedEntry]:
        ids = [each for key in keys for each in index.get(key, ())]
        return [self._free[each] for each in ids if each in self._free]

    def _entry_of(self, row: EntryRow) -> tuple[int, EntryInput]:
        return self.person_ids.get(row.email, 0), entry_of(row, self.person_ids)

    def _content_of(self, row: EntryRow) -> tuple[Any, ...]:
        person_id, entry = self._entry_of(row)
        provider = entry.provider_name if entry.provider_id is None else entry.provider_id
        return _content(person_id, entry, provider)


def _contents_of(stored: StoredEntry) -> Iterator[tuple[Any, ...]]:
    """A stored entry's content with the provider's name, and with the address."""
    entry = stored.entry
    yield _content(entry.person_id, entry, stored.provider or entry.provider_name)
    if entry.provider_id is not None:
        yield _content(entry.person_id, entry, entry.provider_id)


def _content(
    person_id: int, entry: EntryInput | LoggedEntry, provider: int | str | None
) -> tuple[Any, ...]:
    """What two entries have in common if they are about the same session."""
    session = (*_session_of(person_id, entry), normalize_text(entry.title))
    topics = tuple(sorted(entry.topics.items()))
    if isinstance(provider, str):
        provider = normalize_text(provider)
    reference = normalize_text(entry.reference or "")
    return (*session, entry.format, _without_zeros(reference) or reference, topics, provider)


def _session_of(person_id: int, entry: EntryInput | LoggedEntry) -> _Session:
    return (person_id, entry.held_on, entry.activity, entry.minutes)


def _likenesses_of(person_id: int, entry: EntryInput | LoggedEntry) -> list[tuple[Any, ...]]:
    """Entries that share one of these may be about one session."""
    keys: list[tuple[Any, ...]] = [_session_of(person_id, entry)]
    if number := _without_zeros(normalize_text(entry.reference or "")):
        keys.append((person_id, number))
    return keys


def _without_zeros(reference: str) -> str | None:
    """A number without the leading zeros that spreadsheets drop; None for any other text."""
    is_number = reference.isascii() and reference.isdigit()
    return (reference.lstrip("0") or "0") if is_number else None


def check_similar_rows(matches: EntryMatches) -> Iterator[ImportProblem]:
    """Rows that may be about a stored session want a decision."""
    for row, entry in matches.similar:
        details = [entry.held_on.isoformat(), entry.activity, f"{format_hours(entry.minutes)} h"]
        if entry.reference:
            details.append(f"reference {entry.reference}")
        message = (
            f'looks like a stored session ({", ".join(details)}, "{entry.title}"): write same in a '
            "column similar if it is that session, or new if it is another one, or decide for all "
            "rows with --similar"
        )
        yield replace(row.problem("title", message), code=SIMILAR_ENTRY)
    for row in matches.unmatched:
        message = (
            "no stored session of the person has this day, activity, and length: write new, or "
            "leave it empty"
        )
        yield row.problem("similar", message)
