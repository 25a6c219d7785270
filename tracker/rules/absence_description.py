"""Rules about leave and inactive status in words."""

from collections.abc import Iterator, Sequence

from tracker.formatting import capitalize_first, format_count, format_list
from tracker.rules.absence_rules import ABSENCE_NOUNS, AbsenceRule
from tracker.rules.model import Rulebook

_TIMES = {1: "once", 2: "twice"}


def format_absence_rule(rulebook: Rulebook, rule: AbsenceRule) -> str:
    """What leave, or inactive status, excuses, how long it may last, and how often."""
    noun = capitalize_first(ABSENCE_NOUNS[rule.kind])
    excused = list(rule.requirements)
    if rule.membership == "excused":
        excused.append("membership")
    what = f": {format_list(_list_labels(rulebook, excused))}" if excused else ""
    if rule.excuses == "nothing":
        sentences = [f"{noun} excuses nothing"]
    elif rule.excuses == "hours in proportion":
        months = "a month begun" if rule.months == "begun" else "each whole month"
        sentences = [f"For {months} of {noun.lower()} in the cycle, fewer hours are required{what}"]
    elif rule.excuses == "all that is missing":
        sentences = [f"{noun} that includes the due date excuses all that is missing{what}"]
    else:
        sentence = (
            f"{noun} that includes the due date excuses all that is missing in cycles of up to a "
            f"year; in longer cycles, fewer hours are required for each whole month{what}"
        )
        sentences = [sentence]
    if rule.membership == "required":
        sentences.append("Membership stays required")
    return f"{'. '.join([*sentences, *_describe_limits(rule)])}."


def _list_labels(rulebook: Rulebook, ids: Sequence[str]) -> list[str]:
    labels = {r.id: r.label for r in rulebook.requirements if r.of == "renewal"}
    return [labels.get(each, each) for each in ids]


def _describe_limits(rule: AbsenceRule) -> Iterator[str]:
    if not rule.allowed:
        yield "No new one can be recorded"
    for name, days, months in (
        ("at least", rule.shortest_days, rule.shortest_months),
        ("at most", rule.longest_days, rule.longest_months),
    ):
        if length := days or months:
            yield f"It lasts {name} {format_count(length, 'day' if days else 'month')}"
    if rule.most is not None:
        yield _describe_often(rule, rule.most)


def _describe_often(rule: AbsenceRule, most: int) -> str:
    times = _TIMES.get(most) or f"{most} times"
    length = rule.within_cycles or rule.within_years or 1
    word = "cycle" if rule.within_cycles else "year"
    return f"It is possible at most {times} in {format_count(length, word)}"
