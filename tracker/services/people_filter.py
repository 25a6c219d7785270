"""Filters, counts, and sorts the list of people. Pure: rows in, rows out.

The options chosen in one facet are alternatives; facets narrow each other down. The count of an
option is how many rows it would show, given what is chosen in the other facets.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from tracker.plain_text import plain_name, starts_words
from tracker.services.evaluation import StoredResult
from tracker.services.people_list import STATUSES, People, PeopleRow, WantsProvider

MAX_QUERY_LENGTH = 2_000
# Of the address, more than anybody clicks.
_MOST_CHOSEN = 40
_SOON, _LATER = timedelta(days=30), timedelta(days=90)
_TEXT, _SORT = "q", "sort"
BOUNCED, NEVER_SIGNED_IN = "bounced", "never"


class Facet(StrEnum):
    """What the list can be filtered by; the value is the parameter in the address."""

    STAGE = "stage"
    STATUS = "status"
    CATEGORY = "category"
    MISSING = "missing"
    DUE = "due"
    FLAG = "flag"
    MARK = "mark"
    PROVIDER = "provider"


# To go through an enumeration takes five times as long as through a tuple.
_FACETS = tuple(Facet)


class Sort(StrEnum):
    """The orders of the list; with "-" before it in the address, from the end."""

    URGENCY = "urgency"
    NAME = "name"
    CATEGORY = "category"
    DUE = "due"
    MISSING = "hours"


class DueSpan(StrEnum):
    """When a renewal is due, counted from today."""

    PAST = "past"
    SOON = "30"
    LATER = "90"
    FAR = "later"


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """What the list shows, and in which order.

    ``text`` is looked for in names, addresses, and names of RSC providers.
    """

    text: str = ""
    chosen: Mapping[Facet, tuple[str, ...]] = field(default_factory=dict)
    sort: Sort = Sort.URGENCY
    is_reversed: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it shows everyone."""
        return not self.text and not self.chosen

    @property
    def wants_provider(self) -> WantsProvider | None:
        """Which RSC providers rows must have for it to be applied; None: no provider."""
        keys = self.chosen.get(Facet.PROVIDER, ())
        if not self.text and not keys:
            return None
        return lambda key, name: key in keys or starts_words(self.text, name)

    def toggle(self, facet: Facet, option: str) -> "PeopleFilter":
        """The same filter with an option added or, if it is chosen, left out."""
        options = self.chosen.get(facet, ())
        if option in options:
            options = tuple(each for each in options if each != option)
        else:
            options = (*options, option)
        chosen = {name: each for name, each in self.chosen.items() if name is not facet}
        return replace(self, chosen={**chosen, facet: options} if options else chosen)

    def sorted_by(self, sort: Sort) -> "PeopleFilter":
        """The same filter in another order; in the same order, from the other end."""
        is_reversed = self.sort is sort and not self.is_reversed
        return replace(self, sort=sort, is_reversed=is_reversed)

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of the address, in one order."""
        found = [(_TEXT, self.text)] if self.text else []
        for facet in Facet:
            found += [(facet.value, option) for option in self.chosen.get(facet, ())]
        if self.sort is not Sort.URGENCY or self.is_reversed:
            found.append((_SORT, f"{'-' if self.is_reversed else ''}{self.sort}"))
        return found

    def query(self) -> str:
        """The part of the address that filters; empty for everyone, worst first."""
        return urlencode(self.pairs())


def parse_filter(pairs: Iterable[tuple[str, str]]) -> PeopleFilter:
    """The filter of an address. Other parameters are ignored; an unknown order is the usual one."""
    text, sort, is_reversed = "", Sort.URGENCY, False
    chosen: dict[Facet, tuple[str, ...]] = {}
    for name, value in list(pairs)[:_MOST_CHOSEN]:
        if name == _TEXT:
            text = value
        elif name == _SORT and value.removeprefix("-") in list(Sort):
            sort, is_reversed = Sort(value.removeprefix("-")), value.startswith("-")
        elif name in list(Facet) and value and value not in chosen.get(Facet(name), ()):
            chosen[Facet(name)] = (*chosen.get(Facet(name), ()), value)
    return PeopleFilter(text, chosen, sort, is_reversed)


def parse_query(query: str) -> PeopleFilter:
    """The filter of the part of an address that `PeopleFilter.query` wrote."""
    return parse_filter(parse_qsl(query))


class FilteredPeople(NamedTuple):
    """The rows that a filter shows, in order.

    ``counts`` has how many rows each option of a facet would show. ``labels`` are the names of
    requirements by id.
    """

    rows: list[PeopleRow]
    counts: Mapping[Facet, Mapping[str, int]]
    labels: Mapping[str, str]


# Many renewals have the same results.
@lru_cache(maxsize=8_192)
def list_short(requirements: str) -> tuple[StoredResult, ...]:
    """What is short in the column ``requirements`` of a standing, in the rulebook's order."""
    return tuple(
        StoredResult(**each) for each in json.loads(requirements) if each["outcome"] == "short"
    )


def apply_filter(people: People, chosen: PeopleFilter, today: date) -> FilteredPeople:
    """Filter and sort the rows of an association, and count each option."""
    matches = _text_matcher(people, chosen.text)
    labels: dict[str, str] = {}
    counts: dict[Facet, Counter[str]] = {facet: Counter() for facet in Facet}
    required = [(facet, set(options)) for facet, options in chosen.chosen.items()]
    shown = []
    for row in filter(matches, people.rows):
        options = _options_of(row, today, labels)
        failed = [facet for facet, wanted in required if wanted.isdisjoint(options[facet])]
        if not failed:
            shown.append(row)
        if len(failed) <= 1:
            _count(counts, options, failed or _FACETS)
    shown.sort(key=_SORT_KEYS[chosen.sort], reverse=chosen.is_reversed)
    return FilteredPeople(shown, counts, labels)


def list_rows_of_only_match(rows: Sequence[PeopleRow], text: str) -> Sequence[PeopleRow]:
    """The rows if all are of one person, in whose name or address the text is; empty otherwise.

    A search for an RSC provider means a list, also if one person only has this provider.
    """
    is_one = len({row.person_id for row in rows}) == 1
    return rows if is_one and plain_name(text) and _name_matcher(text)(rows[0]) else ()


def _count(
    counts: Mapping[Facet, Counter[str]],
    options: Mapping[Facet, Collection[str]],
    facets: Iterable[Facet],
) -> None:
    # A counter's own `update` takes twice as long for one or two options.
    for facet in facets:
        for option in options[facet]:
            counts[facet][option] += 1


def _options_of(
    row: PeopleRow, today: date, labels: dict[str, str]
) -> dict[Facet, Collection[str]]:
    """The options under which a row is found; notes the names of requirements."""
    missing = []
    for item in list_short(row.requirements):
        missing.append(item.id)
        labels[item.id] = item.label
    flags = []
    if row.refused_at is not None:
        flags.append(BOUNCED)
    if not row.has_signed_in:
        flags.append(NEVER_SIGNED_IN)
    return {
        Facet.STAGE: (row.stage,) if row.stage else (),
        Facet.STATUS: (row.status,),
        Facet.CATEGORY: (row.category,) if row.category else (),
        Facet.MISSING: missing,
        Facet.DUE: _due_span(row.due_on, today) if row.due_on else (),
        Facet.FLAG: flags,
        Facet.MARK: row.marks,
        Facet.PROVIDER: row.providers,
    }


@lru_cache(maxsize=4_096)
def _due_span(due_on: date, today: date) -> tuple[str]:
    if due_on < today:
        return (DueSpan.PAST.value,)
    if due_on <= today + _SOON:
        return (DueSpan.SOON.value,)
    return (DueSpan.LATER.value,) if due_on <= today + _LATER else (DueSpan.FAR.value,)


def _text_matcher(people: People, text: str) -> Callable[[PeopleRow], bool]:
    """Whether a row has the text in a name, an address, or a provider's name."""
    if not plain_name(text):
        return lambda _row: not text
    provided_by = {key for key, name in people.providers.items() if starts_words(text, name)}
    is_named = _name_matcher(text)
    return lambda row: is_named(row) or not provided_by.isdisjoint(row.providers)


def _name_matcher(text: str) -> Callable[[PeopleRow], bool]:
    """Whether a row has the text in the person's own name or an address."""
    part, squeezed = text.casefold().strip(), plain_name(text).replace(" ", "")

    def matches(row: PeopleRow) -> bool:
        return (
            part in row.email
            or part in (row.second_email or "").casefold()
            or starts_words(text, row.name)
            or _starts_within(squeezed, row.name)
        )

    return matches


def _starts_within(squeezed: str, name: str) -> bool:
    """Whether a name, from one of its words on, begins like that: "oneil" for "Ann O'Neil"."""
    plain = plain_name(name)
    if squeezed not in plain.replace(" ", ""):
        return False
    words = plain.split()
    return any("".join(words[first:]).startswith(squeezed) for first in range(len(words)))


_URGENCY = {status: place for place, status in enumerate(STATUSES)}


def _by_urgency(row: PeopleRow) -> tuple[Any, ...]:
    place = _URGENCY[row.status]
    return place, row.due_on or date.max, -row.short_minutes, row.name.casefold(), row.key


def _by_name(row: PeopleRow) -> tuple[Any, ...]:
    return plain_name(row.name), *_by_urgency(row)


def _by_category(row: PeopleRow) -> tuple[Any, ...]:
    return row.category, *_by_urgency(row)


def _by_due_date(row: PeopleRow) -> tuple[Any, ...]:
    return row.due_on or date.max, *_by_urgency(row)


def _by_missing(row: PeopleRow) -> tuple[Any, ...]:
    return -row.short_minutes, *_by_urgency(row)


_SORT_KEYS: Mapping[Sort, Callable[[PeopleRow], tuple[Any, ...]]] = {
    Sort.URGENCY: _by_urgency,
    Sort.NAME: _by_name,
    Sort.CATEGORY: _by_category,
    Sort.DUE: _by_due_date,
    Sort.MISSING: _by_missing,
}
