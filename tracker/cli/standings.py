"""`tracker standing`: where each renewal stands, as a table or as JSON."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy import select
from sqlmodel import Session

from tracker.cli.context import UnknownName, open_app, print_json_list
from tracker.db.engine import reading
from tracker.db.tables import METADATA
from tracker.exports.standing_json import as_json_object as as_json_object_of_standing_json
from tracker.formatting import as_hours, format_hours
from tracker.rules.application.wording import NO_INITIAL_RULES, format_notes
from tracker.rules.explain import NO_RULES
from tracker.rules.plan import PlannedRequirement
from tracker.rules.reasons import format_reason
from tracker.rules.standing import ApplicationStanding, Outcome, Remark, Result, Standing
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import judge_all
from tracker.services.facts import make_id_table
from tracker.services.uncounted import Uncounted, with_uncounted

_WANTED = "wanted"


def print_standings(
    *,
    as_of: date | None,
    cycle: date | None,
    association: str | None,
    email: str | None,
    as_json: bool,
) -> None:
    """Print the standings asked for."""
    with open_app() as tracker, reading(tracker.engine) as facts, reading(tracker.engine) as rest:
        tracker.check_association(association)
        day_of = tracker.day_of_association(as_of)
        standings = judge_all(
            facts,
            tracker.rulebooks,
            day_of,
            cycle_day=cycle,
            association=association,
            only=person_filter(facts, "endorsement", email),
        )
        found = with_uncounted(rest, tracker.rulebooks, standings, day_of)
        if as_json:
            print_json_list(as_json_object_of_standing_json(s, uncounted) for s, uncounted in found)
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
                escape(
                    f"{e.held_on} {e.title}, {format_hours(e.minutes)} h: {format_reason(reason)}"
                )
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
    if result.requirement.counts == "membership":
        return "membership"
    return f"{result.requirement.id}: {format_hours(result.short)} of {format_hours(result.required)} h"


_MONTHS_IN_YEAR = 12


def print_readiness(
    *, as_of: date | None, association: str | None, email: str | None, as_json: bool
) -> None:
    """Print the applications asked for."""
    with open_app() as tracker, reading(tracker.engine) as facts, reading(tracker.engine) as rest:
        tracker.check_association(association)
        day_of = tracker.day_of_association(as_of)
        only = person_filter(facts, "application", email)
        standings = judge_applications(
            facts, tracker.rulebooks, day_of, association=association, only=only
        )
        found = with_uncounted(rest, tracker.rulebooks, standings, day_of)
        if as_json:
            print_json_list(as_json_object(s, uncounted) for s, uncounted in found)
        else:
            _print_table_readiness(found)


def as_json_object(standing: ApplicationStanding, uncounted: Uncounted) -> dict[str, Any]:
    """One application as the JSON that the README describes; hours and years are decimal."""
    candidate = standing.facts.candidate
    return {
        "email": standing.facts.email,
        "association": standing.plan.association,
        "category": standing.plan.category,
        "opened_on": candidate.opened_on.isoformat(),
        "submitted_on": candidate.submitted_on and candidate.submitted_on.isoformat(),
        "status": standing.status.value,
        "requirements": [_requirement(result, uncounted) for result in standing.results],
        "next_change_on": standing.next_change_on and standing.next_change_on.isoformat(),
        **({} if standing.plan.requirements else {"explanation": NO_INITIAL_RULES}),
    }


def _requirement(result: Result, uncounted: Uncounted) -> dict[str, Any]:
    requirement = result.requirement
    return {
        "id": requirement.id,
        "unit": requirement.unit,
        "required": _measure(requirement, result.required),
        "counted": _measure(requirement, result.counted),
        "short": _measure(requirement, result.short),
        "status": result.outcome.value,
        "note": format_notes(result),
        "window_closes_on": result.closes_on and result.closes_on.isoformat(),
        "source": {"document": requirement.source_document, "section": requirement.source_section},
        "not_counted": [
            *(_entry(requirement, remark) for remark in result.remarks),
            *(
                _entry(requirement, Remark(entry.held_on, entry.title, entry.minutes, reason))
                for entry, reason in uncounted
                if requirement.covers(entry.activity, entry.topics)
            ),
        ],
    }


def _entry(requirement: PlannedRequirement, remark: Remark) -> dict[str, Any]:
    return {
        "date": remark.day.isoformat(),
        "title": remark.title,
        requirement.unit if requirement.unit in {"hours", "years"} else "amount": _measure(
            requirement, remark.amount
        ),
        "reason": format_reason(remark.reason),
    }


def _measure(requirement: PlannedRequirement, amount: int) -> float:
    if requirement.unit == "hours":
        return as_hours(amount)
    return round(amount / _MONTHS_IN_YEAR, 2) if requirement.unit == "years" else float(amount)


def _print_table_readiness(found: Iterator[tuple[ApplicationStanding, Uncounted]]) -> None:
    columns = ("Applicant", "For", "Readiness", "Missing", "For the reviewers")
    # On a narrow terminal a long id is broken, not cut.
    table = Table(*(Column(name, overflow="fold") for name in columns))
    number = 0
    for number, (standing, _) in enumerate(found, 1):  # noqa: B007 - counted
        table.add_row(
            escape(standing.facts.email),
            f"{standing.plan.association} {standing.plan.category}",
            standing.status.value,
            _said(standing, Outcome.SHORT) if standing.plan.requirements else NO_INITIAL_RULES,
            _said(standing, Outcome.REVIEW),
        )
    if number:
        Console().print(table)
    else:
        Console().print(
            "No application to show: import some first (`tracker import FOLDER` with "
            "applications.csv), or ask for another day, association or person."
        )


def _said(standing: ApplicationStanding, outcome: Outcome) -> str:
    return "\n".join(
        escape(
            format_amounts(r)
            if outcome is Outcome.SHORT
            else f"{r.requirement.id} {format_notes(r)}".strip()
        )
        for r in standing.results
        if r.outcome is outcome
    )


def format_amounts(result: Result) -> str:
    """What is missing of a requirement, in a few words: ``rsc: 2 of 50 h``."""
    requirement = result.requirement
    if requirement.unit == "hours":
        return (
            f"{requirement.id}: {format_hours(result.short)} of {format_hours(result.required)} h"
        )
    if requirement.unit == "years":
        return f"{requirement.id}: {result.short} of {result.required} months"
    if result.required == 1:
        return requirement.id
    return f"{requirement.id}: {result.short} of {result.required} {requirement.unit}"


def person_filter(
    session: Session, what: Literal["endorsement", "application"], email: str | None
) -> str | None:
    """The name of a temporary table with the ids of what the person has; None for everybody's.

    Raises UnknownName where nobody with that address has any.
    """
    if not email:
        return None
    email = email.strip().lower()
    person, held = METADATA.tables["person"], METADATA.tables[what]
    theirs = (person.c.email == email) | (person.c.second_email == email)
    ids = session.scalars(
        select(held.c.id).join_from(held, person, person.c.id == held.c.person_id).where(theirs)
    ).all()
    if not ids:
        message = f"nobody with an {what} has the address {email!r}"
        raise UnknownName(message)
    make_id_table(session, _WANTED, ids)
    return _WANTED
