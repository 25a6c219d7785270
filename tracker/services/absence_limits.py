"""Whether leave or inactive status can be recorded: the rulebook's limits, for all who record one.

What a time away excuses is in `tracker.rules.absences`.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlmodel import Session, select

from tracker.db.people import Leave
from tracker.rules.absence_rules import AbsenceKind, AbsenceRule, read_kind
from tracker.rules.cycles import Cycle, cycle_containing
from tracker.rules.history import count_years
from tracker.rules.model import Rulebook
from tracker.rules.standing import Absence
from tracker.services.context import Refusal
from tracker.services.endorsements import Endorsed

_DAY = timedelta(days=1)


def is_offered(rulebook: Rulebook, kind: AbsenceKind, day: date) -> bool:
    """Whether a time away of this kind can begin on a day.

    A rulebook that says nothing knows leave, and no inactive or emeritus status.
    """
    rule = rulebook.absence_rule(kind, day)
    return kind == "leave" if rule is None else rule.allowed


def is_ever_offered(rulebook: Rulebook, kind: AbsenceKind, today: date) -> bool:
    """Whether a time away of this kind can begin today or later."""
    later = [r for r in rulebook.absences if r.kind == kind and r.starts_from > today]
    return is_offered(rulebook, kind, today) or any(rule.allowed for rule in later)


def list_absences(session: Session, endorsement_id: int, other_than: int = 0) -> list[Absence]:
    """The leave and inactive status on record of an endorsement, without one row."""
    query = select(Leave).where(Leave.endorsement_id == endorsement_id, Leave.id != other_than)
    return [read_absence(row) for row in session.exec(query)]


def read_absence(row: Leave) -> Absence:
    """A row as the rules read it."""
    return Absence(row.starts_on, row.ends_on or date.max, read_kind(row.kind))


def check_limits(
    rulebook: Rulebook, endorsed: Endorsed, absence: Absence, others: Iterable[Absence]
) -> list[Refusal]:
    """Why the rulebook allows no such time away beside ``others``; empty if it does."""
    facts: dict[str, Any] = {"kind": absence.kind, "association": rulebook.id}
    if not is_offered(rulebook, absence.kind, absence.starts_on):
        return [Refusal("starts_on", "absence-not-offered", facts)]
    rule = rulebook.absence_rule(absence.kind, absence.starts_on)
    if rule is None:
        return []
    refusals = _check_length(rule, absence, facts)
    if rule.held_years and count_years(endorsed.starts_on, absence.starts_on) < rule.held_years:
        first = endorsed.starts_on + relativedelta(years=rule.held_years)
        details = {"years": rule.held_years, "first": first}
        refusals.append(Refusal("starts_on", "absence-held-too-briefly", {**facts, **details}))
    same_kind = [each.starts_on for each in others if each.kind == absence.kind]
    starts = sorted([*same_kind, absence.starts_on])
    if _is_too_often(rulebook, endorsed, rule, absence, starts):
        facts |= {"most": rule.most, "cycles": rule.within_cycles, "years": rule.within_years}
        facts["starts_on"] = max(same_kind)
        refusals.append(Refusal("starts_on", "absence-too-often", facts))
    return refusals


def _check_length(rule: AbsenceRule, absence: Absence, facts: dict[str, Any]) -> list[Refusal]:
    shortest = rule.shortest_end(absence.starts_on)
    longest = rule.longest_end(absence.starts_on)
    if shortest and absence.ends_on < shortest:
        length = {"days": rule.shortest_days, "months": rule.shortest_months, "last": shortest}
        return [Refusal("ends_on", "absence-too-short", {**facts, **length})]
    if longest and absence.ends_on > longest:
        length = {"days": rule.longest_days, "months": rule.longest_months, "last": longest}
        code = "absence-needs-end" if absence.ends_on == date.max else "absence-too-long"
        return [Refusal("ends_on", code, {**facts, **length})]
    return []


def _is_too_often(
    rulebook: Rulebook, endorsed: Endorsed, rule: AbsenceRule, absence: Absence, starts: list[date]
) -> bool:
    """Whether some span of so many years, or cycles in a row, has more first days than allowed."""
    if rule.most is None:
        return False
    if rule.within_years:
        length = relativedelta(years=rule.within_years)
        spans = [(day, day + length) for day in starts if day <= absence.starts_on < day + length]
        return any(sum(first <= day < end for day in starts) > rule.most for first, end in spans)
    length_in_cycles = rule.within_cycles or 1
    places = _number_cycles(rulebook, endorsed, starts)
    place = places[starts.index(absence.starts_on)]
    firsts = range(place - length_in_cycles + 1, place + 1)
    return any(sum(n <= each < n + length_in_cycles for each in places) > rule.most for n in firsts)


def _number_cycles(rulebook: Rulebook, endorsed: Endorsed, days: Sequence[date]) -> list[int]:
    """The places of the cycles that contain the days, from the first of these cycles on.

    A day before the first cycle is in the first one.
    """
    places, place = [], 0
    cycle = _find_cycle(rulebook, endorsed, days[0])
    for day in days:
        while cycle is not None and day > cycle.ends_on:
            cycle = _find_cycle(rulebook, endorsed, cycle.ends_on + _DAY)
            place += 1
        places.append(place)
    return places


def _find_cycle(rulebook: Rulebook, endorsed: Endorsed, day: date) -> Cycle | None:
    return cycle_containing(rulebook.cycles, endorsed.starts_on, max(day, endorsed.starts_on))
