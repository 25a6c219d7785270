"""Whether everything that a rulebook names is in it, and nothing contradicts."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from tracker.formatting import format_list
from tracker.rules.cycles import whole_cycle
from tracker.rules.model import CycleScheme, Interpretation, Rulebook
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import (
    MONTHS_IN_YEAR,
    PURPOSES,
    Cap,
    Purpose,
    Requirement,
    Source,
    Value,
)

_DAY = timedelta(days=1)


def list_repetitions(names: Iterable[str]) -> list[str]:
    """What is wrong with names of which each may be given once."""
    counts = Counter(names)
    return [f"{name!r} is given more than once" for name in sorted(counts) if counts[name] > 1]


# The parts of a rulebook that name others.
_NAMING = ("interpretations", "cycles", "providers", "requirements", "ratings", "advice")
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
    "attested_by": "attestations",
    "document": "documents",
}


class ConsistencyCheck:
    """Whether everything that a rulebook names is in it, and nothing contradicts."""

    def __init__(
        self, rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
    ) -> None:
        """``data`` is the whole file, of which ``rulebook`` may lack what has errors of its own.

        ``numbers`` are the places in the file of the items that are left of a list, from one.
        """
        self.rulebook = rulebook
        self.data = data
        self.numbers = numbers
        self.problems: list[tuple[str, str]] = []
        self.known: dict[str, Collection[str]] = {}
        for table in set(_TABLES.values()):
            in_file = data.get(table)
            self.known[table] = in_file if isinstance(in_file, dict) else getattr(rulebook, table)
        self.known["interpretations"] = _list_ids(data.get("interpretations"))

    def run(self) -> None:
        """Collect all problems, each with its key."""
        for reason in list_repetitions(self.known["interpretations"]):
            self._add("interpretations", reason)
        self._check_all_names()
        for category in self.rulebook.categories:
            for purpose in PURPOSES:
                self._check_category(category, purpose)
            if self.rulebook.requirements_of(category) and "cycles" not in self.data:
                self._add("cycles", f"{category} has renewal requirements, so it needs cycles")
        self._check_cycles()
        self._check_ratings()
        for number, requirement in self._number("requirements", self.rulebook.requirements):
            if requirement.of == "renewal":
                key = f"requirements[{number}]"
                self._check_days(key, requirement)
                self._check_months(key, requirement)
                for place, cap in enumerate(requirement.caps, 1):
                    self._check_days(f"{key}.caps[{place}]", cap)
                    self._check_cap(f"{key}.caps[{place}]", cap, requirement)

    def _check_all_names(self) -> None:
        for field in _NAMING:
            value = getattr(self.rulebook, field)
            if isinstance(value, tuple):
                for number, item in self._number(field, value):
                    self._check_names(f"{field}[{number}]", item)
            else:
                self._check_names(field, value)

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
        ids = [r.id for r in requirements]
        if purpose == "renewal":
            ids = self.rulebook.renewal_ids(category)
        for reason in list_repetitions(ids):
            self._add(key, reason)
        if len({r.providers for r in requirements} - {None}) > 1:
            self._add(key, "they name more than one provider rule")
        if len({r.membership for r in requirements} - {None}) > 1:
            self._add(key, "they name more than one membership rule")
        self._check_alternatives(key, requirements)
        self._check_submission(key, requirements)

    def _check_alternatives(self, key: str, requirements: Sequence[Requirement]) -> None:
        groups = Counter(r.either for r in requirements)
        whole_rsc = [r.id for r in requirements if r.counts == "rsc" and r.inside is None]
        for requirement in requirements:
            group = requirement.either
            if group and groups[group] == 1:
                self._add(key, f"only one has either = {group!r}: an alternative needs another")
            self._require(f"{key}: {requirement.id}.inside", requirement.inside, whole_rsc)

    def _check_submission(self, key: str, requirements: Sequence[Requirement]) -> None:
        """What is signed with a renewal is signed when it is submitted."""
        submitted = [r.id for r in requirements if r.counts == "submitted"]
        if len(submitted) > 1:
            self._add(key, f"{format_list(submitted)} all count submitted: leave one")
        if not submitted:
            for requirement in requirements:
                if requirement.of == "renewal" and (requirement.signed or requirement.attested_by):
                    self._add(
                        f"{key}: {requirement.id}",
                        "statements are signed when the renewal is submitted: add a requirement "
                        'with counts = "submitted"',
                    )

    def _check_ratings(self) -> None:
        """No category has two questions with one id on the same day."""
        numbered = self._number("ratings", self.rulebook.ratings)
        for place, (number, question) in enumerate(numbered):
            for other_number, other in numbered[:place]:
                shared = sorted({*question.categories}.intersection(other.categories))
                starts_on = max(question.starts_from, other.starts_from)
                if question.id == other.id and any(
                    question.is_asked(each, starts_on) and other.is_asked(each, starts_on)
                    for each in shared
                ):
                    reason = (
                        f"{question.id!r} is also ratings[{other_number}], which asks for "
                        f"{', '.join(shared)} on {starts_on}: write another id, or until in one"
                    )
                    self._add(f"ratings[{number}].id", reason)

    def _check_cycles(self) -> None:
        """Each block's cycles must be whole, unless it says what shortened ones require."""
        numbered = self._number("cycles", self.rulebook.cycles)
        for number, scheme in numbered:
            if scheme.kind == "fixed" and scheme.short_cycle is None:
                self._check_end(f"cycles[{number}].ends_on", scheme)
        for (_, earlier), (number, later) in pairwise(numbered):
            if earlier.short_cycle is None:
                self._check_change(f"cycles[{number}].from", earlier, later)

    def _check_end(self, key: str, scheme: CycleScheme) -> None:
        """A fixed block must begin with a whole cycle."""
        starts_on, ends_on = whole_cycle(scheme, scheme.starts_from)
        if starts_on != scheme.starts_from:
            last = whole_cycle(scheme, scheme.starts_from, scheme.starts_from)[1]
            reason = (
                f"{scheme.ends_on} does not fit years = {scheme.years} and from = "
                f"{scheme.starts_from}: write {last}, or from = {starts_on} or "
                f"{ends_on + _DAY}, or add short_cycle, which says what the shortened "
                f"cycle through {ends_on} requires"
            )
            self._add(key, reason)

    def _check_change(self, key: str, earlier: CycleScheme, later: CycleScheme) -> None:
        """A change within a cycle would require all its hours of the part before the change."""
        if earlier.kind == "fixed":
            starts_on, ends_on = whole_cycle(earlier, later.starts_from)
            if starts_on == later.starts_from:
                return
            reason = (
                f"{later.starts_from} is within the cycle from {starts_on} to {ends_on}, so its "
                f"hours would be required twice: write {ends_on + _DAY}, or add short_cycle to the "
                "block before, which says what the shortened cycle requires"
            )
        else:
            reason = (
                f"anniversary cycles would be cut short on {later.starts_from}, and hours would be "
                "required twice: add short_cycle to the block before, which says what shortened "
                "cycles require"
            )
        self._add(key, reason)

    def _check_months(self, key: str, requirement: Requirement) -> None:
        """A session can't fall in more months than a cycle, or its year, has."""
        for number, value in enumerate(requirement.values, 1):
            schemes = [s for s in self.rulebook.cycles if s.starts_from <= value.starts_from]
            years = 1 if requirement.each_year or not schemes else schemes[-1].years
            if value.months and value.months > years * MONTHS_IN_YEAR:
                reason = f"{value.months} months do not fit into {years * MONTHS_IN_YEAR}"
                self._add(f"{key}.values[{number}].months", reason)

    def _check_cap(self, key: str, cap: Cap, requirement: Requirement) -> None:
        """A cap limits nothing unless it is less than what is required at the same time."""
        starts = {value.starts_from for value in (*cap.values, *requirement.values)}
        for day in sorted(starts):
            limit, required = value_in_force(cap, day), value_in_force(requirement, day)
            if limit and required and limit.minutes >= required.minutes:
                reason = (
                    f"on {day} it lets {limit.hours:g} hours count of {required.hours:g} that are "
                    "required, so it limits nothing: write fewer hours, or end it on that day"
                )
                self._add(key, reason)
                return

    def _check_days(self, key: str, requirement: Requirement | Cap) -> None:
        """Values that miss a cycle's first or last day by one."""
        for number, value in enumerate(requirement.values, 1):
            schemes = [s for s in self.rulebook.cycles if s.starts_from <= value.starts_from]
            if schemes and schemes[-1].kind == "fixed":
                cycle = whole_cycle(schemes[-1], value.starts_from)
                self._check_day(f"{key}.values[{number}].from", value, *cycle)

    def _check_day(self, key: str, value: Value, starts_on: date, ends_on: date) -> None:
        day, following = value.starts_from, ends_on + _DAY
        if value.asked and day == starts_on + _DAY:
            missed, right = "second", f"{starts_on}, or {following} for the next cycle"
        elif not value.asked and day == ends_on:
            missed, right = "last", f"{following}, or {starts_on} for this cycle too"
        else:
            return
        reason = f"{day} is the {missed} day of the cycle from {starts_on}, which therefore would "
        self._add(key, f"{reason}not require it: write {right}")

    def _number(self, field: str, items: Sequence[Any]) -> list[tuple[int, Any]]:
        """The items of a list with their places in the file."""
        return list(zip(self.numbers.get(field, range(1, len(items) + 1)), items, strict=True))

    def _add(self, key: str, reason: str) -> None:
        self.problems.append((key, reason))


def _list_ids(items: object) -> list[str]:
    tables = items if isinstance(items, list) else []
    return [str(item["id"]) for item in tables if isinstance(item, dict) and "id" in item]
