"""From a TOML text to a rulebook, or to every problem in it at once."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.rules.schema import PURPOSES, Organizations, Requirement, Rulebook

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a configuration file: where it is, and why it is one."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        """The line that a person reads."""
        return f"{self.file}: {self.key}: {self.reason}"


def parse_rulebook(text: str, file: str) -> tuple[Rulebook | None, list[Problem]]:
    """Read a rulebook; where there are problems there is no rulebook."""
    rulebook, problems = parse(Rulebook, text, file)
    if rulebook is not None:
        problems = [Problem(file, key, reason) for key, reason in _dangling(rulebook)]
    return (None, problems) if problems else (rulebook, [])


def parse_organizations(text: str, file: str) -> tuple[Organizations | None, list[Problem]]:
    """Read the file of organizations."""
    found, problems = parse(Organizations, text, file)
    if found is not None:
        repeated = _repeated("organizations", [o.id for o in found.organizations])
        problems = [Problem(file, key, reason) for key, reason in repeated]
    return (None, problems) if problems else (found, [])


def parse(model: type[Model], text: str, file: str) -> tuple[Model | None, list[Problem]]:
    """Read ``text`` as TOML of the form ``model``; all problems at once."""
    try:
        return model.model_validate(tomllib.loads(text)), []
    except tomllib.TOMLDecodeError as error:
        return None, [Problem(file, "the whole file", f"is not TOML: {error}")]
    except ValidationError as error:
        return None, [
            Problem(file, _key(found["loc"]), _reason(found["msg"], found["input"]))
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


def _dangling(book: Rulebook) -> Iterator[tuple[str, str]]:
    """Everything that points to something that the rulebook does not hold."""
    readings = {i.id for i in book.interpretations}
    yield from _repeated("interpretations", [i.id for i in book.interpretations])
    for number, interpretation in enumerate(book.interpretations, 1):
        if interpretation.document:
            yield from _missing(
                f"interpretations[{number}].document", interpretation.document, book.documents
            )
    for number, scheme in enumerate(book.cycles, 1):
        yield from _missing(f"cycles[{number}].interpretation", scheme.interpretation, readings)
    for name, rule in book.providers.items():
        for number, accepted in enumerate(rule.accepts, 1):
            key = f"providers.{name}.accepts[{number}]"
            for category in accepted.categories:
                yield from _missing(f"{key}.categories", category, book.categories)
            yield from _missing(f"{key}.source.document", accepted.source.document, book.documents)
            yield from _missing(f"{key}.interpretation", accepted.interpretation, readings)
    for number, requirement in enumerate(book.requirements, 1):
        yield from _dangling_requirement(book, f"requirements[{number}]", requirement, readings)
    for number, advice in enumerate(book.advice, 1):
        key = f"advice[{number}]"
        for category in advice.categories:
            yield from _missing(f"{key}.categories", category, book.categories)
        yield from _missing(f"{key}.source.document", advice.source.document, book.documents)
    yield from _conflicts(book)


def _dangling_requirement(
    book: Rulebook, key: str, requirement: Requirement, readings: set[str]
) -> Iterator[tuple[str, str]]:
    for category in requirement.categories:
        yield from _missing(f"{key}.categories", category, book.categories)
    yield from _missing(f"{key}.providers", requirement.providers, book.providers)
    yield from _missing(f"{key}.membership", requirement.membership, book.memberships)
    yield from _missing(f"{key}.interpretation", requirement.interpretation, readings)
    for name in _named_categories(requirement):
        yield from _missing(f"{key}: categories of others", name, book.categories)
    for number, value in enumerate(requirement.values, 1):
        yield from _missing(
            f"{key}.values[{number}].source.document", value.source.document, book.documents
        )


def _named_categories(requirement: Requirement) -> Iterator[str]:
    """The categories that referees, or the supervisors of an internship, are asked to hold."""
    if requirement.references:
        yield from requirement.references.categories
    if requirement.work and requirement.work.internship:
        yield from requirement.work.internship.supervisors


def _missing(
    key: str, name: str | None, known: Mapping[str, object] | set[str]
) -> Iterator[tuple[str, str]]:
    if name is not None and name not in known:
        yield key, f"{name!r} is not in this file; it has {', '.join(sorted(known)) or 'none'}"


def _repeated(key: str, ids: list[str]) -> Iterator[tuple[str, str]]:
    for repeated in sorted({i for i in ids if ids.count(i) > 1}):
        yield key, f"{repeated!r} stands there more than once"


def _conflicts(book: Rulebook) -> Iterator[tuple[str, str]]:
    """What one category may have only once."""
    for category in book.categories:
        for purpose in PURPOSES:
            asked = book.requirements_of(category, purpose)
            key = f"{purpose} requirements of {category}"
            yield from _repeated(key, [r.id for r in asked])
            if len({r.providers for r in asked if r.providers}) > 1:
                yield key, "they name more than one provider rule"
            if len({r.membership for r in asked if r.membership}) > 1:
                yield key, "they name more than one membership rule"
            for requirement in asked:
                yield from _missing(
                    f"{key}: {requirement.id}.inside", requirement.inside, {r.id for r in asked}
                )
        if book.requirements_of(category) and not book.cycles:
            yield "cycles", f"{category} has renewal requirements, so say how its cycles run"
