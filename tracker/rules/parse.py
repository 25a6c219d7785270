"""Reads configuration files: all errors at once, with file, key, and reason."""

import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.rules.model import Interpretation, Organizations, Rulebook
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
        for reason in _list_repetitions(o.id for o in organizations.organizations):
            problems.append(RulebookProblem(file, "organizations", reason))
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
                # Our own validators raise ValueError, which pydantic keeps in ctx.
                reason = str(details.get("ctx", {}).get("error", details["msg"]))
                if not isinstance(details["input"], dict | list | tuple | BaseModel):
                    reason += f" (found {details['input']!r})"
                problems.append(RulebookProblem(file, _format_location(details), reason))
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


def _list_repetitions(names: Iterable[str]) -> list[str]:
    """What is wrong with names of which each may be given once."""
    counts = Counter(names)
    return [f"{name!r} is given more than once" for name in sorted(counts) if counts[name] > 1]


# Fields whose values must be keys of a table (or ids of a list) of the rulebook.
_TABLES = {
    "categories": "categories",
    "supervisors": "categories",
    "providers": "providers",
    "membership": "memberships",
    "interpretation": "interpretations",
    "services": "services",
    "slots": "roles",
    "instead": "roles",
    "endorsed_roles": "roles",
    "signed": "attestations",
    "document": "documents",
}


class _ConsistencyCheck:
    """Whether everything that a rulebook names is in it, and nothing contradicts."""

    def __init__(self, rulebook: Rulebook, file: str) -> None:
        self.rulebook = rulebook
        self.file = file
        self.problems: list[RulebookProblem] = []
        self.known: dict[str, Collection[str]] = {
            table: getattr(rulebook, table) for table in set(_TABLES.values())
        }
        self.known["interpretations"] = [i.id for i in rulebook.interpretations]

    def run(self) -> None:
        """Collect all problems."""
        for reason in _list_repetitions(self.known["interpretations"]):
            self._add("interpretations", reason)
        for field in ("interpretations", "cycles", "providers", "requirements", "advice"):
            self._check_names(field, getattr(self.rulebook, field))
        for category in self.rulebook.categories:
            for purpose in PURPOSES:
                self._check_category(category, purpose)
            if self.rulebook.requirements_of(category) and not self.rulebook.cycles:
                self._add("cycles", f"{category} has renewal requirements, so it needs cycles")

    def _check_names(self, key: str, value: object) -> None:
        """Check everything that ``value`` names, on all levels."""
        if isinstance(value, dict):
            for name, item in value.items():
                self._check_names(f"{key}.{name}", item)
        elif isinstance(value, tuple):
            for number, item in enumerate(value, 1):
                self._check_names(f"{key}[{number}]", item)
        elif isinstance(value, BaseModel):
            self._check_fields(key, value)

    def _check_fields(self, key: str, model: BaseModel) -> None:
        for name, value in model:
            if name in _TABLES:
                self._require(f"{key}.{name}", value, self.known[_TABLES[name]])
            else:
                self._check_names(f"{key}.{name}", value)
        if isinstance(model, Source | Interpretation):
            document = self.rulebook.documents.get(model.document or "")
            # If the document lists its sections, a citation must name one of them.
            if document and document.sections and model.section not in document.sections:
                listed = "; ".join(document.sections)
                reason = f"{model.section!r} is not a section of {model.document!r}, which lists: "
                self._add(f"{key}.section", f"{reason}{listed}")
        if isinstance(model, Requirement) and model.counts == "rsc":
            self._require(f"{key}.topic", model.topic, self.rulebook.topic_names)

    def _require(self, key: str, names: object, known: Collection[str]) -> None:
        """``names`` must be in ``known``: a name, a tuple of them, or of such tuples; or None."""
        if isinstance(names, tuple):
            for number, name in enumerate(names, 1):
                is_group = isinstance(name, tuple)
                self._require(f"{key}[{number}]" if is_group else key, name, known)
        elif names is not None and names not in known:
            listed = ", ".join(sorted(known)) or "none"
            self._add(key, f"{names!r} is not in this file; it has {listed}")

    def _check_category(self, category: str, purpose: Purpose) -> None:
        """What one category may have only once, and what it must have beside it."""
        requirements = self.rulebook.requirements_of(category, purpose)
        key = f"{purpose} requirements of {category}"
        for reason in _list_repetitions(r.id for r in requirements):
            self._add(key, reason)
        if len({r.providers for r in requirements} - {None}) > 1:
            self._add(key, "they name more than one provider rule")
        if len({r.membership for r in requirements} - {None}) > 1:
            self._add(key, "they name more than one membership rule")
        self._check_alternatives(key, requirements)

    def _check_alternatives(self, key: str, requirements: Sequence[Requirement]) -> None:
        groups = Counter(r.either for r in requirements)
        whole_rsc = [r.id for r in requirements if r.counts == "rsc" and r.inside is None]
        for requirement in requirements:
            group = requirement.either
            if group and groups[group] == 1:
                self._add(key, f"only one has either = {group!r}: an alternative needs another")
            self._require(f"{key}: {requirement.id}.inside", requirement.inside, whole_rsc)

    def _add(self, key: str, reason: str) -> None:
        self.problems.append(RulebookProblem(self.file, key, reason))
