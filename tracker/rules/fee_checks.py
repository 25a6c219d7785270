"""Whether the fees of a rulebook fit its requirements."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from tracker.rules.cycles import Cycle, common_cycle, cycle_containing
from tracker.rules.fees import Fee, FeeValue
from tracker.rules.model import Rulebook
from tracker.rules.month_days import last_month_day_until
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import PURPOSES, Requirement, Value

_HALF_A_YEAR = timedelta(days=183)


def list_repetitions(names: Iterable[str]) -> list[str]:
    """What is wrong with names of which each may be given once."""
    counts = Counter(names)
    return [f"{name!r} is given more than once" for name in sorted(counts) if counts[name] > 1]


def list_fee_problems(
    rulebook: Rulebook, category: str, wrong_fees: Collection[str | None] = ()
) -> list[tuple[str, str]]:
    """What is wrong with the fees of one category, each with its key.

    An id names one fee of a category, and a payment is required only while there is a fee to pay.
    ``wrong_fees`` are the ids of fees in the file
    that have errors of their own, so that the rulebook lacks them.
    """
    key = f"fees of {category}"
    ids = [fee.id for purpose in PURPOSES for fee in rulebook.fees_of(category, purpose)]
    problems = [(key, reason) for reason in list_repetitions(ids)]
    for purpose in PURPOSES:
        fees = rulebook.fees_of(category, purpose)
        requirements = rulebook.requirements_of(category, purpose)
        known = [each for each in requirements if each.fee not in wrong_fees]
        for name, reason in _check_paid(known, fees, category):
            problems.append((f"{purpose} requirements of {category}{name}", reason))
    return problems


def list_idle_fees(rulebook: Rulebook, category: str) -> Iterator[tuple[str, str]]:
    """What a category has fees of without any requirement: those of it are never due."""
    for purpose in PURPOSES:
        is_required = bool(rulebook.requirements_of(category, purpose))
        if rulebook.fees_of(category, purpose) and not is_required:
            reason = f"{category} has no {purpose} requirements, so that no fee is ever due"
            yield f"fees of {category}", reason


def list_late_problems(
    rulebook: Rulebook, numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """Late amounts that nobody ever owes, as the renewal has lapsed by then, or that all owe."""
    places = numbers.get("fees", range(1, len(rulebook.fees) + 1))
    for place, fee in zip(places, rulebook.fees, strict=True):
        for number, value in enumerate(fee.values, 1):
            day = value.starts_from
            cycle = common_cycle(rulebook.cycles, day) or cycle_containing(
                rulebook.cycles, day, day
            )
            key = f"fees[{place}].values[{number}]"
            if cycle is not None and value.late_after_days is not None:
                yield from _check_late_days(f"{key}.late_after_days", value.late_after_days, cycle)
            elif common_cycle(rulebook.cycles, day) and cycle and value.late_after is not None:
                yield from _check_late_day(f"{key}.late_after", value.late_after, cycle)


def _check_late_days(key: str, days: int, cycle: Cycle) -> Iterator[tuple[str, str]]:
    longest = (cycle.grace_ends_on(cycle.due_on) - cycle.due_on).days
    if days > longest:
        reason = (
            f"the grace period ends {longest} days after the due date, so that the late "
            f"amount is never due: write less than {longest}"
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
    paid = [requirement for requirement in requirements if requirement.fee is not None]
    for reason in list_repetitions(str(requirement.fee) for requirement in paid):
        yield "", f"the fee {reason}"
    by_id = {fee.id: fee for fee in fees}
    for requirement in paid:
        for reason in _list_unpayable(requirement, by_id, category):
            yield f": {requirement.id}.fee", reason


def _list_unpayable(requirement: Requirement, fees: dict[str, Fee], category: str) -> list[str]:
    """The days on which a payment is required of a category, and its fee is not asked."""
    fee = fees.get(requirement.fee or "")
    if fee is None:
        listed = ", ".join(sorted(fees)) or "none"
        return [f"{requirement.fee!r} is no fee of this category; it has {listed}"]
    values: tuple[Value | FeeValue, ...] = (*requirement.values, *fee.values)
    return [
        f"the fee {fee.id!r} is not asked on {day}, when its payment is required"
        for day in sorted({value.starts_from for value in values})
        if value_in_force(requirement, day, category) and not fee.value_on(day)
    ]
