"""The command line of `tracker sessions`. Like cli.py it imports what a command needs late."""

from typing import Annotated

import typer

sessions_app = typer.Typer(
    help="Signed-in browsers: end them all.", no_args_is_help=True, rich_markup_mode=None
)


@sessions_app.callback()
def sessions() -> None:
    """Signed-in browsers: end them all."""


@sessions_app.command("end-all")
def sessions_end_all(
    *,
    calendars: Annotated[bool, typer.Option(help="End calendar addresses, too.")] = False,
    tokens: Annotated[bool, typer.Option(help="Revoke API tokens, too.")] = False,
) -> None:
    """Sign everybody out and void every sign-in code, as after restoring a backup."""
    from tracker.commands import sessions

    sessions.end_all(calendars=calendars, tokens=tokens)
