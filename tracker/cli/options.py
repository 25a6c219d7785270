"""What the command groups share: how a group is made, and common options."""

from datetime import date
from typing import Annotated

import typer

from tracker.far_days import is_far


def create_group(help_text: str) -> typer.Typer:
    """A group of commands."""
    # Plain help: drawing boxes takes longer than everything else that --help does.
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
    )


def parse_day(text: str) -> date:
    """An ISO date. Raises BadParameter, also for a day so far away that nobody can mean it."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a date. Write it as YYYY-MM-DD") from error
    refuse_far(day)
    return day


def refuse_far(day: date) -> None:
    """Raise BadParameter for a day from which nothing can be counted."""
    if is_far(day):
        raise typer.BadParameter(f"{day} is too far away. Write a day of this time")


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsOf = Annotated[
    date | None, typer.Option(parser=parse_day, metavar="DATE", help="Evaluate as of this day.")
]
Association = Annotated[
    str | None, typer.Option(help="Only this association (its id in the rulebook).")
]
