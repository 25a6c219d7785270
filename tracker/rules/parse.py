"""Whether a rulebook holds together: all that it names is there, and nothing contradicts."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.rules.model import PURPOSES, Organizations, Purpose, Requirement, Rulebook, Source

Found = Iterator[tuple[str, str]]


def inconsistencies(rulebook: Rulebook) -> Found:
    """Each key of ``book`` that names what is not there, or contradicts, with the reason."""
    yield from _wrong_interpretations(rulebook)
    for number, scheme in enumerate(rulebook.cycles, 1):
        yield from _reading(rulebook, f"cycles[{number}].interpretation", scheme.interpretation)
    yield from _wrong_providers(rulebook)
    for number, requirement in enumerate(rulebook.requirements, 1):
        yield from _wrong_requirement(rulebook, f"requirements[{number}]", requirement)
    for number, advice in enumerate(rulebook.advice, 1):
        key = f"advice[{number}]"
        yield from _missing_each(f"{key}.categories", advice.categories, rulebook.categories)
        yield from _cited(rulebook, f"{key}.source", advice.source)
    yield from _conflicts(rulebook)


def repeated(key: str, ids: list[str]) -> Found:
    """Each of ``ids`` that stands there twice."""
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        yield key, f"{twice!r} stands there more than once"


def _wrong_interpretations(rulebook: Rulebook) -> Found:
    yield from repeated("interpretations", [i.id for i in rulebook.interpretations])
    for number, found in enumerate(rulebook.interpretations, 1):
        key = f"interpretations[{number}]"
        yield from _missing_each(f"{key}.categories", found.categories, rulebook.categories)
        if found.document:
            source = Source(document=found.document, section=found.section)
            yield from _cited(rulebook, key, source)


def _wrong_providers(rulebook: Rulebook) -> Found:
    for name, rule in rulebook.providers.items():
        for number, accepted in enumerate(rule.accepts, 1):
            key = f"providers.{name}.accepts[{number}]"
            yield from _missing_each(f"{key}.categories", accepted.categories, rulebook.categories)
            yield from _cited(rulebook, f"{key}.source", accepted.source)
            yield from _reading(rulebook, f"{key}.interpretation", accepted.interpretation)


def _wrong_requirement(rulebook: Rulebook, key: str, requirement: Requirement) -> Found:
    yield from _missing_each(f"{key}.categories", requirement.categories, rulebook.categories)
    yield from _missing(f"{key}.providers", requirement.providers, rulebook.providers)
    yield from _missing(f"{key}.membership", requirement.membership, rulebook.memberships)
    yield from _reading(rulebook, f"{key}.interpretation", requirement.interpretation)
    yield from _missing_each(f"{key}.signed", requirement.signed, rulebook.attestations)
    if requirement.counts == "rsc":
        yield from _missing(f"{key}.topic", requirement.topic, rulebook.topic_names)
    yield from _wrong_terms(rulebook, key, requirement)
    for number, value in enumerate(requirement.values, 1):
        yield from _cited(rulebook, f"{key}.values[{number}].source", value.source)


def _wrong_terms(rulebook: Rulebook, key: str, requirement: Requirement) -> Found:
    """What the terms of work and of references name."""
    work, referees = requirement.work, requirement.references
    if work:
        yield from _missing_each(f"{key}.work.services", work.services, rulebook.services)
    if work and work.internship:
        yield from _missing_each(
            f"{key}.work.internship.supervisors", work.internship.supervisors, rulebook.categories
        )
    if referees:
        for number, roles in enumerate(referees.slots, 1):
            yield from _missing_each(f"{key}.references.slots[{number}]", roles, rulebook.roles)
        for slots in referees.instead:
            for roles in slots:
                yield from _missing_each(f"{key}.references.instead", roles, rulebook.roles)
        yield from _missing_each(
            f"{key}.references.endorsed_roles", referees.endorsed_roles, rulebook.roles
        )
        yield from _missing_each(
            f"{key}.references.categories", referees.categories, rulebook.categories
        )


def _cited(rulebook: Rulebook, key: str, source: Source) -> Found:
    """The document exists and, where its sections are listed, has the one that is cited."""
    yield from _missing(f"{key}.document", source.document, rulebook.documents)
    document = rulebook.documents.get(source.document)
    if document and document.sections and source.section not in document.sections:
        listed = "; ".join(document.sections)
        yield (
            f"{key}.section",
            f"{source.section!r} is no section of {source.document!r}, which lists: {listed}",
        )


def _reading(rulebook: Rulebook, key: str, name: str | None) -> Found:
    yield from _missing(key, name, {i.id for i in rulebook.interpretations})


def _missing(key: str, name: str | None, known: Collection[str]) -> Found:
    if name is not None and name not in known:
        yield key, f"{name!r} is not in this file; it has {', '.join(sorted(known)) or 'none'}"


def _missing_each(key: str, names: tuple[str, ...], known: Mapping[str, object]) -> Found:
    for name in names:
        yield from _missing(key, name, known)


def _conflicts(rulebook: Rulebook) -> Found:
    """What one category may have only once, and what it must have beside."""
    for category in rulebook.categories:
        for purpose in PURPOSES:
            yield from _conflicts_of(rulebook, category, purpose)
        if rulebook.requirements_of(category) and not rulebook.cycles:
            yield "cycles", f"{category} has renewal requirements, so say how its cycles run"


def _conflicts_of(rulebook: Rulebook, category: str, purpose: Purpose) -> Found:
    asked = rulebook.requirements_of(category, purpose)
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


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RulebookProblem:
    """One error in a configuration file: where it is, and why it is one."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        """The line that a person reads."""
        return f"{self.file}: {self.key}: {self.reason}"


def parse_rulebook(text: str, file: str) -> tuple[Rulebook | None, list[RulebookProblem]]:
    """Read a rulebook; where there are problems there is no rulebook."""
    rulebook, problems = parse(Rulebook, text, file)
    if rulebook is not None:
        problems = [RulebookProblem(file, key, reason) for key, reason in inconsistencies(rulebook)]
    return (None, problems) if problems else (rulebook, [])


def parse_organizations(text: str, file: str) -> tuple[Organizations | None, list[RulebookProblem]]:
    """Read the file of organizations."""
    found, problems = parse(Organizations, text, file)
    if found is not None:
        twice = repeated("organizations", [o.id for o in found.organizations])
        problems = [RulebookProblem(file, key, reason) for key, reason in twice]
    return (None, problems) if problems else (found, [])


def parse(model: type[Model], text: str, file: str) -> tuple[Model | None, list[RulebookProblem]]:
    """Read ``text`` as TOML of the form ``model``; all problems at once."""
    try:
        return model.model_validate(tomllib.loads(text)), []
    except tomllib.TOMLDecodeError as error:
        return None, [RulebookProblem(file, "the whole file", f"is not TOML: {error}")]
    except ValidationError as error:
        return None, [
            RulebookProblem(file, _key(found["loc"]), _reason(found["msg"], found["input"]))
            for found in _first_causes(error.errors())
        ]


def _first_causes(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """All but those that follow from others: a list whose items are wrong is not empty."""
    for error in errors:
        place = error["loc"]
        inside = (e for e in errors if e["loc"][: len(place)] == place and e["loc"] != place)
        if error["type"] != "too_short" or not any(inside):
            yield error


def _key(location: tuple[int | str, ...]) -> str:
    text = ""
    for step in location:
        # People count from one.
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".") or "the whole file"


def _reason(message: str, value: object) -> str:
    shown = "" if isinstance(value, dict | list | tuple | BaseModel) else f" (found {value!r})"
    return message.removeprefix("Value error, ") + shown
