"""A second opinion on what a person's other endorsements change, walked day by day.

Shares nothing with `tracker.rules.history` and `tracker.rules.category_ends`.
"""

from datetime import date, timedelta
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta

from tests.rules.case_data import span
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.rules.model import CycleScheme
from tracker.rules.plan import RenewalPlan

DAY = timedelta(days=1)
# Later than any day on which something in a random case begins or ends.
LATEST = date(2032, 1, 1)


class Held(NamedTuple):
    """One endorsement of a case, with the last day on which it is valid (None: no end)."""

    association: str
    category: str
    starts_on: date
    ends_on: date | None


def read_held(case: dict[str, Any], rulebooks: Rulebooks) -> list[Held]:
    """All of Alice's, in the case's order, each through its last day by rule."""
    recorded = []
    for line in case["endorsed"]:
        association, category, days = line.split()
        recorded.append(Held(association, category, *span(days)))
    return [held._replace(ends_on=last_day(rulebooks, recorded, held)) for held in recorded]


def last_day(rulebooks: Rulebooks, recorded: list[Held], held: Held) -> date | None:
    """The last day before one on which the rules of the category do not hold."""
    rule = rulebooks.associations[held.association].categories.get(held.category)
    if rule is None or not (rule.beside or rule.term_years):
        return held.ends_on
    own = [other for other in recorded if other.association == held.association]
    bases = [
        (base.starts_on, last_day(rulebooks, recorded, base) or date.max)
        for base in own
        if base.category in rule.beside
    ]
    day, has_begun = held.starts_on, not rule.beside
    while day <= (held.ends_on or LATEST):
        is_beside = any(first <= day <= last for first, last in bases)
        is_over = rule.term_years and relativedelta(day, held.starts_on).years >= rule.term_years
        has_become = any(o.category in rule.becomes and o.starts_on == day for o in own)
        is_alone = bool(rule.beside) and has_begun and not is_beside
        if is_over or is_alone or (has_become and day > held.starts_on):
            return day - DAY
        has_begun = has_begun or is_beside
        day += DAY
    return held.ends_on if has_begun else held.starts_on - DAY


def with_history(
    rulebooks: Rulebooks, plan: RenewalPlan, held: Held, everything: list[Held]
) -> RenewalPlan:
    """The plan as the person's other endorsements make it."""
    cycle = plan.cycle
    if cycle is None:
        return plan
    schemes = rulebooks.associations[held.association].cycles
    scheme = [each for each in schemes if each.starts_from <= cycle.starts_on][-1]
    earlier = [o for o in everything if o is not held and o.starts_on < held.starts_on]
    is_dated = not scheme.continues_from or cycle.starts_on >= scheme.continues_from
    is_continued = any(_is_continued(scheme, held, other, cycle.due_on) for other in earlier)
    if cycle.is_first and is_dated and is_continued:
        cycle = cycle_containing(schemes, cycle.starts_on - DAY, cycle.starts_on) or cycle
    since = _held_since(scheme, held, earlier)
    return rulebooks.plan_for(held.association, held.category, cycle, since)


def _is_continued(scheme: CycleScheme, held: Held, other: Held, due_on: date) -> bool:
    if other.ends_on is None or other.ends_on >= due_on:
        return False
    gap = (held.starts_on - DAY - other.ends_on).days
    return _kind(held, other) in scheme.continues and gap <= scheme.continues_within_days


def _held_since(scheme: CycleScheme, held: Held, earlier: list[Held]) -> date:
    counted = [other for other in earlier if _kind(held, other) in scheme.held_counts]
    since = day = held.starts_on
    while (since - day).days <= scheme.held_break_days:
        day -= DAY
        if any(other.starts_on <= day <= (other.ends_on or date.max) for other in counted):
            since = day
    return since


def _kind(held: Held, other: Held) -> str:
    if held.association != other.association:
        return "other association"
    return "same category" if held.category == other.category else "other category"
