"""Whether the removals and reinstatements of a rulebook fit each other and its cycles."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tracker.rules.cycles import common_cycle
from tracker.rules.lacking import lacks_items, lacks_requirements
from tracker.rules.model import Rulebook
from tracker.rules.month_days import last_month_day_until
from tracker.rules.plan import value_in_force
from tracker.rules.removal_description import list_returning
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule
from tracker.rules.requirement import HOURS, Requirement

_DAY = timedelta(days=1)
# Minutes of sessions in one day that nobody exceeds day after day.
_LONGEST_DAY = 8 * 60
# What a reinstatement can require.
_REQUIRABLE = (*HOURS, "membership", "references", "signed", "paid")


def list_removal_problems(
    rulebook: Rulebook, data: Mapping[str, Any], numbers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str]]:
    """What would be silently wrong, each with its key and what to write instead.

    ``data`` and ``numbers`` are as in `list_silent_errors`.
    """
    removals = _number(numbers, "removals", rulebook.removals)
    reinstatements = _number(numbers, "reinstatements", rulebook.reinstatements)
    if not lacks_requirements(rulebook, data):
        yield from _check_what_is_required(rulebook, removals, reinstatements)
    for key, rule in removals:
        if rule.removed and rule.after is not None:
            yield from _check_calendar_day(rulebook, key, rule, rule.after)
    yield from _check_requirements(rulebook, data, numbers)
    yield from _check_order(removals)
    if reinstatements and _removes_nobody(rulebook, data):
        reason = "nobody is ever removed: add [[removals]], which say when a lapsed endorsement is"
        yield "reinstatements", reason


def _check_what_is_required(
    rulebook: Rulebook,
    removals: Sequence[tuple[str, RemovalRule]],
    reinstatements: Sequence[tuple[str, ReinstatementRule]],
) -> Iterator[tuple[str, str]]:
    if removals and not any(map(rulebook.requirements_of, rulebook.categories)):
        yield "removals", "no category has renewal requirements, so that nothing ever lapses"
    for key, reinstatement in reinstatements:
        yield from _check_reinstatement(rulebook, key, reinstatement)


def _check_order(removals: Sequence[tuple[str, RemovalRule]]) -> Iterator[tuple[str, str]]:
    """The first block can't end what has not begun."""
    for key, rule in removals[:1]:
        if not rule.removed:
            reason = "it ends removals, and none began before: remove it, or write when they begin"
            yield f"{key}.removed", reason


def _removes_nobody(rulebook: Rulebook, data: Mapping[str, Any]) -> bool:
    """Whether no block removes anybody; one that has errors of its own may."""
    is_whole = not lacks_items(rulebook, data, "removals")
    return is_whole and not any(rule.removed for rule in rulebook.removals)


def _number(
    numbers: Mapping[str, Sequence[int]], field: str, items: Sequence[Any]
) -> list[tuple[str, Any]]:
    """The items of a list with their keys in the file."""
    places = numbers.get(field, range(1, len(items) + 1))
    return [(f"{field}[{place}]", item) for place, item in zip(places, items, strict=True)]


def _check_calendar_day(
    rulebook: Rulebook, key: str, rule: RemovalRule, month_day: str
) -> Iterator[tuple[str, str]]:
    """A day between the due date and the end of the grace period would be that of a year later."""
    cycle = common_cycle(rulebook.cycles, rule.starts_from)
    if cycle is None:
        return
    grace_ends_on = cycle.grace_ends_on(cycle.due_on)
    before = last_month_day_until(month_day, grace_ends_on - _DAY)
    if cycle.due_on <= before < grace_ends_on:
        reason = (
            f"{before} is before the end of the grace period on {grace_ends_on}, so that the "
            f"removal would be due only after {rule.kept_through(grace_ends_on)}: write a day from "
            f"{grace_ends_on:%m-%d} on, or after_months"
        )
        yield f"{key}.after", reason


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


def _check_reinstatement(
    rulebook: Rulebook, key: str, rule: ReinstatementRule
) -> Iterator[tuple[str, str]]:
    """A reinstatement must require something on its first day, of each category that has one."""
    if not rule.allowed:
        return
    # Of categories with errors of their own, this would only follow.
    if "reinstatement" not in {each.of for each in rulebook.requirements}:
        yield (
            key,
            'no requirement is of = "reinstatement", so that nobody can be reinstated: add one',
        )
    for category in list_returning(rulebook):
        requirements = rulebook.requirements_of(category, "reinstatement")
        if any(value_in_force(each, rule.starts_from, category) for each in requirements):
            yield from _check_time(rulebook, key, rule, category)
            continue
        first = min(value.starts_from for each in requirements for value in each.values)
        reason = (
            f"nothing is required of {category} on {rule.starts_from}, so that anybody would be "
            f"reinstated: write from = {max(first, rule.starts_from)}, or an earlier value"
        )
        yield f"{key}.from", reason


def _check_time(
    rulebook: Rulebook, key: str, rule: ReinstatementRule, category: str
) -> Iterator[tuple[str, str]]:
    """Hours since the removal must fit into the days until the latest day."""
    latest = rule.latest_on(rule.starts_from)
    if latest is None:
        return
    for requirement in rulebook.requirements_of(category, "reinstatement"):
        value = value_in_force(requirement, rule.starts_from, category)
        if value is None or requirement.window is None or not requirement.window.since:
            continue
        days = (latest - rule.starts_from).days + 1
        if value.minutes > days * _LONGEST_DAY:
            reason = (
                f"{value.hours:g} hours of {requirement.id!r} since the removal do not fit into "
                f"{days} days: write a later day, or months in its window"
            )
            yield f"{key}.{'latest_months' if rule.latest_months else 'latest_years'}", reason
