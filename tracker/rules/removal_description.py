"""When endorsements are removed, and how they are reinstated, in words."""

from collections.abc import Iterator

from tracker.formatting import format_count, format_date, format_list
from tracker.rules.cycle_text import name_month_day
from tracker.rules.model import Rulebook
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule
from tracker.rules.requirement import Source


def format_removal_rule(rule: RemovalRule) -> str:
    """When a lapsed endorsement is removed, and by whom, as a sentence without its full stop."""
    if not rule.removed:
        return "Lapsed endorsements are no longer removed"
    if rule.after is not None:
        kept = f"through the first {name_month_day(rule.after)} after its grace period"
    elif rule.after_months is not None:
        kept = f"for {format_count(rule.after_months, 'month')} after its grace period"
    elif rule.after_days:
        kept = f"for {format_count(rule.after_days, 'day')} after its grace period"
    else:
        kept = "through its grace period"
    by = "it is removed automatically" if rule.by_itself else "a coordinator removes it"
    return f"A lapsed endorsement is kept {kept}, and then {by}"


def format_reinstatement_rule(rule: ReinstatementRule) -> str:
    """Until when a reinstatement can be asked for, as a sentence without its full stop."""
    if not rule.allowed:
        return "Removed endorsements are no longer reinstated: the person applies anew"
    if rule.latest_months is not None:
        length = format_count(rule.latest_months, "month")
    elif rule.latest_years is not None:
        length = format_count(rule.latest_years, "year")
    else:
        return "A removed endorsement can be reinstated at any time"
    return (
        f"A removed endorsement can be reinstated for up to {length} after the removal; later, the "
        "person applies anew"
    )


def describe_removals(rulebook: Rulebook) -> Iterator[tuple[RemovalRule | ReinstatementRule, str]]:
    """Each block about removals and reinstatements, with its sentence."""
    for removal in rulebook.removals:
        yield removal, format_removal_rule(removal)
    renewed = [c for c in rulebook.categories if rulebook.requirements_of(c)]
    returning = list_returning(rulebook)
    for reinstatement in rulebook.reinstatements:
        says = format_reinstatement_rule(reinstatement)
        if reinstatement.allowed and set(returning) < set(renewed):
            says = f"Only for {format_list(returning)}: {says[0].lower()}{says[1:]}"
        yield reinstatement, says


def list_returning(rulebook: Rulebook) -> list[str]:
    """The categories with requirements of a reinstatement; others can't be reinstated."""
    return [c for c in rulebook.categories if rulebook.requirements_of(c, "reinstatement")]


def list_removal_lines(rulebook: Rulebook, here: Source | None = None) -> Iterator[str]:
    """The rules in words with their days and sources; with ``here``, only those of a section."""
    for rule, says in describe_removals(rulebook):
        see = f" (interpretation: {rule.interpretation})" if rule.interpretation else ""
        if here is not None:
            if rule.source == here:
                yield f"from {format_date(rule.starts_from)}: {says}{see}"
            continue
        cited = ""
        if rule.source:
            cited = f" [{rulebook.documents[rule.source.document].title}, {rule.source.section}]"
        yield f"from {format_date(rule.starts_from)}: {says}{cited}{see}"


def list_removal_section(rulebook: Rulebook) -> dict[str, list[str]]:
    """The section about them, with its heading; empty if the rulebook has none."""
    lines = list(list_removal_lines(rulebook))
    return {"Removals and reinstatements": lines} if lines else {}
