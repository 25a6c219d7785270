"""`tracker readiness`: how ready each application is, as a table or as JSON."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tracker.commands.opening import opened
from tracker.commands.printing import print_json_list
from tracker.commands.selecting import check_association, days_asked, only_of
from tracker.hours import as_hours, say_hours
from tracker.records.entries.uncounted import Uncounted, belongs_to, with_uncounted
from tracker.records.judging.readiness import judge_applications
from tracker.records.store.engine import reading
from tracker.rules.plan import Ask
from tracker.rules.readiness_words import NO_INITIAL_RULES
from tracker.rules.standing import Outcome, Remark, Result, Standing

_MONTHS_IN_YEAR = 12


def run(*, as_of: date | None, association: str | None, email: str | None, as_json: bool) -> None:
    """Print the applications asked for."""
    with opened() as tracker, reading(tracker.engine) as facts, reading(tracker.engine) as rest:
        check_association(tracker, association)
        day_of = days_asked(tracker, as_of)
        only = only_of(facts, "application", email)
        standings = judge_applications(
            facts, tracker.books, day_of, association=association, only=only
        )
        found = with_uncounted(rest, tracker.books, standings, day_of)
        if as_json:
            print_json_list(as_json_object(s, uncounted) for s, uncounted in found)
        else:
            _print_table(found)


def as_json_object(standing: Standing, uncounted: Uncounted) -> dict[str, Any]:
    """One application as the JSON that the README describes; hours and years are decimal."""
    candidate = standing.facts.candidate
    has_rules = standing.plan.cycle is not None
    return {
        "email": standing.facts.email,
        "association": standing.plan.association,
        "category": standing.plan.category,
        "opened_on": standing.facts.starts_on.isoformat(),
        "submitted_on": candidate and candidate.submitted_on and candidate.submitted_on.isoformat(),
        "status": standing.status.value,
        "requirements": [_requirement(result, uncounted) for result in standing.results],
        "next_change_on": standing.next_change_on and standing.next_change_on.isoformat(),
        **({} if has_rules else {"explanation": NO_INITIAL_RULES}),
    }


def _requirement(result: Result, uncounted: Uncounted) -> dict[str, Any]:
    ask = result.ask
    return {
        "id": ask.id,
        "unit": ask.unit,
        "required": _measure(ask, result.required),
        "counted": _measure(ask, result.counted),
        "short": _measure(ask, result.short),
        "status": result.outcome.value,
        "note": result.note,
        "window_closes_on": result.closes_on and result.closes_on.isoformat(),
        "source": {"document": ask.source_document, "section": ask.source_section},
        "not_counted": [
            *(_entry(ask, remark) for remark in result.remarks),
            *(
                _entry(ask, Remark(entry.held_on, entry.title, entry.minutes, reason))
                for entry, reason in uncounted
                if belongs_to(ask, entry)
            ),
        ],
    }


def _entry(ask: Ask, remark: Remark) -> dict[str, Any]:
    return {
        "date": remark.day.isoformat(),
        "title": remark.title,
        ask.unit if ask.unit in {"hours", "years"} else "amount": _measure(ask, remark.amount),
        "reason": remark.reason,
    }


def _measure(ask: Ask, amount: int) -> float:
    if ask.unit == "hours":
        return as_hours(amount)
    return round(amount / _MONTHS_IN_YEAR, 2) if ask.unit == "years" else float(amount)


def _print_table(found: Iterator[tuple[Standing, Uncounted]]) -> None:
    columns = ("Applicant", "For", "Readiness", "Missing", "For the reviewers")
    # On a narrow terminal a long id is broken, not cut.
    table = Table(*(Column(name, overflow="fold") for name in columns))
    number = 0
    for number, (standing, _) in enumerate(found, 1):  # noqa: B007 - counted
        table.add_row(
            escape(standing.facts.email),
            f"{standing.plan.association} {standing.plan.category}",
            standing.status.value,
            _said(standing, Outcome.SHORT) if standing.plan.cycle else NO_INITIAL_RULES,
            _said(standing, Outcome.REVIEW),
        )
    if number:
        Console().print(table)
    else:
        Console().print(
            "No application to show: import some first (`tracker import FOLDER` with "
            "applications.csv), or ask for another day, association or person."
        )


def _said(standing: Standing, outcome: Outcome) -> str:
    return "\n".join(
        escape(say_amounts(r) if outcome is Outcome.SHORT else f"{r.ask.id} {r.note}".strip())
        for r in standing.results
        if r.outcome is outcome
    )


def say_amounts(result: Result) -> str:
    """What is missing of a requirement, in a few words: ``rsc: 2 of 50 h``."""
    ask = result.ask
    if ask.unit == "hours":
        return f"{ask.id}: {say_hours(result.short)} of {say_hours(result.required)} h"
    if ask.unit == "years":
        return f"{ask.id}: {result.short} of {result.required} months"
    if result.required == 1:
        return ask.id
    return f"{ask.id}: {result.short} of {result.required} {ask.unit}"
