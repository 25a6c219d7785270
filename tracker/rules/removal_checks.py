"""Whether the removals and reinstatements of a rulebook fit each other and its cycles."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tracker.formatting import MINUTES_IN_HOUR, format_count
from tracker.rules.cycles import Cycle, common_cycle
from tracker.rules.key_checks import number_items
from tracker.rules.lacking import lacks_items, lacks_requirements
from tracker.rules.model import Rulebook
from tracker.rules.month_days import last_month_day_until
from tracker.rules.plan import value_in_force
from tracker.rules.removal_description import list_returning
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule
from tracker.rules.requirement import HOURS, Requirement

_DAY = timedelta(days=1)
# Minutes of sessions in one day that nobody exceeds day after day.
_LONGEST_DAY = 8 * MINUTES_IN_HOUR
# What a reinstatement can require.
_REQUIRABLE = (*HOURS, "membership", "references", "signed", "paid")


def list_removal_problems(
    rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """What would be silently wrong, each with its key and what to write instead.

    ``data`` and ``numbers`` are as in `list_silent_errors`.
    """
    yield from _check_removals(rulebook, data, numbers)
    yield from _check_requirements(rulebook, data, numbers)
    yield from _check_reinstatements(rulebook, data, numbers)


def _check_removals(
    rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """Removals need something that lapses, and a day after it; the first can't end them."""
    has_renewals = any(map(rulebook.requirements_of, rulebook.categories))
    is_known = has_renewals or lacks_requirements(rulebook, data)
    if rulebook.removals and not is_known:
        yield "removals", "no category has renewal requirements, so that nothing ever lapses"
    for key, rule in _number(numbers, "removals", rulebook.removals):
        if rule.removed and (cycle := common_cycle(rulebook.cycles, rule.starts_from)):
            yield from _check_last_day(rulebook, key, rule, cycle)
        if key == "removals[1]" and not rule.removed:
            reason = "it ends removals, and none began before: remove it, or write when they begin"
            yield f"{key}.removed", reason


def _check_reinstatements(
    rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """Reinstatements need somebody who was removed, and something that they require."""
    removes = any(rule.removed for rule in rulebook.removals)
    is_known = removes or lacks_items(rulebook, data, "removals")
    if rulebook.reinstatements and not is_known:
        reason = "nobody is ever removed: add [[removals]], which say when a lapsed endorsement is"
        yield "reinstatements", reason
    for key, rule in _number(numbers, "reinstatements", rulebook.reinstatements):
        if rule.allowed:
            yield from _check_fit(rulebook, key, rule)
            if not lacks_requirements(rulebook, data):
                yield from _check_required(rulebook, key, rule)


def _number(
    numbers: Mapping[str, Sequence[int]], field: str, items: Sequence[Any]
) -> list[tuple[str, Any]]:
    """The items of a list with their keys in the file."""
    return [(f"{field}[{place}]", item) for place, item in number_items(numbers, field, items)]


def _check_last_day(
    rulebook: Rulebook, key: str, rule: RemovalRule, cycle: Cycle
) -> Iterator[tuple[str, str]]:
    """The last day of a lapsed endorsement is after its grace period, and in the next cycle.

    A calendar day between the due date and the end of the grace period would be that of a year
    later. Once the next cycle is over, its own renewal decides.
    """
    grace_ends_on = cycle.grace_ends_on(cycle.due_on)
    kept_through = rule.kept_through(grace_ends_on)
    if rule.after is not None:
        before = last_month_day_until(rule.after, grace_ends_on - _DAY)
        if before >= cycle.due_on:
            reason = (
                f"{before} is before the end of the grace period on {grace_ends_on}, so that the "
                f"removal would be due only after {kept_through}: write a day from "
                f"{grace_ends_on:%m-%d} on, or after_months"
            )
            yield f"{key}.after", reason
            return
    following = common_cycle(rulebook.cycles, cycle.ends_on + _DAY)
    if following is not None and kept_through >= following.ends_on:
        reason = (
            f"what lapses after {grace_ends_on} would be kept through {kept_through}, but the next "
            f"cycle ends on {following.ends_on}, and then only its own renewal can lead to a "
            "removal, so that nobody would be removed: write a shorter time"
        )
        yield key, reason


def _check_requirements(
    rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """What is required of a reinstatement, or paid for it, needs a block that allows one."""
    for key, rule in _number(numbers, "requirements", rulebook.requirements):
        if rule.of == "reinstatement":
            yield from _check_reinstated(key, rule)
        elif rule.window and rule.window.since:
            yield f"{key}.window.since", "since goes with reinstatements: remove it"
    if "reinstatements" in data:
        return
    for field in ("requirements", "fees"):
        for key, rule in _number(numbers, field, getattr(rulebook, field)):
            if rule.of == "reinstatement":
                yield (
                    f"{key}.of",
                    "nobody is ever reinstated: add [[reinstatements]], which say until when",
                )


def _check_reinstated(key: str, rule: Requirement) -> Iterator[tuple[str, str]]:
    """A requirement says which hours of a reinstatement count, and nothing that it ignores."""
    window = rule.window
    if rule.counts not in _REQUIRABLE:
        yield f"{key}.counts", f"a reinstatement can require these: {', '.join(_REQUIRABLE)}"
    is_open = window is None or bool(window.months) == bool(window.since)
    if rule.counts in HOURS and is_open:
        reason = (
            "the hours of a reinstatement need a window: write months = 12, for those of the last "
            'twelve months, or since = "removal"'
        )
        yield f"{key}.window", reason
    for name in ("besides", "inside", "caps", "reviewed", "window.after", "window.while_giving"):
        where, _, part = name.rpartition(".")
        if getattr(window if where else rule, part, None):
            yield f"{key}.{name}", "a reinstatement ignores it: remove it"


def _check_required(
    rulebook: Rulebook, key: str, rule: ReinstatementRule
) -> Iterator[tuple[str, str]]:
    """A reinstatement must require something on its first day, of each category that has one."""
    returning = list_returning(rulebook)
    if not returning:
        yield (
            key,
            'no requirement is of = "reinstatement", so that nobody can be reinstated: add one',
        )
    for category in returning:
        requirements = rulebook.requirements_of(category, "reinstatement")
        if any(value_in_force(each, rule.starts_from, category) for each in requirements):
            continue
        later = [
            value.starts_from
            for each in requirements
            for value in each.values_for(category)
            if value.asked and value.starts_from > rule.starts_from
        ]
        advice = "require something, or write allowed = false"
        if later:
            advice = f"write from = {min(later)}, or an earlier value"
        reason = (
            f"nothing is required of {category} on {rule.starts_from}, so that anybody would be "
            f"reinstated: {advice}"
        )
        yield f"{key}.from", reason


def _check_fit(rulebook: Rulebook, key: str, rule: ReinstatementRule) -> Iterator[tuple[str, str]]:
    """Hours since the removal must fit into the days until the latest day.

    They always fit into a year, as nothing requires more than 1,000 hours.
    """
    latest = rule.latest_on(rule.starts_from)
    if latest is None:
        return
    days = (latest - rule.starts_from).days + 1
    for requirement in rulebook.requirements:
        if requirement.window is None or not requirement.window.since:
            continue
        in_force = [
            value_in_force(requirement, rule.starts_from, category)
            for category in requirement.categories
        ]
        minutes = [each.minutes for each in in_force if each and each.minutes > days * _LONGEST_DAY]
        if minutes:
            hours = f"{max(minutes) / MINUTES_IN_HOUR:g} hours of {requirement.id!r}"
            reason = (
                f"{hours} since the removal do not fit into {format_count(days, 'day')}: write a "
                "later day, or months in its window"
            )
            yield f"{key}.latest_months", reason
