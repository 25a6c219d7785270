"""Commands that keep an installation well: upgrade."""

import sys
from functools import partial
from pathlib import Path

from tracker import clock
from tracker.checks.copies import list_problems
from tracker.rulebooks import check_own_settings, load_rulebooks
from tracker.services.upgrade import Installation, upgrade_database
from tracker.settings import load_settings


def upgrade(backups: Path | None) -> None:
    """Upgrade the database, and print from which schema to which, and where the backup is."""
    settings = load_settings()
    # A rulebook that the new version can't read is found before anything is changed.
    rulebooks = load_rulebooks(settings.config_dir)
    check_own_settings(settings, rulebooks.associations)
    now = clock.now()
    upgraded = upgrade_database(
        Installation(
            settings.database_url.get_secret_value(),
            settings.evidence_folder,
            settings.installation_key,
        ),
        backups,
        now,
        partial(list_problems, rulebooks=rulebooks, settings=settings, now=now),
    )
    if upgraded.before == upgraded.after:
        sys.stdout.write(f"The database already has schema {upgraded.after}. Nothing to do.\n")
        return
    if upgraded.backup is not None:
        sys.stdout.write(f"Backup: {upgraded.backup.path}\n")
        if upgraded.backup.missing:
            sys.stdout.write(
                f"Files missing or damaged in the evidence folder: {len(upgraded.backup.missing)}. "
                "Run `tracker check` for details; an older backup may have them.\n"
            )
    sys.stdout.write(
        f"Upgraded from schema {upgraded.before} to {upgraded.after}, and checked. Start "
        "`tracker serve` and timers again.\n"
    )
