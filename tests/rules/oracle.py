"""A second opinion: what a case's people owe and have, counted day by day and entry by entry.

Slow and plain on purpose, and sharing nothing with the database's sums, the providers' spans
and the judgment but the plan (what is asked), which has an oracle of its own in the cycles.
"""

import re
from calendar import isleap
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from tests.rules.calendar_walk import anniversary_in
from tests.rules.case_data import span
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import AbsenceRule
from tracker.rules.fees import PaidShare
from tracker.rules.model import AcceptedProvider
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.requirement import DEGREES
from tracker.rules.standing import Absence, DaySum, Facts, Span, Standing, Submitted

DAY = timedelta(days=1)
OUTCOMES = ("met", "waived", "excused", "attested")
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
    accepted: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    if plan.membership_rule:
        accepted = rulebooks.accepted_organizations(plan.membership_rule)
        kinds = plan.rulebook.memberships[plan.membership_rule.split("/")[1]].kinds
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
        memberships=tuple(
            _span(days)
            for name, *kind, days in memberships
            if name in accepted and (kind or ["individual"])[0] in kinds
        ),
        leaves=tuple(
            Absence(*_span(days), kind)
            for kind in ("leave", "inactive", "emeritus")
            for days in mine[kind]
        ),
        waived=tuple(s.split()[1] for s in mine["waived"] if s.startswith(cycle_starts_on)),
        extended_due_on=date.fromisoformat(extended[0]) if extended and plan.cycle else None,
    )


KEYS = ("leave", "inactive", "emeritus", "waived", "extended")


def _span(days: str) -> Span:
    starts_on, ends_on = span(days)
    return Span(starts_on, ends_on or date.max)


def facts_on(
    case: dict[str, Any], rulebooks: Rulebooks, facts: Facts, plan: RenewalPlan, as_of: date
) -> Facts:
    """The facts with all that counts up to a day, the hours summed entry by entry."""
    cycle = plan.cycle
    if cycle is None:
        return facts
    own = f"{plan.association} {plan.category} {cycle.starts_on} "
    signed = [x.removeprefix(own).split() for x in case.get("submitted", ()) if x.startswith(own)]
    paid = [x.removeprefix(own).split() for x in case.get("payments", ()) if x.startswith(own)]
    facts = facts._replace(
        submitted=next(
            (
                Submitted(day, frozenset(keys))
                for first, *keys in signed
                if (day := _local_day(plan, first)) <= as_of
            ),
            None,
        ),
        payments=tuple(
            PaidShare(fee, date.fromisoformat(day), round(float(amount) * 100))
            for fee, amount, day in paid
            if date.fromisoformat(day) <= as_of
        ),
    )
    sums: Counter[str] = Counter()
    dated = [_local_day(plan, first) for first, *_ in signed]
    dated += [date.fromisoformat(day) for _, _, day in paid]
    ahead = [day for day in dated if day > as_of]
    days: list[DaySum] = []
    for entry in map(read_entry, case["entries"]):
        if not cycle.counts_from <= entry.day <= cycle.ends_on:
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
        minutes=dict(sums), next_fact_on=min(ahead, default=None), days=tuple(days)
    )


def _local_day(plan: RenewalPlan, day: str) -> date:
    """The day at the association when it is 22:00 UTC, as `case_data` submits."""
    zone = ZoneInfo(plan.rulebook.time_zone)
    return datetime.combine(date.fromisoformat(day), time(22), UTC).astimezone(zone).date()


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
    holdings = tuple(h for h in held if "degree" not in h and _is_kind(accepted, association, h))
    if not any(starts_on <= day <= (ends_on or day) for starts_on, ends_on in map(_days, holdings)):
        return False
    return accepted.held_years is None or day >= _reached_on(holdings, day, accepted.held_years)


def _is_kind(accepted: AcceptedProvider, association: str, holding: str) -> bool:
    first, second, _ = holding.split()
    if accepted.vetted:
        return first == "vetted" and second in (accepted.associations or [association])
    is_there = not accepted.associations or first in accepted.associations
    return first != "vetted" and second in accepted.categories and is_there


def _days(holding: str) -> tuple[date, date | None]:
    return span(holding.split()[2])


@lru_cache(maxsize=8)
def _first_days(holdings: tuple[str, ...]) -> dict[date, date]:
    """For every day on which one was held: the first of the days in a row on which one was."""
    held: set[date] = set()
    for starts_on, ends_on in map(_days, holdings):
        last = ends_on or date(2032, 12, 31)
        held.update(starts_on + DAY * number for number in range((last - starts_on).days + 1))
    first_days: dict[date, date] = {}
    for day in sorted(held):
        first_days[day] = first_days.get(day - DAY, day)
    return first_days


def _reached_on(holdings: tuple[str, ...], day: date, years: int) -> date:
    """So many years after the first of the days in a row on which one was held."""
    first = _first_days(holdings)[day]
    is_missing = (first.month, first.day) == (2, 29) and not isleap(first.year + years)
    return first.replace(year=first.year + years, day=28 if is_missing else first.day)


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
    away = _days_away(plan, facts)
    asked = [
        a
        for a in plan.requirements
        if (facts.provides_rsc or a.rule.asked_of != "those who provide RSC")
        and ("return" not in a.rule.asked_of or _returned(a, plan, away))
    ]
    rows = tuple(_row(requirement, plan, facts, away, as_of) for requirement in asked)
    rows = tuple(_excuse_missing(row, plan, away, due_on) for row in rows)
    exempt = {a.id for a in asked if a.is_exempt}
    if all(row[4] in OUTCOMES for row in rows):
        is_excused = any(r[4] == "excused" and r[0] not in exempt and r[1] for r in rows)
        return Opinion("excused" if is_excused else "met", due_on, rows)
    # What is submitted does not lapse while its association looks at it.
    waits = facts.submitted is not None or as_of in _grace(plan, due_on)
    status = "open" if as_of <= due_on else "overdue" if waits else "lapsed"
    return Opinion(status, due_on, rows)


Away = tuple[AbsenceRule | None, str, set[date]]


def _days_away(plan: RenewalPlan, facts: Facts) -> list[Away]:
    """Each kind of days away that count, with the rule of the cycle; up to long after its end."""
    assert plan.cycle
    found: list[Away] = []
    for kind in ("leave", "inactive", "emeritus"):
        days: set[date] = set()
        for absence in (a for a in facts.leaves if a.kind == kind):
            rule = _rule_on(plan, kind, absence.starts_on)
            last = min(absence.ends_on, plan.cycle.ends_on + 1500 * DAY)
            if rule and absence.ends_on < _nth_day(absence.starts_on, rule, "shortest", date.min):
                continue
            if rule:
                last = min(last, _nth_day(absence.starts_on, rule, "longest", date.max))
            days.update(
                absence.starts_on + DAY * n for n in range((last - absence.starts_on).days + 1)
            )
        found.append((_rule_on(plan, kind, plan.cycle.starts_on), kind, days))
    return found


def _rule_on(plan: RenewalPlan, kind: str, day: date) -> AbsenceRule | None:
    rules = [r for r in plan.rulebook.absences if r.kind == kind and r.starts_from <= day]
    return max(rules, key=lambda r: r.starts_from, default=None)


def _nth_day(first: date, rule: AbsenceRule, which: str, without: date) -> date:
    if days := getattr(rule, f"{which}_days"):
        return first + DAY * (int(days) - 1)
    if months := getattr(rule, f"{which}_months"):
        return first + relativedelta(months=int(months)) - DAY
    return without


def _reading(plan: RenewalPlan, rule: AbsenceRule | None, kind: str) -> str:
    assert plan.cycle
    if kind == "emeritus":
        return "all that is missing"
    if rule and rule.excuses:
        return rule.excuses
    next_year = plan.cycle.starts_on + relativedelta(years=1)
    return "hours in proportion" if next_year <= plan.cycle.ends_on else "all that is missing"


def _is_listed(
    requirement: PlannedRequirement, plan: RenewalPlan, rule: AbsenceRule | None, kind: str
) -> bool:
    """Whether a requirement is one that a rule excuses in some way."""
    reading = _reading(plan, rule, kind)
    if requirement.counts == "membership":
        silent = rule is None or rule.membership is None
        is_everything = reading == "all that is missing" and not (rule and rule.requirements)
        return is_everything if silent else bool(rule and rule.membership == "excused")
    if rule and rule.requirements:
        return requirement.rule.id in rule.requirements
    if reading == "hours in proportion":
        return (
            requirement.counts in ("training", "rsc") and "return" not in requirement.rule.asked_of
        )
    return reading == "all that is missing"


def _returned(requirement: PlannedRequirement, plan: RenewalPlan, away: list[Away]) -> bool:
    """Whether a day of the cycle is the first one back."""
    assert plan.cycle
    every = set().union(*(days for _, _, days in away))
    kind = "leave" if requirement.rule.asked_of.endswith("leave") else "inactive"
    days = next(days for _, name, days in away if name == kind)
    day = plan.cycle.starts_on
    while day <= plan.cycle.ends_on:
        if day - DAY in days and day not in every:
            return True
        day += DAY
    return False


def _months_away(
    requirement: PlannedRequirement, plan: RenewalPlan, facts: Facts, away: list[Away]
) -> tuple[int, int]:
    """The months away, and all since the endorsement, in the cycle or the requirement's year."""
    about = requirement.year or plan.cycle
    assert about
    first, last = max(about.starts_on, facts.starts_on), about.ends_on
    months = 0
    for rule, kind, days in away:
        is_meant = _reading(plan, rule, kind) == "hours in proportion" and _is_listed(
            requirement, plan, rule, kind
        )
        begun = bool(rule and rule.months == "begun")
        if requirement.counts != "membership" and is_meant:
            months += sum(_months(*run, begun=begun) for run in _runs(days, first, last))
    total = _months(first, last, begun=False)
    return min(months, total), total


def _runs(days: set[date], first: date, last: date) -> list[tuple[date, date]]:
    """The unbroken runs of days from the first to the last, both included."""
    runs: list[tuple[date, date]] = []
    for day in sorted(day for day in days if first <= day <= last):
        if runs and runs[-1][1] == day - DAY:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def _months(first: date, last: date, *, begun: bool) -> int:
    months = 0
    while first + relativedelta(months=months + 1) <= last + DAY:
        months += 1
    return months + (begun and first + relativedelta(months=months) <= last)


def _excuse_missing(row: Row, plan: RenewalPlan, away: list[Away], due_on: date) -> Row:
    requirement = next(a for a in plan.requirements if a.id == row[0])
    for rule, kind, days in away:
        is_meant = _reading(plan, rule, kind) == "all that is missing" and _is_listed(
            requirement, plan, rule, kind
        )
        if row[4] == "short" and is_meant and due_on in days:
            return (*row[:3], 0, "excused")
    return row


def _grace(plan: RenewalPlan, due_on: date) -> list[date]:
    """The days of grace after the due date in force, one by one."""
    assert plan.cycle
    until = plan.cycle.grace_until
    if until is None:
        return [due_on + DAY * n for n in range(1, plan.cycle.grace_days + 1)]
    last = plan.cycle.due_on + DAY
    while _name(last) != until:
        last += DAY
    return [due_on + DAY * n for n in range(1, (last - due_on).days + 1)]


def _name(day: date) -> str:
    """`03-31`; the last day of February is a February 29."""
    return "02-29" if (day + DAY).day == 1 and day.month == 2 else day.strftime("%m-%d")


def _row(
    requirement: PlannedRequirement,
    plan: RenewalPlan,
    facts: Facts,
    away: list[Away],
    as_of: date,
) -> Row:
    if requirement.counts == "membership":
        without = set().union(
            *(
                days
                for rule, kind, days in away
                if _reading(plan, rule, kind) != "all that is missing"
                and _is_listed(requirement, plan, rule, kind)
            )
        )
        days = [d for d in _membership_days(requirement, plan, facts, as_of) if d not in without]
        required = len(days)
        counted = sum(any(_counts(plan, m, d) for m in facts.memberships) for d in days)
    elif requirement.needs_days:
        required, counted = requirement.amount, _count(requirement, facts)
    elif requirement.counts not in ("training", "rsc"):
        required, counted = requirement.amount, _count_done(requirement, plan, facts)
    else:
        required = requirement.amount
        counted = facts.minutes.get(
            f"topic:{requirement.topic}" if requirement.topic else requirement.counts, 0
        )
    if requirement.id in facts.waived:
        return requirement.id, required, counted, 0, "waived"
    if requirement.is_exempt or (required == 0 and requirement.counts == "membership"):
        return requirement.id, required, counted, 0, "excused"
    gone, months = _months_away(requirement, plan, facts, away)
    if gone:
        part = int(required * Fraction(months - gone, months))
        if not part:
            outcome = "met" if counted >= required else "excused"
            if outcome == "excused" and _is_attested(requirement, facts):
                outcome = "attested"
            return requirement.id, required, counted, 0, outcome
        required = part
    short = max(0, required - counted)
    if short and _is_attested(requirement, facts):
        return requirement.id, required, counted, 0, "attested"
    return requirement.id, required, counted, short, "short" if short else "met"


def _is_attested(requirement: PlannedRequirement, facts: Facts) -> bool:
    return bool(facts.submitted and requirement.rule.attested_by in facts.submitted.signed)


def _count_done(requirement: PlannedRequirement, plan: RenewalPlan, facts: Facts) -> int:
    """What is signed, submitted, or paid of it."""
    if requirement.counts == "paid":
        return int(_is_paid(requirement, plan, facts))
    if facts.submitted is None:
        return 0
    if requirement.counts == "submitted":
        return 1
    return len([key for key in requirement.rule.signed if key in facts.submitted.signed])


def _is_paid(requirement: PlannedRequirement, plan: RenewalPlan, facts: Facts) -> bool:
    """Whether the plain amount was there on its last day, or the late one is by now."""
    assert plan.cycle
    fee = next(f for f in plan.fees if f.id == requirement.rule.fee)
    if fee.value.late_after:
        last = [plan.cycle.due_on, *_grace(plan, plan.cycle.due_on)][-1]
        while _name(last) != fee.value.late_after:
            last -= DAY
    else:
        due_on = facts.extended_due_on or plan.cycle.due_on
        last = due_on + DAY * (fee.value.late_after_days or 0)
    in_time = sum(p.cents for p in facts.payments if p.fee == fee.id and p.on <= last)
    paid = sum(p.cents for p in facts.payments if p.fee == fee.id)
    # Too little in time, and more of the plain amount after it, is less than the late amount.
    return in_time >= fee.amount or paid >= (fee.value.late_amount or fee.amount)


def _counts(plan: RenewalPlan, membership: Span, day: date) -> bool:
    """Whether a membership counts on a day: while it lasts, and in its own grace period."""
    if membership.starts_on <= day <= membership.ends_on:
        return True
    assert plan.membership_rule
    rule = plan.rulebook.memberships[plan.membership_rule.split("/")[1]]
    if day < membership.starts_on:
        return False
    if rule.grace_until:
        # No day of that name lies between the last day and this one.
        after = [membership.ends_on + DAY * n for n in range(1, (day - membership.ends_on).days)]
        return all(_name(passed) != rule.grace_until for passed in after)
    return (day - membership.ends_on).days <= (rule.grace_days or 0)


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
        first = cycle.leap_day or cycle.starts_on
        if day >= cycle.starts_on and day + DAY == anniversary_in(first, (day + DAY).year):
            days.append(day)
        day += DAY
    return days
