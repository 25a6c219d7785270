"""What the command groups share: how a group is made, and common options."""

from datetime import date
from typing import Annotated

import typer


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
    """An ISO date. Raises BadParameter."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a date. Write it as YYYY-MM-DD") from error


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsOf = Annotated[
    date | None, typer.Option(parser=parse_day, metavar="DATE", help="Evaluate as of this day.")
]
Association = Annotated[
    str | None, typer.Option(help="Only this association (its id in the rulebook).")
]
