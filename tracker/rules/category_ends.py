"""When endorsements end by the rules of their category. Pure; every last day is included.

An add-on ends with the endorsement beside it, a limited term after its years or when it has become
another endorsement.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from tracker.formatting import format_alternatives, format_count
from tracker.rules.counting import merge_spans
from tracker.rules.cycles import end_of_years
from tracker.rules.model import Category, Rulebook
from tracker.rules.reasons import Reason, because
from tracker.rules.standing import Span

_DAY = timedelta(days=1)


class RecordedTerm(NamedTuple):
    """One endorsement of a person as recorded; without a last day, ``ends_on`` is ``date.max``."""

    id: int
    category: str
    starts_on: date
    ends_on: date


def find_ends(rulebook: Rulebook, held: Iterable[RecordedTerm]) -> dict[int, date]:
    """The last days by rule of one person's endorsements at an association, by id.

    Only of those that end before the last day on record. The last day of an add-on without an
    endorsement beside it is the day before it begins.
    """
    by_start = sorted(held, key=lambda term: (term.starts_on, term.ends_on, term.id))
    ends: dict[int, date] = {}
    for category in _order(rulebook, {term.category for term in by_start}):
        rule = rulebook.categories.get(category)
        own = [term for term in by_start if term.category == category]
        for number, term in enumerate(own):
            last = term.ends_on
            if rule is not None:
                last = min(last, _term_end(rule, own[: number + 1], ends))
                last = min(last, _conversion_end(rule, term, by_start))
                last = min(last, _base_end(rule, term, by_start, ends))
            ends[term.id] = last
    return {term.id: ends[term.id] for term in by_start if ends[term.id] < term.ends_on}


def explain_ends(rulebook: Rulebook, category: str) -> list[Reason]:
    """By which rules the endorsements of a category end, before the last day on record."""
    rule, reasons = rulebook.categories.get(category), []
    if rule is not None and rule.beside:
        reasons.append(
            because("add_on", category=category, others=format_alternatives(rule.beside))
        )
    if rule is not None and rule.term_years:
        years = format_count(rule.term_years, "year")
        others = format_alternatives(rule.becomes)
        code = "limited_term_becomes" if others else "limited_term"
        reasons.append(because(code, category=category, years=years, others=others))
    return reasons


def _order(rulebook: Rulebook, categories: Iterable[str]) -> list[str]:
    """The categories, each after those that it lasts as long as."""
    ordered: list[str] = []
    for category in sorted(categories):
        for each in (*list_bases(rulebook, category), category):
            if each not in ordered:
                ordered.append(each)
    return ordered


def list_bases(rulebook: Rulebook, category: str) -> list[str]:
    """The categories beside which one lasts, and theirs, the deepest first; each once."""
    found: list[str] = []
    rule = rulebook.categories.get(category)
    for base in rule.beside if rule else ():
        found += [each for each in (*list_bases(rulebook, base), base) if each not in found]
    return found


def _term_end(rule: Category, row: Sequence[RecordedTerm], ends: dict[int, date]) -> date:
    """The end of a limited term; ``row`` are the endorsements of the category up to this one.

    One that follows another without a break goes on with its term.
    """
    if rule.term_years is None:
        return date.max
    first = row[-1].starts_on
    for earlier in reversed(row[:-1]):
        if ends[earlier.id] + _DAY >= first:
            first = earlier.starts_on
    return end_of_years(first, rule.term_years)


def _conversion_end(rule: Category, term: RecordedTerm, held: Iterable[RecordedTerm]) -> date:
    """The day before it became another endorsement."""
    for other in held:
        if other.category in rule.becomes and other.starts_on > term.starts_on:
            return other.starts_on - _DAY
    return date.max


def _base_end(
    rule: Category, term: RecordedTerm, held: Iterable[RecordedTerm], ends: dict[int, date]
) -> date:
    """The last day of the endorsements beside an add-on, without a break."""
    if not rule.beside:
        return date.max
    beside = [
        Span(other.starts_on, ends[other.id])
        for other in held
        if other.category in rule.beside and other.starts_on <= min(ends[other.id], term.ends_on)
    ]
    for span in merge_spans(beside):
        if span.ends_on >= term.starts_on:
            return span.ends_on
    return term.starts_on - _DAY
