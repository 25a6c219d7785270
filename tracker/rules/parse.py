"""Reads configuration files: all errors at once, with file, key, and reason."""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.rules.model import Organizations, Rulebook
from tracker.rules.requirement import PURPOSES, Purpose, Requirement, Source

ConfigModel = TypeVar("ConfigModel", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RulebookProblem:
    """One error in a configuration file: where it is, and what is wrong."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.reason}"


def parse_rulebook(text: str, file: str) -> tuple[Rulebook | None, list[RulebookProblem]]:
    """Read a rulebook; if there are problems, there is no rulebook."""
    rulebook, problems = parse(Rulebook, text, file)
    if rulebook is not None:
        check = _ConsistencyCheck(rulebook, file)
        check.run()
        problems = check.problems
    return (None, problems) if problems else (rulebook, [])


def parse_organizations(text: str, file: str) -> tuple[Organizations | None, list[RulebookProblem]]:
    """Read the file of organizations."""
    organizations, problems = parse(Organizations, text, file)
    if organizations is not None:
        for name in _list_repeated(o.id for o in organizations.organizations):
            problems.append(RulebookProblem(file, "organizations", _format_repeated(name)))
    return (None, problems) if problems else (organizations, [])


def parse(
    model: type[ConfigModel], text: str, file: str
) -> tuple[ConfigModel | None, list[RulebookProblem]]:
    """Read ``text`` as TOML of the form ``model``."""
    try:
        return model.model_validate(tomllib.loads(text)), []
    except tomllib.TOMLDecodeError as error:
        return None, [RulebookProblem(file, "the whole file", f"is not TOML: {error}")]
    except ValidationError as error:
        problems = []
        for details in error.errors():
            if not _follows_from_another(details, error.errors()):
                key, reason = _format_location(details), _format_reason(details)
                problems.append(RulebookProblem(file, key, reason))
        return None, problems


def _follows_from_another(details: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """Whether a list is only "too short" because its items are wrong."""
    place = details["loc"]
    return details["type"] == "too_short" and any(
        other["loc"] != place and other["loc"][: len(place)] == place for other in errors
    )


def _format_location(details: ErrorDetails) -> str:
    """``requirements[3].values[1].hours``, counted from one."""
    text = ""
    for step in details["loc"]:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += f".{step}" if text else step
    return text or "the whole file"


def _format_reason(details: ErrorDetails) -> str:
    # Our own validators raise ValueError, which pydantic keeps here.
    reason = str(details.get("ctx", {}).get("error", details["msg"]))
    value = details["input"]
    if isinstance(value, dict | list | tuple | BaseModel):
        return reason
    return f"{reason} (found {value!r})"


def _list_repeated(names: Iterable[str]) -> list[str]:
    names = list(names)
    return sorted({name for name in names if names.count(name) > 1})


def _format_repeated(name: str) -> str:
    return f"{name!r} is given more than once"


class _ConsistencyCheck:
    """Whether everything that a rulebook names is in it, and nothing contradicts."""

    def __init__(self, rulebook: Rulebook, file: str) -> None:
        self.rulebook = rulebook
        self.file = file
        self.problems: list[RulebookProblem] = []
        self.interpretations = [i.id for i in rulebook.interpretations]

    def run(self) -> None:
        """Collect all problems."""
        rulebook = self.rulebook
        self._require_unique("interpretations", self.interpretations)
        for number, interpretation in enumerate(rulebook.interpretations, 1):
            key = f"interpretations[{number}]"
            self._require(f"{key}.categories", interpretation.categories, rulebook.categories)
            if interpretation.document:
                section = interpretation.section
                self._check_citation(key, Source(document=interpretation.document, section=section))
        self._check_cycles_and_providers()
        for number, requirement in enumerate(rulebook.requirements, 1):
            self._check_requirement(f"requirements[{number}]", requirement)
        for number, advice in enumerate(rulebook.advice, 1):
            self._require(f"advice[{number}].categories", advice.categories, rulebook.categories)
            self._check_citation(f"advice[{number}].source", advice.source)
        for category in rulebook.categories:
            for purpose in PURPOSES:
                self._check_category(category, purpose)
            if rulebook.requirements_of(category) and not rulebook.cycles:
                self._add("cycles", f"{category} has renewal requirements, so it needs cycles")

    def _check_cycles_and_providers(self) -> None:
        for number, scheme in enumerate(self.rulebook.cycles, 1):
            self._require_interpretation(f"cycles[{number}]", scheme.interpretation)
        for name, rule in self.rulebook.providers.items():
            for number, accepted in enumerate(rule.accepts, 1):
                key = f"providers.{name}.accepts[{number}]"
                self._require(f"{key}.categories", accepted.categories, self.rulebook.categories)
                self._check_citation(f"{key}.source", accepted.source)
                self._require_interpretation(key, accepted.interpretation)

    def _check_requirement(self, key: str, requirement: Requirement) -> None:
        rulebook, work, references = self.rulebook, requirement.work, requirement.references
        self._require(f"{key}.categories", requirement.categories, rulebook.categories)
        self._require(f"{key}.providers", [requirement.providers], rulebook.providers)
        self._require(f"{key}.membership", [requirement.membership], rulebook.memberships)
        self._require_interpretation(key, requirement.interpretation)
        self._require(f"{key}.signed", requirement.signed, rulebook.attestations)
        if requirement.counts == "rsc":
            self._require(f"{key}.topic", [requirement.topic], rulebook.topic_names)
        if work:
            self._require(f"{key}.work.services", work.services, rulebook.services)
        if work and work.internship:
            supervisors = work.internship.supervisors
            self._require(f"{key}.work.internship.supervisors", supervisors, rulebook.categories)
        if references:
            references_key = f"{key}.references"
            for number, roles in enumerate(references.slots, 1):
                self._require(f"{references_key}.slots[{number}]", roles, rulebook.roles)
            for slots in references.instead:
                for roles in slots:
                    self._require(f"{references_key}.instead", roles, rulebook.roles)
            endorsed = references.endorsed_roles
            self._require(f"{references_key}.endorsed_roles", endorsed, rulebook.roles)
            categories = references.categories
            self._require(f"{references_key}.categories", categories, rulebook.categories)
        for number, value in enumerate(requirement.values, 1):
            self._check_citation(f"{key}.values[{number}].source", value.source)

    def _check_category(self, category: str, purpose: Purpose) -> None:
        """What one category may have only once, and what it must have beside it."""
        requirements = self.rulebook.requirements_of(category, purpose)
        key = f"{purpose} requirements of {category}"
        self._require_unique(key, [r.id for r in requirements])
        if len({r.providers for r in requirements if r.providers}) > 1:
            self._add(key, "they name more than one provider rule")
        if len({r.membership for r in requirements if r.membership}) > 1:
            self._add(key, "they name more than one membership rule")
        groups = [r.either for r in requirements if r.either]
        for group in sorted(set(groups)):
            if groups.count(group) == 1:
                self._add(key, f"only one has either = {group!r}: an alternative needs another")
        whole = {r.id for r in requirements if r.counts == "rsc" and r.inside is None}
        for requirement in requirements:
            self._require(f"{key}: {requirement.id}.inside", [requirement.inside], whole)

    def _check_citation(self, key: str, source: Source) -> None:
        """The document must be in the rulebook, and have the section if it lists its sections."""
        self._require(f"{key}.document", [source.document], self.rulebook.documents)
        document = self.rulebook.documents.get(source.document)
        if document and document.sections and source.section not in document.sections:
            listed = "; ".join(document.sections)
            reason = f"{source.section!r} is not a section of {source.document!r}, which lists: "
            self._add(f"{key}.section", reason + listed)

    def _require_interpretation(self, key: str, name: str | None) -> None:
        self._require(f"{key}.interpretation", [name], self.interpretations)

    def _require(self, key: str, names: Iterable[str | None], known: Collection[str]) -> None:
        for name in names:
            if name is not None and name not in known:
                listed = ", ".join(sorted(known)) or "none"
                self._add(key, f"{name!r} is not in this file; it has {listed}")

    def _require_unique(self, key: str, names: list[str]) -> None:
        for name in _list_repeated(names):
            self._add(key, _format_repeated(name))

    def _add(self, key: str, reason: str) -> None:
        self.problems.append(RulebookProblem(self.file, key, reason))
