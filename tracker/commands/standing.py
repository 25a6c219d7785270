"""`tracker standing`: where each renewal stands, as a table or as JSON."""

from collections.abc import Iterator
from datetime import date

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker.commands.opening import opened
from tracker.commands.printing import print_json_list
from tracker.commands.selecting import check_association, days_asked, only_of
from tracker.hours import say_hours
from tracker.records.entries.uncounted import Uncounted, with_uncounted
from tracker.records.judging.evaluation import judge_all
from tracker.records.store.engine import reading
from tracker.rules.explain import NO_RULES
from tracker.rules.standing import Outcome, Result, Standing
from tracker.transfer.standing_json import as_json_object


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
