"""`tracker standing`: where each renewal stands, as a table or as JSON."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection, text

from tracker import clock
from tracker.commands.opening import Opened, opened
from tracker.commands.printing import print_json_list
from tracker.hours import as_hours, say_hours
from tracker.records.engine import reading
from tracker.records.evaluation import days_at, judge_all
from tracker.records.facts import make_id_table
from tracker.records.uncounted import Uncounted, belongs_to, with_uncounted
from tracker.rules.explain import NO_RULES
from tracker.rules.standing import Outcome, Result, Standing

_UNCOUNTED_TABLE = "wanted"


class Unknown(Exception):  # noqa: N818 - reads as the sentence it prints
    """A name on the command line that nothing here has."""


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
            only=_only(facts, email) if email else None,
        )
        found = with_uncounted(rest, tracker.books, standings, day_of)
        if as_json:
            print_json_list(as_json_object(s, uncounted) for s, uncounted in found)
        else:
            _print_table(found)


def days_asked(tracker: Opened, as_of: date | None) -> Callable[[str], date]:
    """Each association's as-of date: the day given, else its own today."""
    return (lambda _: as_of) if as_of else days_at(tracker.books, clock.now())


def check_association(tracker: Opened, association: str | None) -> None:
    """Raise Unknown for an association that no rulebook is about."""
    if association is not None and association not in tracker.books.associations:
        known = ", ".join(tracker.books.associations)
        message = f"no rulebook is about {association!r}: there are {known}"
        raise Unknown(message)


def _only(connection: Connection, email: str) -> str:
    email = email.strip().lower()
    ids = connection.scalars(
        text(
            "SELECT en.id FROM endorsement en JOIN person p ON p.id = en.person_id "
            "WHERE p.email = :email OR p.second_email = :email"
        ),
        {"email": email},
    ).all()
    if not ids:
        message = f"nobody with an endorsement has the address {email!r}"
        raise Unknown(message)
    make_id_table(connection, _UNCOUNTED_TABLE, ids)
    return _UNCOUNTED_TABLE


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
