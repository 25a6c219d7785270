"""The command line of backups. Like cli.py it imports what a command needs late."""

from pathlib import Path
from typing import Annotated

import typer


def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept; each gets its folder.")],
) -> None:
    """Back up the database and the files of evidence, while everything runs."""
    from tracker.commands import backup as command

    command.run(folder)


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup: a folder tracker-… of `backup`.")],
    *,
    end_sessions: Annotated[
        bool, typer.Option(help="Sign everybody out and void every sign-in code.")
    ] = True,
) -> None:
    """Put a backup into a database that is absent or empty, and its files back."""
    from tracker.commands import restore as command

    command.run(folder, end_sessions=end_sessions)
