"""Leave, inactive and emeritus status: what days away excuse of a renewal, and what a return asks.

All that is recorded counts, also days still to come: a leave is granted before it begins.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.formatting import format_alternatives, format_measure, format_measure_number
from tracker.rules.absence_rules import (
    ABSENCE_WORDS,
    KINDS,
    AbsenceKind,
    AbsenceRule,
    Excuses,
)
from tracker.rules.counting import is_covered, merge_spans
from tracker.rules.cycles import Cycle, end_of_years
from tracker.rules.model import Rulebook
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.reasons import Reason, because
from tracker.rules.requirement import MONTHS_IN_YEAR
from tracker.rules.standing import Absence, Span

_DAY = timedelta(days=1)


class AbsenceTerms(NamedTuple):
    """What days away of one kind excuse of the renewals of one plan.

    ``ids`` are the requirements excused, with memberships if all that is missing is excused.
    ``excuses_membership``: memberships are not required on days away.
    """

    excuses: Excuses
    counts_begun_months: bool
    ids: frozenset[str]
    excuses_membership: bool


class MonthsAway(NamedTuple):
    """The months away of those in the cycle, or in its year, since the endorsement began."""

    away: int
    months: int
    kinds: tuple[AbsenceKind, ...]


class AbsenceEffect(NamedTuple):
    """What the days away do to one renewal; amounts by requirement id.

    What is missing of ``excused`` requirements is excused, ``reduced`` ones require less.
    ``without_membership`` are the days on which no membership is required. ``returned`` are the
    kinds of days away from which there is a return in the cycle.
    """

    excused: Mapping[str, AbsenceKind]
    reduced: Mapping[str, MonthsAway]
    without_membership: tuple[Span, ...]
    returned: frozenset[AbsenceKind]


NO_ABSENCE = AbsenceEffect(MappingProxyType({}), MappingProxyType({}), (), frozenset())


@lru_cache(maxsize=1_024)
def read_terms(plan: RenewalPlan, cycle: Cycle, kind: AbsenceKind) -> AbsenceTerms:
    """The terms of the rule in force on the cycle's first day.

    A rulebook that does not say what is excused excuses all that is missing in cycles of up to a
    year, and hours in proportion in longer ones: a month must not excuse several years. Emeritus
    status always excuses all, also if the rule about it came into force within the cycle.
    """
    rule = plan.rulebook.absence_rule(kind, cycle.starts_on)
    excuses = _find_excuses(rule, cycle, kind)
    membership = _excuses_membership(rule, excuses)
    is_by_day = membership and excuses != "all that is missing"
    ids = set()
    for requirement in plan.requirements:
        if requirement.counts == "membership":
            is_excused = membership and not is_by_day
        else:
            is_excused = _is_listed(requirement, rule, excuses)
        if is_excused:
            ids.add(requirement.id)
    begun = rule is not None and rule.months == "begun"
    return AbsenceTerms(excuses, begun, frozenset(ids), is_by_day)


def _find_excuses(rule: AbsenceRule | None, cycle: Cycle, kind: AbsenceKind) -> Excuses:
    if kind == "emeritus":
        return "all that is missing"
    if rule and rule.excuses:
        return rule.excuses
    is_long = end_of_years(cycle.starts_on, 1) < cycle.ends_on
    return "hours in proportion" if is_long else "all that is missing"


def _excuses_membership(rule: AbsenceRule | None, excuses: Excuses) -> bool:
    if rule and rule.membership:
        return rule.membership == "excused"
    return excuses == "all that is missing" and not (rule and rule.requirements)


def _is_listed(requirement: PlannedRequirement, rule: AbsenceRule | None, excuses: Excuses) -> bool:
    """Whether the rule excuses a requirement other than a membership."""
    if rule and rule.requirements:
        return requirement.rule.id in rule.requirements
    if excuses == "hours in proportion":
        return requirement.is_of_sessions and requirement.returns_from is None
    return excuses == "all that is missing"


# Few people are ever away, but a page asks several times about one renewal.
@lru_cache(maxsize=4_096)
def find_effect(
    plan: RenewalPlan, leaves: tuple[Absence, ...], endorsed_on: date, due_on: date
) -> AbsenceEffect:
    """What the days away do to the renewal of an endorsement; ``due_on`` is in force."""
    cycle = plan.cycle
    if cycle is None or not leaves:
        return NO_ABSENCE
    counted = list_counted(plan.rulebook, leaves)
    found = _Effect(plan, cycle, max(cycle.starts_on, endorsed_on))
    for kind in KINDS:
        days = [Span(each.starts_on, each.ends_on) for each in counted if each.kind == kind]
        if days:
            found.add(kind, merge_spans(days), due_on)
    returned = frozenset(_list_returned(counted, cycle))
    return AbsenceEffect(found.excused, found.reduced, tuple(found.without_membership), returned)


class _Effect:
    """An `AbsenceEffect` to which kinds of days away are added; the cycle counts from ``first``."""

    def __init__(self, plan: RenewalPlan, cycle: Cycle, first: date) -> None:
        self.plan, self.cycle, self.first = plan, cycle, first
        self.excused: dict[str, AbsenceKind] = {}
        self.reduced: dict[str, MonthsAway] = {}
        self.without_membership: list[Span] = []

    def add(self, kind: AbsenceKind, spans: Sequence[Span], due_on: date) -> None:
        """Add all days away of one kind."""
        terms = read_terms(self.plan, self.cycle, kind)
        if terms.excuses_membership:
            self.without_membership += spans
        if terms.excuses == "all that is missing":
            if is_covered(spans, due_on):
                self.excused |= dict.fromkeys(terms.ids, kind)
        elif terms.excuses == "hours in proportion":
            for requirement in self.plan.requirements:
                if requirement.id in terms.ids:
                    self._reduce(requirement, kind, spans, begun=terms.counts_begun_months)

    def _reduce(
        self,
        requirement: PlannedRequirement,
        kind: AbsenceKind,
        spans: Sequence[Span],
        *,
        begun: bool,
    ) -> None:
        """Add the months away of the days that a requirement is about: the cycle, or its year."""
        about = requirement.year or self.cycle
        within = Span(max(about.starts_on, self.first), about.ends_on)
        months = count_months(within)
        away = sum(_count_months_within(within, span, begun=begun) for span in spans)
        if months > 0 and away:
            before = self.reduced.get(requirement.id, MonthsAway(0, months, ()))
            total = min(months, before.away + away)
            self.reduced[requirement.id] = before._replace(away=total, kinds=(*before.kinds, kind))


def _count_months_within(within: Span, span: Span, *, begun: bool) -> int:
    common = Span(max(span.starts_on, within.starts_on), min(span.ends_on, within.ends_on))
    return count_months(common, begun=begun) if common.starts_on <= common.ends_on else 0


def list_counted(rulebook: Rulebook, leaves: Iterable[Absence]) -> list[Absence]:
    """The days away that count: without those that are too short, or go on for too long."""
    counted = []
    for absence in leaves:
        rule = rulebook.absence_rule(absence.kind, absence.starts_on)
        ends_on = absence.ends_on
        if rule:
            shortest, longest = _limits(rule, absence.starts_on)
            if ends_on < shortest:
                continue
            ends_on = min(ends_on, longest)
        counted.append(absence._replace(ends_on=ends_on))
    return counted


def _limits(rule: AbsenceRule, first: date) -> tuple[date, date]:
    return rule.shortest_end(first) or date.min, rule.longest_end(first) or date.max


def _list_returned(counted: Sequence[Absence], cycle: Cycle) -> Iterable[AbsenceKind]:
    """The kinds of which the day after the last one falls in the cycle, and is no day away."""
    for absence in counted:
        if cycle.starts_on - _DAY <= absence.ends_on < cycle.ends_on:
            returned_on = absence.ends_on + _DAY
            if find_absence(counted, returned_on) is None:
                yield absence.kind


def count_months(span: Span, *, begun: bool = False) -> int:
    """The whole months of a span; with ``begun``, also a last one that is not whole."""
    length = relativedelta(span.ends_on + _DAY, span.starts_on)
    months = length.years * MONTHS_IN_YEAR + length.months
    return months + 1 if begun and length.days else months


def reduce_amount(requirement: PlannedRequirement, away: MonthsAway) -> int:
    """The minutes required for the months that were not away, rounded down to the minute."""
    return requirement.amount * (away.months - away.away) // away.months


def because_excused(kinds: Iterable[AbsenceKind]) -> Reason:
    """Why a requirement is excused."""
    return because("on_leave", status=format_alternatives([ABSENCE_WORDS[kind] for kind in kinds]))


def because_away(requirement: PlannedRequirement, away: MonthsAway, required: int) -> Reason:
    """Why a requirement requires less than its amount; ``required`` is in minutes."""
    status = format_alternatives([ABSENCE_WORDS[kind] for kind in away.kinds])
    return because(
        "months_away",
        away=away.away,
        months=away.months,
        status=status,
        required=format_measure_number(required, requirement.unit),
        amount=format_measure(requirement.amount, requirement.unit),
    )


def find_absence(leaves: Iterable[Absence], day: date) -> Absence | None:
    """The leave, inactive or emeritus status on a day; of several the one that ends last."""
    covering = [each for each in leaves if each.starts_on <= day <= each.ends_on]
    return max(covering, key=lambda each: each.ends_on, default=None)
