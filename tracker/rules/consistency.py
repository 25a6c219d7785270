"""Whether a rulebook holds together: all that it names is there, and nothing contradicts."""

from collections.abc import Collection, Iterator, Mapping

from tracker.rules.schema import PURPOSES, Purpose, Requirement, Rulebook
from tracker.rules.sources import Source

Found = Iterator[tuple[str, str]]


def inconsistencies(book: Rulebook) -> Found:
    """Each key of ``book`` that names what is not there, or contradicts, with the reason."""
    yield from _wrong_interpretations(book)
    for number, scheme in enumerate(book.cycles, 1):
        yield from _reading(book, f"cycles[{number}].interpretation", scheme.interpretation)
    yield from _wrong_providers(book)
    for number, requirement in enumerate(book.requirements, 1):
        yield from _wrong_requirement(book, f"requirements[{number}]", requirement)
    for number, advice in enumerate(book.advice, 1):
        key = f"advice[{number}]"
        yield from _missing_each(f"{key}.categories", advice.categories, book.categories)
        yield from _cited(book, f"{key}.source", advice.source)
    yield from _conflicts(book)


def repeated(key: str, ids: list[str]) -> Found:
    """Each of ``ids`` that stands there twice."""
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        yield key, f"{twice!r} stands there more than once"


def _wrong_interpretations(book: Rulebook) -> Found:
    yield from repeated("interpretations", [i.id for i in book.interpretations])
    for number, found in enumerate(book.interpretations, 1):
        key = f"interpretations[{number}]"
        yield from _missing_each(f"{key}.categories", found.categories, book.categories)
        if found.document:
            source = Source(document=found.document, section=found.section)
            yield from _cited(book, key, source)


def _wrong_providers(book: Rulebook) -> Found:
    for name, rule in book.providers.items():
        for number, accepted in enumerate(rule.accepts, 1):
            key = f"providers.{name}.accepts[{number}]"
            yield from _missing_each(f"{key}.categories", accepted.categories, book.categories)
            yield from _cited(book, f"{key}.source", accepted.source)
            yield from _reading(book, f"{key}.interpretation", accepted.interpretation)


def _wrong_requirement(book: Rulebook, key: str, requirement: Requirement) -> Found:
    yield from _missing_each(f"{key}.categories", requirement.categories, book.categories)
    yield from _missing(f"{key}.providers", requirement.providers, book.providers)
    yield from _missing(f"{key}.membership", requirement.membership, book.memberships)
    yield from _reading(book, f"{key}.interpretation", requirement.interpretation)
    yield from _missing_each(f"{key}.signed", requirement.signed, book.attestations)
    if requirement.counts == "rsc":
        yield from _missing(f"{key}.topic", requirement.topic, book.topic_names)
    yield from _wrong_terms(book, key, requirement)
    for number, value in enumerate(requirement.values, 1):
        yield from _cited(book, f"{key}.values[{number}].source", value.source)


def _wrong_terms(book: Rulebook, key: str, requirement: Requirement) -> Found:
    """What the terms of work and of references name."""
    work, referees = requirement.work, requirement.references
    if work:
        yield from _missing_each(f"{key}.work.services", work.services, book.services)
    if work and work.internship:
        yield from _missing_each(
            f"{key}.work.internship.supervisors", work.internship.supervisors, book.categories
        )
    if referees:
        for number, roles in enumerate(referees.slots, 1):
            yield from _missing_each(f"{key}.references.slots[{number}]", roles, book.roles)
        for slots in referees.instead:
            for roles in slots:
                yield from _missing_each(f"{key}.references.instead", roles, book.roles)
        yield from _missing_each(
            f"{key}.references.endorsed_roles", referees.endorsed_roles, book.roles
        )
        yield from _missing_each(
            f"{key}.references.categories", referees.categories, book.categories
        )


def _cited(book: Rulebook, key: str, source: Source) -> Found:
    """The document exists and, where its sections are listed, has the one that is cited."""
    yield from _missing(f"{key}.document", source.document, book.documents)
    document = book.documents.get(source.document)
    if document and document.sections and source.section not in document.sections:
        listed = "; ".join(document.sections)
        yield (
            f"{key}.section",
            f"{source.section!r} is no section of {source.document!r}, which lists: {listed}",
        )


def _reading(book: Rulebook, key: str, name: str | None) -> Found:
    yield from _missing(key, name, {i.id for i in book.interpretations})


def _missing(key: str, name: str | None, known: Collection[str]) -> Found:
    if name is not None and name not in known:
        yield key, f"{name!r} is not in this file; it has {', '.join(sorted(known)) or 'none'}"


def _missing_each(key: str, names: tuple[str, ...], known: Mapping[str, object]) -> Found:
    for name in names:
        yield from _missing(key, name, known)


def _conflicts(book: Rulebook) -> Found:
    """What one category may have only once, and what it must have beside."""
    for category in book.categories:
        for purpose in PURPOSES:
            yield from _conflicts_of(book, category, purpose)
        if book.requirements_of(category) and not book.cycles:
            yield "cycles", f"{category} has renewal requirements, so say how its cycles run"


def _conflicts_of(book: Rulebook, category: str, purpose: Purpose) -> Found:
    asked = book.requirements_of(category, purpose)
    key = f"{purpose} requirements of {category}"
    yield from repeated(key, [r.id for r in asked])
    if len({r.providers for r in asked if r.providers}) > 1:
        yield key, "they name more than one provider rule"
    if len({r.membership for r in asked if r.membership}) > 1:
        yield key, "they name more than one membership rule"
    groups = [r.either for r in asked if r.either]
    for group in sorted(set(groups)):
        if groups.count(group) == 1:
            yield key, f"only one of them is of either = {group!r}: an alternative needs another"
    hours = {r.id for r in asked if r.counts == "rsc" and r.inside is None}
    for requirement in asked:
        yield from _missing(f"{key}: {requirement.id}.inside", requirement.inside, hours)
