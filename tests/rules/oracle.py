"""A second opinion: what a case's people owe and have, counted day by day and entry by entry.

Slow and plain on purpose, and sharing nothing with the database's sums, the providers' spans
and the judgment but the plan (what is asked), which has an oracle of its own in the cycles.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta

from tests.rules.case_data import span
from tracker.rulebooks import Rulebooks
from tracker.rules.model import AcceptedProvider
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.requirement import DEGREES
from tracker.rules.standing import DaySum, Facts, Span, Standing

DAY = timedelta(days=1)
OUTCOMES = ("met", "waived", "excused")
Row = tuple[str, int, int, int, str]


class Logged(NamedTuple):
    """An entry of Alice's, read from the words of a case."""

    activity: str
    day: date
    minutes: int
    topics: dict[str, int]
    provider: str | None
    format: str | None = None


class Opinion(NamedTuple):
    """A standing without its sources: status, due date, and each requirement's figures."""

    status: str
    due_on: date | None
    rows: tuple[Row, ...]


def opinion_of(standing: Standing | None) -> Opinion | None:
    """The part of a standing on which the oracle has an opinion too."""
    if standing is None:
        return None
    rows = tuple(
        (r.requirement.id, r.required, r.counted, r.short, r.outcome.value)
        for r in standing.results
    )
    return Opinion(standing.status.value, standing.due_on, rows)


def read_entry(line: str) -> Logged:
    """Read `training 6h DEIA 1h 2024-03-02` and the like; hours are whole minutes here."""
    words, _, provider = line.partition(" with ")
    activity, hours, *parts, day = words.split(" ")
    session_format = parts.pop() if len(parts) % 2 else None
    topics = dict(zip(parts[::2], map(_minutes, parts[1::2]), strict=True))
    held_on = date.fromisoformat(day)
    return Logged(activity, held_on, _minutes(hours), topics, provider or None, session_format)


def _minutes(text: str) -> int:
    hours, minutes = re.fullmatch(r"(\d+):(\d\d)", text).groups()  # type: ignore[union-attr]
    return int(hours) * 60 + int(minutes)


def read_facts(
    case: dict[str, Any], rulebooks: Rulebooks, endorsement: str, plan: RenewalPlan
) -> Facts:
    """Everything of one endorsement of Alice's that does not depend on the as-of date."""
    association, category, days = endorsement.split()
    starts_on, ends_on = span(days)
    accepted = (
        rulebooks.accepted_organizations(plan.membership_rule) if plan.membership_rule else ()
    )
    memberships = [line.split() for line in case["members"]]
    own = f"{association} {category} "
    cycle_starts_on = str(plan.cycle.starts_on) if plan.cycle else ""
    mine = {key: [s.removeprefix(own) for s in case[key] if s.startswith(own)] for key in KEYS}
    extended = [s.split()[1] for s in mine["extended"] if s.startswith(cycle_starts_on)]
    return Facts(
        subject_id=0,
        person_id=0,
        email="",
        name="",
        starts_on=starts_on,
        ends_on=ends_on,
        provides_rsc=case["provides_rsc"],
        minutes={},
        memberships=tuple(_span(days) for name, days in memberships if name in accepted),
        leaves=tuple(_span(days) for days in mine["leave"]),
        waived=tuple(s.split()[1] for s in mine["waived"] if s.startswith(cycle_starts_on)),
        extended_due_on=date.fromisoformat(extended[0]) if extended and plan.cycle else None,
    )


KEYS = ("leave", "waived", "extended")


def _span(days: str) -> Span:
    starts_on, ends_on = span(days)
    return Span(starts_on, ends_on or date.max)


def facts_on(
    case: dict[str, Any], rulebooks: Rulebooks, facts: Facts, plan: RenewalPlan, as_of: date
) -> Facts:
    """The facts with the hours that count up to a day, summed entry by entry."""
    cycle = plan.cycle
    if cycle is None:
        return facts
    sums: Counter[str] = Counter()
    ahead: list[date] = []
    days: list[DaySum] = []
    for entry in map(read_entry, case["entries"]):
        if not cycle.starts_on <= entry.day <= cycle.ends_on:
            continue
        if entry.day > as_of:
            ahead.append(entry.day)
        elif entry.activity == "training":
            sums["training"] += entry.minutes
            sums.update({f"topic:{name}": part for name, part in entry.topics.items()})
            days += _list_days(entry)
        elif qualifies(
            rulebooks, plan.provider_rule, case["providers"].get(entry.provider), entry.day
        ):
            sums["rsc"] += entry.minutes
            days += _list_days(entry)
    return facts._replace(
        minutes=dict(sums), next_entry_on=min(ahead, default=None), days=tuple(days)
    )


def _list_days(entry: Logged) -> Iterator[DaySum]:
    """The whole entry, then its parts about topics."""
    for topic, minutes in [(None, entry.minutes), *entry.topics.items()]:
        yield DaySum(entry.day, entry.activity, entry.format, topic, minutes)


def qualifies(rulebooks: Rulebooks, name: str | None, held: list[str] | None, day: date) -> bool:
    """Whether a provider with these credentials is qualified on the day."""
    if held is None or name is None:
        return False
    association, rule = rulebooks.provider_rules[name]
    return any(_accepted(accepted, association, held, day) for accepted in rule.accepts)


def _accepted(accepted: AcceptedProvider, association: str, held: list[str], day: date) -> bool:
    if day < (accepted.starts_from or day) or day > (accepted.until or day):
        return False
    degree = max(DEGREES.index(h.split()[1]) for h in ["degree none", *held] if "degree" in h)
    if degree < DEGREES.index(accepted.degree or "none"):
        return False
    for holding in (h for h in held if "degree" not in h):
        first, second, days = holding.split()
        starts_on, ends_on = span(days)
        if not starts_on <= day <= (ends_on or day):
            continue
        if accepted.vetted and (first, second) == ("vetted", association):
            return True
        if first != "vetted" and second in accepted.categories:
            return True
    return False


def expect(plan: RenewalPlan, facts: Facts, as_of: date) -> Opinion | None:
    """How a renewal stands, said as the sources and the issue say it."""
    if as_of < facts.starts_on:
        return None
    if plan.cycle is None:
        over = facts.ends_on is not None and facts.ends_on < as_of
        return None if over else Opinion("no rules", None, ())
    due_on = facts.extended_due_on or plan.cycle.due_on
    if facts.ends_on is not None and facts.ends_on < due_on:
        return None
    asked = [a for a in plan.requirements if facts.provides_rsc or not a.only_rsc_providers]
    rows = tuple(_row(requirement, plan, facts, as_of) for requirement in asked)
    if all(row[4] in OUTCOMES for row in rows):
        return Opinion("met", due_on, rows)
    if any(leave.starts_on <= due_on <= leave.ends_on for leave in facts.leaves):
        excused = tuple((*r[:3], 0, "excused") if r[4] == "short" else r for r in rows)
        return Opinion("excused", due_on, excused)
    grace = [due_on + DAY * n for n in range(1, plan.cycle.grace_days + 1)]
    status = "open" if as_of <= due_on else "overdue" if as_of in grace else "lapsed"
    return Opinion(status, due_on, rows)


def _row(requirement: PlannedRequirement, plan: RenewalPlan, facts: Facts, as_of: date) -> Row:
    if requirement.counts == "membership":
        days = _membership_days(requirement, plan, facts, as_of)
        required = len(days)
        counted = sum(any(m.starts_on <= d <= m.ends_on for m in facts.memberships) for d in days)
    elif requirement.needs_days:
        required, counted = requirement.amount, _count(requirement, facts)
    else:
        required = requirement.amount
        counted = facts.minutes.get(
            f"topic:{requirement.topic}" if requirement.topic else requirement.counts, 0
        )
    if requirement.id in facts.waived:
        return requirement.id, required, counted, 0, "waived"
    if requirement.is_exempt:
        return requirement.id, required, counted, 0, "excused"
    short = max(0, required - counted)
    return requirement.id, required, counted, short, "short" if short else "met"


def _count(requirement: PlannedRequirement, facts: Facts) -> int:
    """The minutes, or months, of a requirement that asks when and how sessions were held.

    Minute for minute: each takes the room that it needs under every cap, if there is some left.
    """
    rule, year = requirement.rule, requirement.year
    left = {cap: cap.minutes for cap in requirement.caps}
    counted, months = 0, set()
    for day in facts.days:
        if year and day.held_on not in [year.starts_on + DAY * n for n in range(366)]:
            continue
        if year and day.held_on > year.ends_on:
            continue
        if rule.formats and day.format not in rule.formats:
            continue
        if day.topic is None and day.activity != requirement.counts:
            continue
        mine = day.topic == requirement.topic
        months |= {str(day.held_on)[:7]} if mine else set()
        capped = [c for c in left if (day.topic and c.topic == day.topic)]
        if day.topic is None:
            capped = [c for c in left if c.formats and day.format in c.formats]
        room = min([left[cap] for cap in capped], default=day.minutes)
        fits = min(day.minutes, room)
        for cap in capped:
            left[cap] -= fits
        if mine:
            counted += fits
        elif capped:
            counted -= day.minutes - fits
    return len(months) if requirement.unit == "months" else counted


def _membership_days(
    requirement: PlannedRequirement, plan: RenewalPlan, facts: Facts, as_of: date
) -> list[date]:
    assert plan.cycle
    cycle = plan.cycle
    last = min(as_of, cycle.ends_on)
    day, days = max(cycle.starts_on, facts.starts_on), [last]
    while requirement.each_year and day < last:
        since = relativedelta(day + DAY, cycle.starts_on)
        if since.years and not since.months and not since.days:
            days.append(day)
        day += DAY
    return days
