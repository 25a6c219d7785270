"""What the command groups share: how a group is made, and common options."""

import re
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from tracker.db.row_ids import LARGEST_ID
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


RowNumber = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID)]
ImportNumber = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=LARGEST_ID, help="Undo the import with this number."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsOf = Annotated[
    date | None, typer.Option(parser=parse_day, metavar="DATE", help="Evaluate as of this day.")
]
Association = Annotated[
    str | None, typer.Option(help="Only this association (its id in the rulebook).")
]


def parse_instant(text: str) -> datetime:
    """An ISO instant as aware UTC; without an offset it is UTC. Raises BadParameter.

    A bare day is its last minute in UTC. By then the same day has started in every time zone of the
    Americas, and its morning jobs are due.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        text += "T23:59+00:00"
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        in_utc = instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        # OverflowError: in UTC the instant is in a year that dates don't have.
        message = f"{text!r} is not an instant. Write it as YYYY-MM-DDTHH:MM-05:00"
        raise typer.BadParameter(message) from error
    refuse_far(in_utc.date())
    return in_utc
