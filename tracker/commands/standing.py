"""`tracker standing`: where each renewal stands, as a table or as JSON."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker.commands.opening import opened
from tracker.commands.printing import print_json_list
from tracker.commands.selecting import check_association, days_asked, only_of
from tracker.hours import as_hours, say_hours
from tracker.records.engine import reading
from tracker.records.evaluation import judge_all
from tracker.records.uncounted import Uncounted, belongs_to, with_uncounted
from tracker.rules.explain import NO_RULES
from tracker.rules.standing import Outcome, Result, Standing


def run(
    *,
    as_of: date | None,
    cycle: date | None,
    association: str | None,
    email: str | None,
    as_json: bool,
) -> None:
    """Print the standings asked for."""
    with opened() as tracker, reading(tracker.engine) as facts, reading(tracker.engine) as rest:
        check_association(tracker, association)
        day_of = days_asked(tracker, as_of)
        standings = judge_all(
            facts,
            tracker.books,
            day_of,
            cycle_day=cycle,
            association=association,
            only=only_of(facts, "endorsement", email),
        )
        found = with_uncounted(rest, tracker.books, standings, day_of)
        if as_json:
            print_json_list(as_json_object(s, uncounted) for s, uncounted in found)
        else:
            _print_table(found)


def as_json_object(standing: Standing, uncounted: Uncounted) -> dict[str, Any]:
    """One standing as the JSON that the README describes; hours are decimal."""
    cycle = standing.plan.cycle
    return {
        "email": standing.facts.email,
        "association": standing.plan.association,
        "category": standing.plan.category,
        "cycle": cycle
        and {
            "starts_on": cycle.starts_on.isoformat(),
            "ends_on": cycle.ends_on.isoformat(),
            "due_on": standing.due_on and standing.due_on.isoformat(),
        },
        "status": standing.status.value,
        "requirements": [_requirement(result, uncounted) for result in standing.results],
        "next_change_on": standing.next_change_on and standing.next_change_on.isoformat(),
        **({} if cycle else {"explanation": NO_RULES}),
    }


def _requirement(result: Result, uncounted: Uncounted) -> dict[str, Any]:
    ask = result.ask
    is_hours = ask.counts != "membership"
    measure: Callable[[int], float] = as_hours if is_hours else float
    return {
        "id": ask.id,
        "unit": "hours" if is_hours else "membership",
        "required": measure(result.required),
        "counted": measure(result.counted),
        "short": measure(result.short),
        "status": result.outcome.value,
        "source": {"document": ask.source_document, "section": ask.source_section},
        "not_counted": [
            {
                "date": entry.held_on.isoformat(),
                "title": entry.title,
                "hours": as_hours(entry.topics[ask.topic] if ask.topic else entry.minutes),
                "reason": reason,
            }
            for entry, reason in uncounted
            if belongs_to(ask, entry)
        ],
    }


def _print_table(found: Iterator[tuple[Standing, Uncounted]]) -> None:
    table = Table("Endorsee", "Endorsement", "Due", "Standing", "Missing", "Does not count")
    number = 0
    for number, (standing, uncounted) in enumerate(found, 1):  # noqa: B007 - counted
        table.add_row(
            escape(standing.facts.email),
            f"{standing.plan.association} {standing.plan.category}",
            standing.due_on.isoformat() if standing.due_on else "",
            standing.status.value,
            "\n".join(_missing(r) for r in standing.results if r.outcome is Outcome.SHORT)
            if standing.plan.cycle
            else NO_RULES,
            "\n".join(
                escape(f"{e.held_on} {e.title}, {say_hours(e.minutes)} h: {reason}")
                for e, reason in uncounted
            ),
        )
    if number:
        Console().print(table)
    else:
        Console().print(
            "No renewal to show: import endorsees first (`tracker import FOLDER`), or ask for "
            "another day, association or person."
        )


def _missing(result: Result) -> str:
    if result.ask.counts == "membership":
        return "membership"
    return f"{result.ask.id}: {say_hours(result.short)} of {say_hours(result.required)} h"
