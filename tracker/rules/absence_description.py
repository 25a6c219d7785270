"""Rules about leave and inactive status in words."""

from collections.abc import Iterator, Sequence

from tracker.formatting import capitalize_first, format_count, format_list
from tracker.rules.absence_rules import ABSENCE_NOUNS, AbsenceKind, AbsenceRule
from tracker.rules.absences import read_terms
from tracker.rules.model import Rulebook
from tracker.rules.plan import RenewalPlan

_TIMES = {1: "once", 2: "twice"}


def format_absence_rule(rulebook: Rulebook, rule: AbsenceRule) -> str:
    """What leave, or inactive status, excuses, how long it may last, and how often."""
    noun = capitalize_first(ABSENCE_NOUNS[rule.kind])
    if rule.kind == "emeritus":
        excuses = f"{noun} that includes the due date excuses everything, and needs no last day"
        return f"{'. '.join([excuses, *_describe_limits(rule)])}."
    sentences = [_describe_excuses(rulebook, rule, noun)]
    is_by_day = rule.membership == "excused" and rule.excuses != "all that is missing"
    if is_by_day:
        sentences.append("No membership is required on those days")
    elif rule.membership == "required":
        sentences.append("Membership stays required")
    return f"{'. '.join([*sentences, *_describe_limits(rule)])}."


def _describe_excuses(rulebook: Rulebook, rule: AbsenceRule, noun: str) -> str:
    listed = list(rule.requirements)
    if rule.membership == "excused" and rule.excuses == "all that is missing" and listed:
        listed.append("membership")
    labels = f" ({format_list(_list_labels(rulebook, listed))})" if listed else ""
    if rule.excuses == "nothing":
        return f"{noun} excuses nothing"
    if rule.excuses == "hours in proportion":
        months = "month begun" if rule.months == "begun" else "whole month"
        return f"For each {months} of {noun.lower()} in the cycle, fewer hours are required{labels}"
    if rule.excuses == "all that is missing":
        what = "what is missing" if listed else "all that is missing"
        return f"{noun} that includes the due date excuses {what}{labels}"
    return (
        f"{noun} that includes the due date excuses all that is missing in cycles of up to a year; "
        f"in longer cycles, fewer hours are required for each whole month{labels}"
    )


def describe_excuse(plan: RenewalPlan | None, name: str, kind: AbsenceKind) -> str:
    """What a leave, or inactive status, means for a renewal, to its endorsee.

    ``name`` is the endorsement's; None if no cycle is known.
    """
    noun = ABSENCE_NOUNS[kind]
    if kind == "emeritus":
        return f"No {name} renewal that is due while you are emeritus needs anything from you."
    if plan is None or plan.cycle is None:
        return f"Due dates of {name} stay the same."
    terms = read_terms(plan, plan.cycle, kind)
    if terms.excuses == "nothing":
        return f"Your {name} renewal stays due, and requires the same."
    if terms.excuses == "hours in proportion":
        return f"Your {name} renewal requires fewer hours for each month of your {noun}."
    if terms.ids >= {requirement.id for requirement in plan.requirements}:
        return (
            f"If your {name} renewal is due during your {noun}, you don't need to submit anything."
        )
    labels = format_list([r.label for r in plan.requirements if r.id in terms.ids])
    return f"If your {name} renewal is due during your {noun}, this need not be complete: {labels}."


def excuses_everything(plan: RenewalPlan | None, kind: AbsenceKind) -> bool:
    """Whether a leave, or inactive status, on the due date excuses all that is missing."""
    if plan is None or plan.cycle is None:
        return True
    ids = {requirement.id for requirement in plan.requirements}
    terms = read_terms(plan, plan.cycle, kind)
    return terms.excuses == "all that is missing" and terms.ids >= ids


def describe_for_coordinator(plan: RenewalPlan | None, kind: AbsenceKind) -> str:
    """What a leave, or inactive status, excuses in the plan's cycle, in a sentence."""
    noun = ABSENCE_NOUNS[kind]
    if plan is None or plan.cycle is None or excuses_everything(plan, kind):
        return f"A renewal that is due during {noun} needs nothing."
    terms = read_terms(plan, plan.cycle, kind)
    if terms.excuses == "nothing":
        return f"{capitalize_first(noun)} excuses nothing."
    if terms.excuses == "hours in proportion":
        return f"Each month of {noun} in the cycle reduces the hours that are required."
    labels = format_list([r.label for r in plan.requirements if r.id in terms.ids])
    return f"A renewal that is due during {noun} needs no more of this: {labels}."


def _list_labels(rulebook: Rulebook, ids: Sequence[str]) -> list[str]:
    labels = {r.id: r.label for r in rulebook.requirements if r.of == "renewal"}
    return [labels.get(each, each) for each in ids]


def _describe_limits(rule: AbsenceRule) -> Iterator[str]:
    if not rule.allowed:
        yield "No new one can be recorded"
    if rule.held_years is not None:
        years = format_count(rule.held_years, "year")
        yield f"It is for endorsements that were held for at least {years}"
    bounds = []
    for name, days, months in (
        ("at least", rule.shortest_days, rule.shortest_months),
        ("at most", rule.longest_days, rule.longest_months),
    ):
        if length := days or months:
            bounds.append(f"{name} {format_count(length, 'day' if days else 'month')}")
    if bounds:
        yield f"It lasts {format_list(bounds)}"
    if rule.most is not None:
        yield _describe_often(rule, rule.most)


def _describe_often(rule: AbsenceRule, most: int) -> str:
    times = _TIMES.get(most) or f"{most} times"
    length = rule.within_cycles or rule.within_years or 1
    word = "cycle" if rule.within_cycles else "year"
    span = f"a {word}" if length == 1 else format_count(length, word)
    return f"It is possible at most {times} in {span}"
