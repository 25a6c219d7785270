"""A rulebook as text for people: every rule with its days and its source."""

from collections.abc import Iterator, Mapping
from textwrap import wrap

from tracker.commands.rulebook_sections import describe_reading, describe_sections, see
from tracker.rules.providers import say_day
from tracker.rules.rulebook_words import describe_accepted, describe_cycle
from tracker.rules.schema import PURPOSES, Rulebook, Scheme
from tracker.rules.sources import Source

_WIDTH = 100


def describe_rulebook(book: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The lines that tell all of a rulebook; ``accepted`` organizations by membership rule."""
    yield f"{book.id}: {book.name}"
    yield f"Time zone {book.time_zone}; a due date includes its whole day there."
    yield from _part("Categories", _categories(book))
    yield from _part("Cycles", (_cycle(c) for c in book.cycles))
    yield from _part("Qualified providers", _providers(book))
    yield from _part("Memberships", _memberships(book, accepted))
    for key, document in book.documents.items():
        title = f"Document {document.file}  {document.title}"
        yield from _part(title, describe_sections(book, key))
    yield from _part("Interpretations of all documents", _readings_of_all(book))
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
        held = [p for p in PURPOSES if book.requirements_of(key, p)]
        rules = f"rules for its {' and '.join(held)}" if held else "no rules"
        yield f"{key}: {category.name} ({rules})"


def _cycle(scheme: Scheme) -> str:
    since = say_day(scheme.starts_from)
    return f"from {since}: {describe_cycle(scheme)}{see(scheme.interpretation)}"


def _providers(book: Rulebook) -> Iterator[str]:
    for name, rule in book.providers.items():
        yield f"{name}: {rule.says}"
        for accepted in rule.accepts:
            cited = _cite(book, accepted.source)
            yield f"  {describe_accepted(accepted)} {cited}{see(accepted.interpretation)}"


def _memberships(book: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name, rule in book.memberships.items():
        yield f"{name}: {rule.says}"
        yield f"  accepted: {', '.join(accepted[name])}"


def _readings_of_all(book: Rulebook) -> Iterator[str]:
    """The interpretations that are about no one document."""
    found = [each for each in book.interpretations if each.document is None]
    for section in dict.fromkeys(each.section for each in found):
        yield section
        readings = (each for each in found if each.section == section)
        yield from (f"  {line}" for each in readings for line in describe_reading(each))


def _cite(book: Rulebook, source: Source) -> str:
    return f"[{book.documents[source.document].title}, {source.section}]"
