"""The rulebook in plain words, as one endorsee needs it: their association, their category."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from tracker.rulebooks import Rulebooks
from tracker.rules.plan import value_in_force
from tracker.rules.providers import say_day
from tracker.rules.rulebook_words import describe_accepted, say_amount, say_scheme
from tracker.rules.schema import Requirement, Rulebook, Scheme
from tracker.rules.sources import Interpretation, Source
from tracker.settings import Coordinator

Section = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence, and where its source says so."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement: what is asked now, and what has been decided for later."""

    label: str
    about: str
    amount: str
    later: Sequence[str]
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the source is silent or ambiguous: what it says, and how it is read."""

    title: str
    says: str
    taken: str
    others: Sequence[str]


@dataclass(frozen=True, slots=True)
class BookView:
    """What one association asks of one category; without ``rules`` nothing is known to be asked."""

    association: str
    association_name: str
    category: str
    category_name: str
    cycles: Sequence[str]
    rules: Sequence[Rule]
    provider_rules: Sequence[tuple[str, Sequence[Cited]]]
    memberships: Sequence[tuple[str, Sequence[str]]]
    readings: Sequence[Reading]
    coordinators: Sequence[Coordinator]


def view_book(
    books: Rulebooks,
    association: str,
    category: str,
    today: date,
    coordinators: Sequence[Coordinator],
) -> BookView:
    """The rules of a category's renewal as they stand on ``today``, and those that will."""
    book = books.associations[association]
    known = book.categories.get(category)
    asked = [r for r in book.requirements_of(category) if _matters(r, today)]
    return BookView(
        association=association,
        association_name=book.name,
        category=category,
        category_name=known.name if known else category,
        cycles=[*_cycles(book.cycles, today)] if asked else [],
        rules=[_rule(book, r, today) for r in asked],
        provider_rules=[*_providers(book, asked, today)],
        memberships=[*_memberships(books, book, asked)],
        readings=[_reading(i) for i in _about_renewal(book, category, asked)],
        coordinators=coordinators,
    )


def _matters(requirement: Requirement, today: date) -> bool:
    later = any(v.starts_from > today and v.asked for v in requirement.values)
    return later or value_in_force(requirement, today) is not None


def _cite(book: Rulebook, source: Source) -> str:
    return f"{book.documents[source.document].title}, “{source.section}”"


def _rule(book: Rulebook, requirement: Requirement, today: date) -> Rule:
    value = value_in_force(requirement, today)
    later = [v for v in requirement.values if v.starts_from > today]
    words = [f"from {say_day(v.starts_from)}: {say_amount(requirement, v)}" for v in later]
    return Rule(
        label=requirement.label,
        about=_about(requirement),
        amount=say_amount(requirement, value) if value else "not asked yet",
        later=words,
        source=_cite(book, (value or later[0]).source),
    )


def _about(requirement: Requirement) -> str:
    """What it is about, and of whom it is asked, where that is not everyone."""
    if requirement.asked_of == "everyone":
        return requirement.about
    return f"{requirement.about}; asked only of {requirement.asked_of}"


def _cycles(schemes: Sequence[Scheme], today: date) -> Iterator[str]:
    """The scheme in force, and those to come."""
    started = [s for s in schemes if s.starts_from <= today]
    if started:
        yield say_scheme(started[-1])
    for scheme in schemes[len(started) :]:
        yield f"From {say_day(scheme.starts_from)} on: {say_scheme(scheme)}"


def _providers(
    book: Rulebook, asked: Sequence[Requirement], today: date
) -> Iterator[tuple[str, Sequence[Cited]]]:
    for name in dict.fromkeys(r.providers for r in asked if r.providers):
        rule = book.providers[name]
        still = [a for a in rule.accepts if a.until is None or a.until >= today]
        yield rule.says, [Cited(describe_accepted(a), _cite(book, a.source)) for a in still]


def _memberships(
    books: Rulebooks, book: Rulebook, asked: Sequence[Requirement]
) -> Iterator[tuple[str, Sequence[str]]]:
    for name in dict.fromkeys(r.membership for r in asked if r.membership):
        accepted = books.accepted_organizations(f"{book.id}/{name}")
        yield book.memberships[name].says, [books.organizations[each].name for each in accepted]


def _about_renewal(
    book: Rulebook, category: str, asked: Sequence[Requirement]
) -> Iterator[Interpretation]:
    """The readings that bear on a renewal: not those that only an application knows."""
    applying = book.requirements_of(category, "application")
    own = {*_readings_of(book, asked)}
    foreign = {r.interpretation for r in applying}
    sections = _sections(applying) | _advised(book, asked)
    for found in book.interpretations:
        if found.categories and category not in found.categories:
            continue
        here = (found.document, found.section)
        elsewhere = found.id in foreign or here in sections - _sections(asked)
        if found.id in own or not elsewhere:
            yield found


def _readings_of(book: Rulebook, asked: Sequence[Requirement]) -> Iterator[str | None]:
    yield from (r.interpretation for r in asked)
    yield from (s.interpretation for s in book.cycles)
    for name in {r.providers for r in asked if r.providers}:
        yield from (a.interpretation for a in book.providers[name].accepts)


def _sections(requirements: Sequence[Requirement]) -> set[Section]:
    return {(v.source.document, v.source.section) for r in requirements for v in r.values}


def _advised(book: Rulebook, asked: Sequence[Requirement]) -> set[Section]:
    """Where sources advise on anything else than what a renewal asks."""
    ids = {r.id for r in asked}
    return {(a.source.document, a.source.section) for a in book.advice if a.requirement not in ids}


def _reading(found: Interpretation) -> Reading:
    others = [each for each in found.readings if each != found.taken]
    return Reading(found.section, found.says, found.taken, others)
