"""The commands that keep an installation well, which import what they need when they run."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.options import Json, create_group, parse_instant

maintenance_app = create_group("Pause pages, jobs, and mail while you work on the installation.")


def upgrade(
    backups: Annotated[
        Path | None, typer.Argument(help="The folder for backups. One is made there before.")
    ] = None,
    *,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Make no backup: you have one of your own.")
    ] = False,
) -> None:
    """Back up, migrate, and check the database while nothing else runs; or change nothing."""
    from tracker.cli import upkeep

    if backups is None and not no_backup:
        raise typer.BadParameter("name a folder for the backup, or give --no-backup")
    if backups is not None and no_backup:
        raise typer.BadParameter("--no-backup takes no folder")
    upkeep.upgrade(backups)


def healthcheck(
    json: Json = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Also ask the pages of `tracker serve` here.")
    ] = False,
) -> None:
    """Say whether database, schedule, and mail keep up, for containers. Exit code 1 if not."""
    from tracker.cli import upkeep

    upkeep.check_health(as_json=json, ask_pages=pages)


def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be deleted; delete nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Delete what is kept no longer, as the nightly evaluation does, and count it by kind."""
    from tracker.cli import upkeep

    upkeep.purge_old(dry_run=dry_run, as_json=json)


@maintenance_app.command("on")
def maintenance_on(
    until: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="INSTANT", help="When it will probably end."),
    ] = None,
    text: Annotated[str, typer.Option(help="What pages say about it.")] = "",
) -> None:
    """Pause pages, the API, jobs, and mail. Again: change the text or the end."""
    from tracker.cli import upkeep

    upkeep.start_maintenance(until, text)


@maintenance_app.command("off")
def maintenance_off() -> None:
    """Go on with everything that waited."""
    from tracker.cli import upkeep

    upkeep.end_maintenance()
