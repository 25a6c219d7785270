"""`tracker first-day`: since when an association keeps its records in this system."""

import sys
from datetime import date

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker import clock
from tracker.cli.context import open_app, print_json_list
from tracker.db.engine import reading, writing
from tracker.errors import UserError
from tracker.formatting import format_count, format_date
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.first_days import count_standings, list_starts, set_first_day

_ALL = "none"


def parse_first_day(text: str) -> date | None:
    """A day, or None for ``none``. Raises BadParameter."""
    if text.strip().casefold() == _ALL:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        message = f"{text!r} is not a date. Write it as YYYY-MM-DD, or none if all records are here"
        raise typer.BadParameter(message) from error


def parse_first_days(texts: list[str]) -> dict[str, date | None]:
    """Read ``ASSOCIATION=DATE``, once for each association. Raises BadParameter."""
    days: dict[str, date | None] = {}
    for text in texts:
        association, equals, day = text.partition("=")
        if not equals or not association.strip():
            message = f"{text!r} is not an association and a day: write ASSOCIATION=YYYY-MM-DD"
            raise typer.BadParameter(message)
        if association.strip() in days:
            raise typer.BadParameter(f"{association.strip()} is given more than once")
        days[association.strip()] = parse_first_day(day)
    return days


def set_day(association: str, text: str, reason: str) -> None:
    """Set an association's first day, and print what that moves."""
    first_day = parse_first_day(text)
    with open_app(is_first=True) as app, writing(app.engine) as session:
        app.check_association(association)
        before = count_standings(session, association)
        context = ServiceContext(session, app.rulebooks, Actor("tracker first-day"), clock.now())
        try:
            set_first_day(context, association, first_day, reason)
        except Refused as refused:
            sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
            raise UserError("\n".join(sentences)) from None
        after = count_standings(session, association)
    if first_day is None:
        sys.stdout.write(f"All records of {association} are in this system.\n")
    else:
        sys.stdout.write(
            f"{association}'s first day in this system is {format_date(first_day)}. Renewals due "
            "before have no records here.\n"
        )
    late = f"{before.lapsed_or_overdue} before, {after.lapsed_or_overdue} now"
    standings = format_count(after.standings, "renewal")
    sys.stdout.write(f"{standings} evaluated. Overdue or lapsed: {late}.\n")


def print_days(*, as_json: bool) -> None:
    """List the associations' first days."""
    with open_app() as app, reading(app.engine) as session:
        starts = list_starts(session)
    if as_json:
        shown = {"association", "first_day", "is_chosen", "reason", "set_at", "set_by"}
        print_json_list(start.model_dump(include=shown) for start in starts)
        return
    if not starts:
        Console().print("No association has a first day yet: an import asks for it.")
        return
    table = Table("Association", "First day", "Since", "By", "Reason")
    for start in starts:
        day = start.first_day.isoformat() if start.first_day else "all records are here"
        since = start.set_at.date().isoformat()
        table.add_row(start.association, day, since, escape(start.set_by), escape(start.reason))
    Console().print(table)
