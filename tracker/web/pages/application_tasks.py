"""The requirements of an application as a task list: what counts, what is missing, what to do."""

from collections.abc import Sequence
from typing import Any

from tracker.db.applications import Application
from tracker.formatting import (
    capitalize_first,
    format_count,
    format_date,
    format_hours_with_unit,
    format_money,
    lowercase_first,
)
from tracker.rules.application.wording import (
    format_months,
    format_notes,
    progress_parts,
)
from tracker.rules.description import describe_terms
from tracker.rules.model import Rulebook
from tracker.rules.reasons import format_reason
from tracker.rules.requirement import Requirement
from tracker.rules.standing import (
    ApplicationStanding,
    CountedItem,
    Outcome,
    Remark,
    Result,
    lasts_for_life,
)
from tracker.services.uncounted import Uncounted


def view_task(
    standing: ApplicationStanding, result: Result, *, for_association: bool
) -> dict[str, Any]:
    """One requirement and its state.

    ``progress`` is what is counted and of what, None if there is nothing to measure; ``is_open``:
    the applicant may still do something for it.
    """
    progress: tuple[str, str] | None = None
    if result.requirement.counts == "references" and not for_association:
        progress = str(result.counted), f"{result.required} received"
    elif result.outcome is not Outcome.NOT_NEEDED:
        progress = progress_parts(result)
    state, tone = "To do", "warm"
    if result.outcome is Outcome.MET:
        state, tone = "Done", "good"
    elif result.outcome is Outcome.REVIEW:
        state, tone = "For the reviewers", "plain"
    elif result.outcome is Outcome.NOT_NEEDED:
        state, tone = f"Not needed: {lowercase_first(format_notes(result))}", "plain"
    return {
        "result": result,
        "state": state,
        "tone": tone,
        "progress": progress,
        "note": _format_fee(standing, result) or _format_note(standing, result),
        "has_bar": result.required > 1 and result.outcome is not Outcome.NOT_NEEDED,
        "is_open": result.outcome in (Outcome.SHORT, Outcome.REVIEW),
    }


# What to do for a requirement, by what it counts: the page below the application's, its words while
# something can be done, and after that.
_WAYS = {
    "education": ("education", "Add a degree", "Your degrees"),
    "work": ("work", "Add a job", "Your jobs"),
    "signed": ("statements", "Sign", "Your signatures"),
    "exam": ("exam", "Report your exam", "Your exam"),
    "references": ("references", "Your references", "Your references"),
}
_WAYS_ELSEWHERE = {
    "training": ("/log?activity=training", "Log training"),
    "rsc": ("/log?activity=rsc", "Log reflective supervision"),
    "membership": ("/membership", "Your memberships"),
}


def find_way_to_act(
    result: Result, application: Application, *, is_open: bool
) -> tuple[str, str] | None:
    """The page on which the applicant can do something for a requirement, and what it is called.

    None for what only the reviewers confirm.
    """
    requirement = result.requirement
    if requirement.rule.reviewed:
        return None
    if requirement.counts in _WAYS:
        name, words, later = _WAYS[requirement.counts]
        return f"/application/{application.id}/{name}", words if is_open else later
    return _WAYS_ELSEWHERE.get(requirement.counts) if is_open else None


def list_terms(rulebook: Rulebook, requirement: Requirement) -> list[str]:
    """What a requirement accepts, as sentences; the referees have a page of their own."""
    if requirement.references:
        return []
    return [f"{capitalize_first(line)}." for line in describe_terms(rulebook, requirement)]


def _format_note(standing: ApplicationStanding, result: Result) -> str:
    """What the counted amount rests on; empty if there is nothing to add."""
    covered_until = standing.covered_until
    if result.outcome is Outcome.NOT_NEEDED:
        return ""
    if result.requirement.counts == "membership":
        if lasts_for_life(covered_until):
            return "A membership for life"
        return f"Paid through {format_date(covered_until)}" if covered_until else ""
    return _format_months(result)


def _format_months(result: Result) -> str:
    """The months over which hours are counted; of a reinstatement, its terms have them."""
    rule = result.requirement.rule
    months = rule.window.months if rule.window else None
    if months and rule.of == "reinstatement":
        return ""
    if months and result.notes and result.requirement.counts == "rsc":
        return f"Counted over the best {months} months, {format_notes(result)}"
    return capitalize_first(format_notes(result))


def _format_fee(standing: ApplicationStanding, result: Result) -> str:
    """What a fee comes to, and how to pay it while it is owed; empty for any other requirement."""
    for fee in standing.plan.fees:
        if fee.id == result.requirement.rule.fee:
            amount = format_money(fee.amount, standing.plan.rulebook.currency_code)
            if result.outcome is Outcome.MET:
                return amount
            # The page ends the sentence.
            return f"{amount}. {fee.how_to_pay.rstrip('.')}"
    return ""


def list_warnings(result: Result, uncounted: Uncounted) -> list[dict[str, Any]]:
    """What does not count, the newest first: by the requirement's own rule, or by the provider."""
    requirement = result.requirement
    if requirement.rule.inside or result.outcome is Outcome.NOT_NEEDED:
        # Hours inside others are the same sessions, which the others list.
        return []
    remarks = list(result.remarks)
    for entry, reason in uncounted:
        if requirement.covers(entry.activity, entry.topics):
            remarks.append(Remark(entry.held_on, entry.title, entry.minutes, reason))
    warnings = []
    for remark in sorted(remarks, key=lambda remark: remark.day, reverse=True):
        amount = ""
        if requirement.unit == "hours":
            amount = format_hours_with_unit(remark.amount)
        elif requirement.counts == "work" and remark.amount:
            # Remarks about work are in months, whatever the requirement counts.
            amount = format_months(remark.amount)
        words = format_reason(remark.reason)
        if not remark.needs_review:
            words = f"Does not count: {words}"
        warnings.append(
            {"day": remark.day, "title": remark.title, "amount": amount, "reason": words}
        )
    return warnings


def list_counted(result: Result, items: Sequence[CountedItem]) -> list[dict[str, Any]]:
    """What is counted, the newest first: "1 year 4 months, paid", "6 hours", "10 families"."""
    requirement = result.requirement
    listed = []
    for item in sorted(items, key=lambda item: item.day, reverse=True):
        if requirement.unit == "hours":
            amount = format_hours_with_unit(item.amount)
        elif requirement.unit == "families":
            amount = format_count(item.amount, "family", "families")
        else:
            amount = format_months(item.amount)
        if item.pay:
            amount = f"{amount}, {item.pay}"
        listed.append({"day": item.day, "title": item.title, "amount": amount})
    return listed


def list_tips(rulebook: Rulebook, category: str) -> dict[str | None, list[dict[str, str]]]:
    """Advice for a category, by the requirement that it is about."""
    tips: dict[str | None, list[dict[str, str]]] = {}
    for advice in rulebook.advice:
        if category in advice.categories:
            typical = f"typical: {round(advice.hours, 2):g} hours" if advice.hours else ""
            tip = {
                "typical": typical,
                "says": advice.says,
                "document": rulebook.documents[advice.source.document].title,
                "section": advice.source.section,
            }
            tips.setdefault(advice.requirement, []).append(tip)
    return tips
