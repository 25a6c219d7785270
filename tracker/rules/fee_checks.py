"""Whether the fees of a rulebook fit its requirements."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tracker.formatting import format_count
from tracker.rules.cycles import Cycle, common_cycle, cycle_containing
from tracker.rules.fees import Fee, FeeValue
from tracker.rules.key_checks import number_items
from tracker.rules.lacking import lacks_requirements
from tracker.rules.model import Rulebook
from tracker.rules.month_days import last_month_day_until
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import PURPOSES, Purpose, Requirement, Value

_HALF_A_YEAR = timedelta(days=183)


def list_repetitions(names: Iterable[str]) -> list[str]:
    """What is wrong with names of which each may be given once."""
    counts = Counter(names)
    return [f"{name!r} is given more than once" for name in sorted(counts) if counts[name] > 1]


def list_fee_problems(
    rulebook: Rulebook, data: Mapping[str, Any], category: str
) -> list[tuple[str, str]]:
    """What is wrong with the fees of one category, each with its key.

    An id names one fee of a category, a fee is due with a renewal or a reinstatement, and a payment
    is required only while there is a fee to pay. ``data`` is the whole file, of which ``rulebook``
    may lack what has errors of its own.
    """
    ids = [fee.id for purpose in PURPOSES for fee in rulebook.fees_of(category, purpose)]
    problems = [(f"fees of {category}", reason) for reason in list_repetitions(ids)]
    for purpose in PURPOSES:
        problems += _check_purpose(rulebook, data, category, purpose)
    return problems


def _check_purpose(
    rulebook: Rulebook, data: Mapping[str, Any], category: str, purpose: Purpose
) -> Iterator[tuple[str, str]]:
    """What is wrong with the fees of one category's renewals or reinstatements."""
    fees = rulebook.fees_of(category, purpose)
    requirements = rulebook.requirements_of(category, purpose)
    is_due = requirements or lacks_requirements(rulebook, data)
    if fees and not is_due:
        reason = f"{category} has no {purpose} requirements, so that no fee is ever due"
        yield f"fees of {category}", reason
    wrong_fees = _list_wrong_fees(rulebook, data)
    known = [each for each in requirements if each.fee not in wrong_fees]
    for name, reason in _check_paid(known, fees, category):
        yield f"{purpose} requirements of {category}{name}", reason


def _list_wrong_fees(rulebook: Rulebook, data: Mapping[str, Any]) -> set[str]:
    """The ids of fees with errors of their own, from which others would only follow."""
    tables = data.get("fees", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        return {each.fee for each in rulebook.requirements if each.fee}
    ids = Counter(str(each.get("id")) for each in tables)
    return {*(ids - Counter(fee.id for fee in rulebook.fees))}


def list_late_problems(
    rulebook: Rulebook, numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """Late amounts that nobody ever owes, as the renewal has lapsed by then, or that all owe."""
    for place, fee in number_items(numbers, "fees", rulebook.fees):
        for number, value in enumerate(fee.values, 1):
            day = value.starts_from
            common = common_cycle(rulebook.cycles, day)
            cycle = common or cycle_containing(rulebook.cycles, day, day)
            key = f"fees[{place}].values[{number}]"
            if cycle and value.late_after_days is not None:
                yield from _check_late_days(f"{key}.late_after_days", value.late_after_days, cycle)
            if common and value.late_after is not None:
                yield from _check_late_day(f"{key}.late_after", value.late_after, common)


def _check_late_days(key: str, days: int, cycle: Cycle) -> Iterator[tuple[str, str]]:
    longest = (cycle.grace_ends_on(cycle.due_on) - cycle.due_on).days
    if days > longest:
        reason = (
            f"the grace period ends {format_count(longest, 'day')} after the due date, so that the "
            f"late amount is never due: write at most {longest}"
        )
        yield key, reason


def _check_late_day(key: str, name: str, cycle: Cycle) -> Iterator[tuple[str, str]]:
    """A day of the year that comes only after the grace period is that of the year before."""
    grace_ends_on = cycle.grace_ends_on(cycle.due_on)
    day = last_month_day_until(name, grace_ends_on)
    if cycle.due_on - day > _HALF_A_YEAR:
        reason = (
            f"only what is paid through {day} would be on time for the renewal that is due on "
            f"{cycle.due_on}, because its grace period ends on {grace_ends_on}: write a day up to "
            "the end of the grace period"
        )
        yield key, reason


def _check_paid(
    requirements: Iterable[Requirement], fees: Iterable[Fee], category: str
) -> Iterator[tuple[str, str]]:
    """What is wrong with requirements that a fee is paid, after the rest of each key."""
    paid = [(each, each.fee) for each in requirements if each.fee is not None]
    for reason in list_repetitions(name for _, name in paid):
        yield "", f"the fee {reason}"
    by_id = {fee.id: fee for fee in fees}
    for requirement, name in paid:
        if name not in by_id:
            listed = ", ".join(sorted(by_id)) or "none"
            reasons = [f"{name!r} is no fee of this category; it has {listed}"]
        else:
            reasons = _list_unpayable(requirement, by_id[name], category)
        for reason in reasons:
            yield f": {requirement.id}.fee", reason


def _list_unpayable(requirement: Requirement, fee: Fee, category: str) -> list[str]:
    """The days on which a payment is required of a category, and its fee is not asked."""
    values: tuple[Value | FeeValue, ...] = (*requirement.values, *fee.values)
    return [
        f"the fee {fee.id!r} is not asked on {day}, when its payment is required"
        for day in sorted({value.starts_from for value in values})
        if value_in_force(requirement, day, category) and not fee.value_on(day)
    ]
