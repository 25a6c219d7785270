"""A rulebook as text for people: every rule with its days and its source."""

from collections.abc import Iterator, Mapping
from datetime import date
from textwrap import wrap

from tracker.hours import count_hours
from tracker.rules.providers import say_day
from tracker.rules.schema import (
    AcceptedProvider,
    Interpretation,
    Requirement,
    Rulebook,
    Scheme,
    Source,
    Value,
)

_WIDTH = 100


def describe_rulebook(book: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The lines that tell all of a rulebook; ``accepted`` organizations by membership rule."""
    yield f"{book.id}: {book.name}"
    yield f"Time zone {book.time_zone}; a due date includes its whole day there."
    yield from _part("Categories", _categories(book))
    yield from _part("Documents", (f"{d.file}  {d.title}" for d in book.documents.values()))
    yield from _part("Cycles", (line for c in book.cycles for line in _cycle(c)))
    yield from _part("Requirements", _requirements(book))
    yield from _part("Qualified providers", _providers(book))
    yield from _part("Memberships", _memberships(book, accepted))
    yield from _part(
        "Interpretations", (line for i in book.interpretations for line in _reading(book, i))
    )
    yield ""


def _part(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield from ("", title)
    empty = True
    for line in lines:
        empty = False
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        yield from wrap(
            line.lstrip(),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )
    if empty:
        yield "  none in this rulebook"


def _categories(book: Rulebook) -> Iterator[str]:
    for key, category in book.categories.items():
        rules = "" if book.requirements_of(key) else " (the rulebook holds no renewal rules for it)"
        yield f"{key}: {category.name}{rules}"


def _cycle(scheme: Scheme) -> Iterator[str]:
    years = "year" if scheme.years == 1 else f"{scheme.years} years"
    anchor = (
        f"each {years}, one ending on {say_day(scheme.ends_on)}"
        if scheme.ends_on
        else f"each {years} from the day of endorsement"
    )
    due = (
        f"{scheme.due_days_after_end} days after it ends"
        if scheme.due_days_after_end
        else "on its last day"
    )
    yield (
        f"from {say_day(scheme.starts_from)}: {anchor}; due {due}, then {scheme.grace_days} days "
        f"of grace; first cycle: {scheme.first_cycle}{_see(scheme.interpretation)}"
    )


def _requirements(book: Rulebook) -> Iterator[str]:
    for requirement in book.requirements:
        yield f"{', '.join(requirement.categories)}: {requirement.id} ({requirement.label})"
        yield f"  {_nature(requirement)}{_see(requirement.interpretation)}"
        for value in requirement.values:
            yield f"  {_value(value)} {_cite(book, value.source)}"


def _nature(requirement: Requirement) -> str:
    parts = [requirement.about]
    if requirement.topic:
        parts.append(f"topic {requirement.topic}, inside the training hours")
    if requirement.providers:
        parts.append(f"provider rule {requirement.providers}")
    if requirement.membership:
        parts.append(f"membership rule {requirement.membership}")
    if requirement.each_year:
        parts.append("each year of the cycle")
    if requirement.asked_of != "everyone":
        parts.append(f"asked of {requirement.asked_of}")
    return "; ".join(parts)


def _value(value: Value) -> str:
    what = "asked" if value.asked else "no longer asked"
    hours = count_hours(value.minutes) if value.hours is not None else what
    return f"from {say_day(value.starts_from)}: {hours}"


def _providers(book: Rulebook) -> Iterator[str]:
    for name, rule in book.providers.items():
        yield f"{name}: {rule.says}"
        for accepted in rule.accepts:
            cited = _cite(book, accepted.source)
            yield f"  {_accepted(accepted)} {cited}{_see(accepted.interpretation)}"


def _accepted(accepted: AcceptedProvider) -> str:
    who = "vetted by the association" if accepted.vetted else ", ".join(accepted.categories)
    degree = f" with at least: {accepted.degree}" if accepted.degree else ""
    where = f" endorsed by {', '.join(accepted.associations)}" if accepted.associations else ""
    return f"{who}{degree}{where}, {_days(accepted.starts_from, accepted.until)}"


def _days(first: date | None, last: date | None) -> str:
    if first is None and last is None:
        return "on any day"
    begin = f"from {say_day(first)}" if first else ""
    end = f"to the end of {say_day(last)}" if last else ""
    return " ".join(part for part in (begin, end) if part)


def _memberships(book: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name, rule in book.memberships.items():
        yield f"{name}: {rule.says}"
        yield f"  accepted: {', '.join(accepted[name])}"


def _reading(book: Rulebook, found: Interpretation) -> Iterator[str]:
    cited = f"{book.documents[found.document].title}, " if found.document else ""
    yield f"{found.id} [{cited}{found.section}]"
    yield f"  The source: {found.says}"
    for number, reading in enumerate(found.readings, 1):
        yield f"  Reading {number}: {reading}"
    yield f"  Taken since {say_day(found.since)}: {found.taken}"


def _cite(book: Rulebook, source: Source) -> str:
    return f"[{book.documents[source.document].title}, {source.section}]"


def _see(interpretation: str | None) -> str:
    return f" (interpretation: {interpretation})" if interpretation else ""
