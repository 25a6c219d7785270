"""Whether everything that a rulebook names is in it, and nothing contradicts."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from pydantic import BaseModel

from tracker.formatting import format_list
from tracker.rules.absence_rules import AbsenceRule
from tracker.rules.cycle_checks import list_cycle_problems
from tracker.rules.cycles import common_cycle, end_of_years, whole_cycle
from tracker.rules.fee_checks import list_fee_problems, list_late_problems, list_repetitions
from tracker.rules.fees import Fee, FeeValue
from tracker.rules.key_checks import number_items
from tracker.rules.lacking import lacks_items, lacks_requirements
from tracker.rules.model import CycleScheme, Interpretation, Rulebook
from tracker.rules.plan import cap_in_force, value_in_force
from tracker.rules.removal_checks import list_removal_problems
from tracker.rules.requirement import (
    HOURS,
    MONTHS_IN_YEAR,
    PURPOSES,
    Cap,
    Purpose,
    Requirement,
    Source,
    Value,
)
from tracker.rules.similar_names import describe_known

_DAY = timedelta(days=1)
# The parts of a rulebook that name others.
_NAMING = (
    *("categories", "interpretations", "cycles", "absences", "providers", "requirements"),
    *("fees", "certificates", "removals", "reinstatements"),
    "ratings",
    "advice",
)
# Fields whose values must be keys of a table (or ids of a list) of the rulebook.
_TABLES = {
    "categories": "categories",
    "supervisors": "categories",
    "beside": "categories",
    "becomes": "categories",
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
# Fields of the same names that are words.
_WORDS = {(AbsenceRule, "membership")}


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
        # None: what has the names is missing or no table, which is an error of its own.
        self.known: dict[str, Collection[str] | None] = {}
        for table in {*_TABLES.values(), "topic_names"}:
            in_file = data.get(table, {})
            self.known[table] = in_file if isinstance(in_file, dict) else None
        self.known["interpretations"] = _list_ids(data.get("interpretations", []))

    def run(self) -> None:
        """Collect all problems, each with its key."""
        for reason in list_repetitions(self.known["interpretations"] or ()):
            self._add("interpretations", reason)
        self._check_own_values()
        self._check_all_names()
        for category in self.rulebook.categories:
            for purpose in PURPOSES:
                self._check_category(category, purpose)
            if self.rulebook.requirements_of(category) and "cycles" not in self.data:
                self._add("cycles", f"{category} has renewal requirements, so it needs cycles")
            self.problems += list_fee_problems(self.rulebook, self.data, category)
        self._check_ends()
        is_whole = not lacks_items(self.rulebook, self.data, "cycles")
        cycles = self._number("cycles")
        self.problems += list_cycle_problems(cycles, is_whole=is_whole)
        for number, scheme in cycles:
            self._check_first_cycle(f"cycles[{number}].first_cycle_exempts", scheme)
        self._check_years_held()
        self._check_absences()
        self._check_ratings()
        self.problems += list_removal_problems(self.rulebook, self.data, self.numbers)
        self._check_renewals()
        if is_whole:
            self._check_values_in_cycles()
            self.problems += list_late_problems(self.rulebook, self.numbers)

    def _check_own_values(self) -> None:
        rulebook = self.rulebook
        # A currency with an error of its own is there.
        if rulebook.fees and not rulebook.currency_code and not self.data.get("currency"):
            reason = f"locale {rulebook.locale!r} has no country: write currency, such as USD"
            self._add("currency", reason)
        if rulebook.registry and ("/" in rulebook.id or rulebook.id.endswith(".json")):
            reason = (
                f"the registry needs an id that can stand in its address, /registry/{rulebook.id}: "
                "write one without a slash that does not end with .json"
            )
            self._add("id", reason)

    def _check_renewals(self) -> None:
        for number, requirement in self._number("requirements"):
            if requirement.of == "renewal":
                key = f"requirements[{number}]"
                for place, cap in enumerate(requirement.caps, 1):
                    self._check_cap(f"{key}.caps[{place}]", cap, requirement)
                self._check_return(f"{key}.asked_of", requirement)

    def _check_values_in_cycles(self) -> None:
        for number, requirement in self._number("requirements"):
            if requirement.of == "renewal":
                key = f"requirements[{number}]"
                self._check_days(key, requirement)
                self._check_months(key, requirement)
                for place, cap in enumerate(requirement.caps, 1):
                    self._check_days(f"{key}.caps[{place}]", cap)
        for number, fee in self._number("fees"):
            if fee.of == "renewal":
                self._check_days(f"fees[{number}]", fee)

    def _check_all_names(self) -> None:
        for field in _NAMING:
            value = getattr(self.rulebook, field)
            if isinstance(value, tuple):
                for number, item in self._number(field):
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
            if _is_name(model, name):
                self._require(f"{key}.{name}", value, self.known[_TABLES[name]])
            else:
                self._check_names(f"{key}.{name}", value)
        if isinstance(model, Source | Interpretation) and model.document:
            document = self.rulebook.documents.get(model.document)
            # If the document lists its sections, a citation must name one of them.
            if document and document.sections and model.section not in document.sections:
                listed = "; ".join(document.sections)
                reason = f"{model.section!r} is not a section of {model.document!r}, which lists: "
                self._add(f"{key}.section", f"{reason}{listed}")
        if isinstance(model, Requirement) and model.counts == "rsc":
            self._require(f"{key}.topic", model.topic, self.known["topic_names"])

    def _require(self, key: str, names: object, known: Collection[str] | None) -> None:
        """``names`` must be in ``known``: a name, a tuple of them, or of such tuples; or None.

        All are accepted if ``known`` is None.
        """
        if known is None:
            return
        if isinstance(names, tuple):
            for number, name in enumerate(names, 1):
                is_group = isinstance(name, tuple)
                self._require(f"{key}[{number}]" if is_group else key, name, known)
        elif names is not None and names not in known:
            self._add(key, f"{names!r} is not in this file{describe_known(str(names), known)}")

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
        if lacks_items(self.rulebook, self.data, "requirements"):
            return
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
        # The one that is missing may be one that has errors of its own.
        if not submitted and not lacks_items(self.rulebook, self.data, "requirements"):
            for requirement in requirements:
                if requirement.of == "renewal" and (requirement.signed or requirement.attested_by):
                    self._add(
                        f"{key}: {requirement.id}",
                        "statements are signed when the renewal is submitted: add a requirement "
                        'with counts = "submitted"',
                    )

    def _check_ends(self) -> None:
        """Categories that end with others must not wait for each other, or for no cycle's end."""
        is_anniversary = any(scheme.kind == "anniversary" for scheme in self.rulebook.cycles)
        for name, category in self.rulebook.categories.items():
            for key, others in (("beside", category.beside), ("becomes", category.becomes)):
                if name in others:
                    self._add(f"categories.{name}.{key}", f"{name} is the category itself")
            if name not in category.beside and name in self._list_bases(name):
                reason = "it lasts as long as others that last as long as it does: break the circle"
                self._add(f"categories.{name}.beside", reason)
            if category.beside and is_anniversary and self.rulebook.requirements_of(name):
                reason = (
                    f"with anniversary cycles, a renewal of {name} would not end with that of the "
                    "endorsement beside it: use fixed cycles, or require nothing of it"
                )
                self._add(f"categories.{name}.beside", reason)

    def _list_bases(self, name: str) -> list[str]:
        """The categories beside which one lasts, and theirs; its own only in a circle."""
        categories = self.rulebook.categories
        found = [*categories[name].beside]
        for base in found:  # which grows meanwhile
            if base in categories:
                found += [each for each in categories[base].beside if each not in found]
        return found

    def _check_ratings(self) -> None:
        """No category has two questions with one id on the same day."""
        numbered = self._number("ratings")
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

    def _check_years_held(self) -> None:
        """How years are counted changes nothing unless some value depends on them."""
        categories = self.rulebook.categories
        if any(self.rulebook.years_that_matter(category) for category in categories):
            return
        if lacks_requirements(self.rulebook, self.data):
            return
        for number, scheme in self._number("cycles"):
            if scheme.counts_years:
                reason = "no value of a renewal has held_years, which this goes with: remove it"
                self._add(f"cycles[{number}].held_counts", reason)

    def _check_first_cycle(self, key: str, scheme: CycleScheme) -> None:
        """What a first cycle exempts by name must be there, and not be exempt anyway."""
        counted = {r.id: r.counts for r in self.rulebook.requirements if r.of == "renewal"}
        for name in scheme.first_cycle_exempts:
            self._require(key, name, self._list_renewal_ids())
            if counted.get(name) in HOURS and scheme.first_cycle == "no hours":
                self._add(key, f'first_cycle = "no hours" exempts {name!r} already: remove it')
        for reason in list_repetitions(scheme.first_cycle_exempts):
            self._add(key, reason)

    def _check_absences(self) -> None:
        """What leave and inactive status excuse must be there, and not too much for a moment."""
        numbered = self._number("absences")
        for number, rule in numbered:
            key = f"absences[{number}]"
            self._check_excused(f"{key}.requirements", rule)
            self._check_first_day(f"{key}.from", rule.starts_from)
            if rule.excuses == "all that is missing":
                later = [r.starts_from for _, r in numbered if r.kind == rule.kind]
                until = min((day for day in later if day > rule.starts_from), default=date.max)
                self._check_length(f"{key}.excuses", rule, until)

    def _check_excused(self, key: str, rule: AbsenceRule) -> None:
        counts = {r.id: r.counts for r in self.rulebook.requirements if r.of == "renewal"}
        for requirement_id in rule.requirements:
            what = counts.get(requirement_id)
            if what is None:
                self._require(key, requirement_id, self._list_renewal_ids())
            elif what == "membership":
                reason = f'{requirement_id!r} is a membership: write membership = "excused" instead'
                self._add(key, reason)
            elif rule.excuses == "hours in proportion" and what not in HOURS:
                reason = f"{requirement_id!r} counts {what!r}, which has no hours to reduce"
                self._add(key, reason)

    def _check_first_day(self, key: str, day: date) -> None:
        """A rule that begins on the second day of a cycle misses it by one."""
        schemes = [s for s in self.rulebook.cycles if s.starts_from <= day]
        if schemes and schemes[-1].kind == "fixed":
            starts_on, ends_on = whole_cycle(schemes[-1], day)
            if day == starts_on + _DAY:
                reason = (
                    f"{day} is the second day of the cycle from {starts_on}, whose renewals it "
                    f"therefore would not be about: write {starts_on}, or {ends_on + _DAY} for "
                    "the next cycle"
                )
                self._add(key, reason)

    def _check_length(self, key: str, rule: AbsenceRule, until: date) -> None:
        """A month across the due date must not excuse several years."""
        years = max(self._list_cycle_years(rule.starts_from, until), default=1)
        shortest = rule.shortest_end(rule.starts_from)
        is_long = shortest and shortest >= end_of_years(rule.starts_from, 1)
        if years > 1 and not is_long:
            reason = (
                f"a day of it on the due date would excuse {years} years: write "
                '"hours in proportion", or a shortest_months of at least one year'
            )
            self._add(key, reason)

    def _check_return(self, key: str, requirement: Requirement) -> None:
        """Somebody must be able to return from inactive status."""
        is_returning = requirement.asked_of == "those who return from inactive status"
        is_inactive = any(r.kind == "inactive" and r.allowed for r in self.rulebook.absences)
        if (
            is_returning
            and not is_inactive
            and not lacks_items(self.rulebook, self.data, "absences")
        ):
            reason = "nobody is asked: there is no inactive status without absences of that kind"
            self._add(key, reason)

    def _check_months(self, key: str, requirement: Requirement) -> None:
        """Sessions can't fall in more months than the shortest cycle, or its year, has."""
        for number, value in enumerate(requirement.values, 1):
            group = requirement.grouped_values[value.group]
            later = [v.starts_from for v in group if v.starts_from > value.starts_from]
            cycles = self._list_cycle_years(value.starts_from, min(later, default=date.max))
            # Cycles that are missing are another error.
            years = 1 if requirement.each_year else min(cycles, default=None)
            if value.months and years and value.months > years * MONTHS_IN_YEAR:
                reason = f"{value.months} months do not fit into {years * MONTHS_IN_YEAR}"
                self._add(f"{key}.values[{number}].months", reason)

    def _list_cycle_years(self, day: date, until: date) -> Iterator[int]:
        """The years of a cycle in each block that has days from ``day`` until before ``until``."""
        schemes = self.rulebook.cycles
        for place, scheme in enumerate(schemes, 1):
            has_later_days = all(following.starts_from > day for following in schemes[place:])
            if has_later_days and scheme.starts_from < until:
                yield scheme.years

    def _check_cap(self, key: str, cap: Cap, requirement: Requirement) -> None:
        """A cap limits nothing unless it is less than what is required at the same time."""
        starts = {value.starts_from for value in (*cap.values, *requirement.values)}
        for day in sorted(starts):
            limit, required = cap_in_force(cap, day), _find_most_hours(requirement, day)
            if limit and required and limit.minutes >= required.minutes:
                reason = (
                    f"on {day} it lets {limit.hours:g} hours count of {required.hours:g} that are "
                    "required, so it limits nothing: write fewer hours, or end it on that day"
                )
                self._add(key, reason)
                return

    def _check_days(self, key: str, rule: Requirement | Cap | Fee) -> None:
        """Values that miss a cycle's first or last day by one."""
        values: tuple[Value | FeeValue, ...] = rule.values
        for number, value in enumerate(values, 1):
            cycle = common_cycle(self.rulebook.cycles, value.starts_from)
            if cycle is not None:
                place = f"{key}.values[{number}].from"
                self._check_day(place, value, cycle.starts_on, cycle.ends_on)

    def _check_day(self, key: str, value: Value | FeeValue, starts_on: date, ends_on: date) -> None:
        day, following = value.starts_from, ends_on + _DAY
        if value.asked and day == starts_on + _DAY:
            missed, right = "second", f"{starts_on}, or {following} for the next cycle"
        elif not value.asked and day == ends_on:
            missed, right = "last", f"{following}, or {starts_on} for this cycle too"
        else:
            return
        reason = f"{day} is the {missed} day of the cycle from {starts_on}, which therefore would "
        self._add(key, f"{reason}not require it: write {right}")

    def _list_renewal_ids(self) -> list[str] | None:
        """The ids of renewal requirements, also of those with errors; None if not all are known."""
        in_file = self.data.get("requirements", [])
        if isinstance(in_file, list):
            in_file = [
                each
                for each in in_file
                if not isinstance(each, dict) or each.get("of", "renewal") == "renewal"
            ]
        return _list_ids(in_file)

    def _number(self, field: str) -> list[tuple[int, Any]]:
        """The items of a list with their places in the file."""
        return number_items(self.numbers, field, getattr(self.rulebook, field))

    def _add(self, key: str, reason: str) -> None:
        self.problems.append((key, reason))


def _is_name(model: BaseModel, field: str) -> bool:
    """Whether a field of the file has names of other parts."""
    return field in _TABLES and (type(model), field) not in _WORDS


def _list_ids(items: object) -> list[str] | None:
    """The ids in a list of tables; None if one has none, or it is no such list."""
    tables: list[Any] = items if isinstance(items, list) else [items]
    if not all(isinstance(table, dict) and "id" in table for table in tables):
        return None
    return [str(table["id"]) for table in tables]


def _find_most_hours(requirement: Requirement, day: date) -> Value | None:
    """The value in force on a day that requires the most hours, of whatever endorsements."""
    found = []
    for category in requirement.categories:
        for years in {value.held_years for value in requirement.values}:
            if value := value_in_force(requirement, day, category, years):
                found.append(value)
    return max(found, key=lambda value: value.minutes, default=None)
