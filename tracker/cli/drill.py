"""`tracker restore --drill`: tries the newest backup, and records whether it can be restored."""

import sys
from functools import partial
from pathlib import Path

import typer
from sqlalchemy.engine import make_url

from tracker import clock
from tracker.checks.copies import list_problems
from tracker.cli.context import open_database
from tracker.db.engine import is_sqlite_url, writing
from tracker.rulebooks import load_rulebooks
from tracker.services.restore_drill import (
    find_newest_backup,
    format_backup_age,
    is_outdated,
    try_backup,
)
from tracker.settings import load_settings


def run(folder: Path) -> None:
    """Print and record the outcome; exit code 1 if the backup can't be restored."""
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    url, now = settings.database_url.get_secret_value(), clock.now()
    check = partial(list_problems, rulebooks=rulebooks, settings=settings, now=now)
    drill = try_backup(find_newest_backup(folder), url, settings.installation_key, now, check)
    outcome = "was restored and checked" if drill.is_proven else "could NOT be restored"
    sys.stdout.write(f"{drill.backup} {outcome}: {drill.detail}\n")
    if age := format_backup_age(drill):
        sys.stdout.write(f"The backup is {age} old.\n")
    if is_outdated(drill):
        sys.stdout.write("Nothing newer can be restored: see why no backups are made.\n")
    is_proven = drill.is_proven
    address = make_url(url)
    if is_sqlite_url(address) and not Path(str(address.database)).is_file():
        # On a machine that only keeps backups.
        sys.stdout.write(f"This is not recorded: there is no database at {address.database}.\n")
    else:
        with open_database(settings) as engine, writing(engine) as session:
            session.add(drill)
    if not is_proven:
        raise typer.Exit(1)
