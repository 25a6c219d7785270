"""What a rulebook file has without effect, though its author surely meant something by it.

These are errors of a file only: another reading of it (`readings`) may do without what it has.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tracker.formatting import format_count, format_hours, format_list
from tracker.rules.key_checks import number_items
from tracker.rules.lacking import lacks_items, lacks_requirements
from tracker.rules.model import CycleScheme, Rulebook
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import PURPOSES, Day, Requirement

# Tables, the keys elsewhere that use their names, and what to do with a name that nothing uses.
_USES = {
    "documents": (("document",), "cite it as the document of a source"),
    "providers": (("providers",), 'name it as the providers of a requirement that counts "rsc"'),
    "memberships": (
        ("membership",),
        'name it as the membership of a requirement that counts "membership"',
    ),
    "attestations": (
        ("signed", "attested_by"),
        'name it in signed, in a requirement that counts "signed", or in attested_by',
    ),
    "topic_names": (("topic", "besides"), "name it as the topic of a requirement"),
}
# Keys of [[cycles]] that only change how another key works.
_CONTINUES = ("continues_from", "continues_within_days")
_DAY: TypeAdapter[date] = TypeAdapter(Day)
_CENTURY = timedelta(days=100 * 366)
# In minutes: hours of two decimals are whole minutes only in such steps, as 0.05 hours are.
_STEP = 3


def list_silent_errors(
    rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """Each key of a file that has no effect, or not the one meant, and what to write instead.

    ``data`` is the whole file, of which ``rulebook`` may lack what has errors of its own;
    ``numbers`` are the places in the file of the items that are left of a list, from one.
    """
    yield from _list_unused(rulebook, data)
    yield from _list_distant_days(data)
    yield from _list_keys_without_continues(data)
    if not lacks_requirements(rulebook, data):
        yield from _list_idle_certificates(rulebook, numbers)
    numbered = number_items(numbers, "requirements", rulebook.requirements)
    schemes = () if lacks_items(rulebook, data, "cycles") else rulebook.cycles
    seen = set()
    for category in rulebook.categories:
        years = rulebook.years_that_matter(category)
        for purpose in PURPOSES:
            together = [
                (number, each)
                for number, each in numbered
                if each.of == purpose and category in each.categories
            ]
            found = [
                *_list_large_parts(together, category, years),
                *_list_large_years(together, category, years, schemes),
            ]
            for problem in found:
                # Several categories may share both requirements.
                if problem not in seen:
                    seen.add(problem)
                    yield problem


def _list_unused(rulebook: Rulebook, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the file defines and nothing in it uses.

    A misspelled name has an error of its own, from which this would only follow.
    """
    if lacks_items(rulebook, data, "requirements"):
        return
    for table, (keys, advice) in _USES.items():
        defined = data.get(table)
        if not isinstance(defined, dict):
            continue
        used: set[str] = set()
        for name, part in data.items():
            if name != table:
                used.update(_list_names(part, keys))
        # Training topics need no name, RSC topics do.
        named = _list_rsc_topics(data) if table == "topic_names" else used
        if named - defined.keys():
            continue
        for name in defined:
            if name not in used:
                yield f"{table}.{name}", f"nothing in this file uses it: {advice}, or remove it"


def _list_rsc_topics(data: Mapping[str, Any]) -> set[str]:
    requirements = [r for r in data.get("requirements", ()) if isinstance(r, dict)]
    rsc = [requirement for requirement in requirements if requirement.get("counts") == "rsc"]
    return set(_list_names(rsc, ("topic",)))


def _list_names(value: Any, keys: Sequence[str], *, is_name: bool = False) -> Iterator[str]:  # noqa: ANN401
    """Every text below one of ``keys``, on all levels of a part of a file."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _list_names(part, keys, is_name=is_name or key in keys)
    elif isinstance(value, list):
        for part in value:
            yield from _list_names(part, keys, is_name=is_name)
    elif is_name and isinstance(value, str):
        yield value


def _list_distant_days(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Days so far from all others that a digit must be wrong: 2206 for 2026."""
    days = list(_list_days(data, ""))
    if not days:
        return
    middle = sorted(day for _, day in days)[len(days) // 2]
    for key, day in days:
        if abs(day - middle) > _CENTURY:
            yield key, f"{day} is more than a century from {middle}: write the year that is meant"


def _list_days(value: Any, key: str) -> Iterator[tuple[str, date]]:  # noqa: ANN401
    """Every day in a file, with its key, but those that are refused anyway."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _list_days(part, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, part in enumerate(value, 1):
            yield from _list_days(part, f"{key}[{number}]")
    elif type(value) is date:
        try:
            yield key, _DAY.validate_python(value)
        except ValidationError:
            return


def _list_keys_without_continues(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    blocks = data.get("cycles")
    for number, block in enumerate(blocks if isinstance(blocks, list) else (), 1):
        if not isinstance(block, dict) or block.get("continues"):
            continue
        for key in _CONTINUES:
            if key in block:
                reason = "goes with continues, which is missing here: write continues, or remove it"
                yield f"cycles[{number}].{key}", reason


def _list_idle_certificates(
    rulebook: Rulebook, numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """The rules about certificates by which nobody ever gets one."""
    for place, rule in number_items(numbers, "certificates", rulebook.certificates):
        # An unknown name is another error.
        named = [
            each for each in rule.categories or rulebook.categories if each in rulebook.categories
        ]
        if named and not rule.first and not any(rulebook.requirements_of(name) for name in named):
            reason = (
                f"no renewal of {format_list(named)} can be accepted, so nobody gets a certificate:"
                " name a category with renewal requirements, or write first = true"
            )
            yield f"certificates[{place}]", reason


def _list_large_parts(
    numbered: Sequence[tuple[int, Requirement]], category: str, years: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """Parts of hours that are more than the whole hours on some day, of one category's rules.

    ``years`` are the years held that change what is required.
    """
    for number, part in numbered:
        for _, whole in numbered:
            if _is_part(part, whole):
                for held in (0, *years):
                    whom = category, held
                    yield from _compare_sizes(f"requirements[{number}]", part, whole, whom)


def _is_part(part: Requirement, whole: Requirement) -> bool:
    """Whether the hours of one requirement always count for the other too, in the same time."""
    if whole.each_year != part.each_year:
        return False
    if part.counts == "rsc":
        return whole.counts == "rsc" and part.inside == whole.id
    is_whole = whole.counts == "training" and whole.topic is None
    return bool(part.topic) and is_whole and part.topic not in whole.besides


def _list_large_years(
    numbered: Sequence[tuple[int, Requirement]],
    category: str,
    years: Sequence[int],
    schemes: Sequence[CycleScheme],
) -> Iterator[tuple[str, str]]:
    """Hours of each year that come to more than the hours of the whole cycle, so those are idle."""
    for number, part in numbered:
        for _, whole in numbered:
            if _is_yearly_part(part, whole):
                for held in (0, *years):
                    whom = category, held
                    yield from _compare_years(f"requirements[{number}]", part, whole, whom, schemes)


def _is_yearly_part(part: Requirement, whole: Requirement) -> bool:
    """Whether what one requirement counts in each year always counts for the other, too."""
    is_yearly = part.each_year and not whole.each_year and part.of == "renewal"
    if not is_yearly or part.counts != whole.counts or part.providers != whole.providers:
        return False
    has_formats = not whole.formats or (
        bool(part.formats) and set(part.formats) <= set(whole.formats)
    )
    return has_formats and whole.topic in (None, part.topic)


def _compare_years(
    key: str,
    part: Requirement,
    whole: Requirement,
    whom: tuple[str, int],
    schemes: Sequence[CycleScheme],
) -> Iterator[tuple[str, str]]:
    for day in sorted({value.starts_from for value in (*part.values, *whole.values)}):
        small, large = value_in_force(part, day, *whom), value_in_force(whole, day, *whom)
        started = [scheme.years for scheme in schemes if scheme.starts_from <= day]
        if (
            small
            and large
            and started
            and large.minutes
            and small.minutes * started[-1] > large.minutes
        ):
            place, count = part.values.index(small) + 1, started[-1]
            yearly, total = format_hours(small.minutes), format_hours(small.minutes * count)
            steps = large.minutes // (count * _STEP)
            whole_hours, most = format_hours(large.minutes), format_hours(steps * _STEP)
            reason = (
                f"from {day} on {yearly} hours in each year of a cycle of "
                f"{format_count(count, 'year')} would be {total} of the {whole_hours} hours of "
                f"{whole.id!r}, which they are a part of: write at most {most}, or more hours there"
            )
            yield f"{key}.values[{place}].hours", reason
            return


def _compare_sizes(
    key: str, part: Requirement, whole: Requirement, whom: tuple[str, int]
) -> Iterator[tuple[str, str]]:
    """Compare what is required of a category, held for so many years."""
    for day in sorted({value.starts_from for value in (*part.values, *whole.values)}):
        small, large = value_in_force(part, day, *whom), value_in_force(whole, day, *whom)
        if small and large and large.minutes and small.minutes > large.minutes:
            place = part.values.index(small) + 1
            reason = (
                f"from {day} on it would be {small.hours:g} of the {large.hours:g} hours of "
                f"{whole.id!r}, which it is a part of: write at most {large.hours:g}, or more "
                f"hours there"
            )
            yield f"{key}.values[{place}].hours", reason
            return
