"""A rulebook beside its sources: each document's sections in its own order, with their rules."""

from collections.abc import Iterator

from tracker.commands.rulebook_terms import terms
from tracker.rules.providers import say_day
from tracker.rules.rulebook_words import describe_accepted, describe_value
from tracker.rules.schema import Requirement, Rulebook
from tracker.rules.sources import Advice, Interpretation, Source

Lines = Iterator[str]


def describe_sections(book: Rulebook, key: str) -> Lines:
    """What the rulebook makes of each section of the document ``key``, cell by cell."""
    for section in book.documents[key].sections or _cited(book, key):
        here = Source(document=key, section=section)
        yield section
        lines = [*_cells(book, here), *_readings(book, here)]
        yield from (f"  {line}" for line in lines or ["the rulebook holds no rule of this section"])


def describe_reading(found: Interpretation) -> Lines:
    """An interpretation in full; the categories that it is about, if not all."""
    about = f" ({', '.join(found.categories)})" if found.categories else ""
    yield f"Interpretation {found.id}{about}"
    yield f"  The source: {found.says}"
    for number, reading in enumerate(found.readings, 1):
        yield f"  Reading {number}: {reading}"
    yield f"  Taken since {say_day(found.since)}: {found.taken}"
    if found.change:
        yield f"  For another, change: {found.change}"


def see(interpretation: str | None) -> str:
    """The interpretation that a rule rests on, for the end of its line."""
    return f" (interpretation: {interpretation})" if interpretation else ""


def _cited(book: Rulebook, key: str) -> tuple[str, ...]:
    """The sections that are cited of a document that lists none, in the order of the rulebook."""
    sources = (v.source for r in book.requirements for v in r.values)
    return tuple(dict.fromkeys(s.section for s in sources if s.document == key))


def _cells(book: Rulebook, here: Source) -> Lines:
    """What each category is told; those that are told the same stand together."""
    told: dict[tuple[str, ...], list[str]] = {}
    for category in book.categories:
        lines = (
            *(x for r in book.requirements for x in _requirement(book, r, here, category)),
            *(x for a in book.advice for x in _advice(a, here, category)),
        )
        if lines:
            told.setdefault(lines, []).append(category)
    for lines, categories in told.items():
        yield ", ".join(categories)
        yield from (f"  {line}" for line in lines)
    for name, rule in book.providers.items():
        for accepted in rule.accepts:
            if accepted.source == here:
                yield f"provider rule {name}: {describe_accepted(accepted)}"


def _requirement(book: Rulebook, requirement: Requirement, here: Source, category: str) -> Lines:
    values = [value for value in requirement.values if value.source == here]
    if not values or category not in requirement.categories:
        return
    name = f"{requirement.id} ({requirement.of}): {requirement.label}"
    yield f"{name}{see(requirement.interpretation)}"
    yield from (f"  {describe_value(requirement, value)}" for value in values)
    yield from (f"  {term}" for term in terms(book, requirement))


def _advice(advice: Advice, here: Source, category: str) -> Lines:
    if advice.source == here and category in advice.categories:
        typical = f", typically {advice.hours:g} hours" if advice.hours else ""
        yield f"advice on {advice.requirement}{typical}: {advice.says}"


def _readings(book: Rulebook, here: Source) -> Lines:
    for found in book.interpretations:
        if (found.document, found.section) == (here.document, here.section):
            yield from describe_reading(found)
