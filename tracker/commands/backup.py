"""`tracker backup`: the database and its files, whole, while everything runs."""

import sys
from pathlib import Path

from tracker import clock
from tracker.records.backups.backup import make_backup
from tracker.settings import load_settings


def run(folder: Path) -> None:
    """Make a backup, and say where it is; also of an older schema, before it is migrated."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    made = make_backup(url, settings.evidence_folder, folder, clock.now())
    sys.stdout.write(f"{made.path}: schema {made.schema}, files of evidence: {made.files}\n")
    if made.lacking:
        sys.stdout.write(
            f"Files that are missing or damaged where they are kept, too: {len(made.lacking)}. "
            "`tracker check` says more; an older backup may have them.\n"
        )
