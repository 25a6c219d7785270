"""`tracker backup` and `tracker restore`: the database and its files, while everything runs."""

import sys
from pathlib import Path

from tracker import clock
from tracker.db.engine import newest_version
from tracker.services.backup import make_backup
from tracker.services.restore import restore_backup
from tracker.settings import load_settings


def run(folder: Path) -> None:
    """Make a backup and print where it is; also of an older schema, before it is migrated."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    backup = make_backup(url, settings.evidence_folder, folder, clock.now())
    sys.stdout.write(f"{backup.path}: schema {backup.schema}, uploaded files: {backup.files}\n")
    if backup.missing:
        sys.stdout.write(
            f"Files missing or damaged in the evidence folder: {len(backup.missing)}. "
            "Run `tracker check` for details; an older backup may have them.\n"
        )


def run_restore(folder: Path, *, end_sessions: bool) -> None:
    """Restore a backup and print what was restored, what was revoked, and what is left to do."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    restored = restore_backup(
        folder, url, settings.evidence_folder, clock.now(), revoke_access=end_sessions
    )
    note, revoked = restored.note, restored.revoked
    lines = [f"Restored as of {note.begun_at}, with {note.files} uploaded files."]
    if note.schema != newest_version():
        lines.append(f"The schema was migrated from {note.schema} to {newest_version()}.")
    if revoked is None:
        lines.append(
            "Every session, sign-in code, calendar address and API token of that time works "
            "again: `tracker sessions end-all` ends them."
        )
    else:
        lines.append(
            f"Browser sessions ended: {revoked.sessions}, sign-in codes voided: {revoked.codes}. "
            "Everyone signs in again."
        )
        lines.append(
            "Calendar addresses and API tokens of that time work again: "
            "`tracker sessions end-all --calendars --tokens` ends them."
        )
    if restored.missing:
        lines.append(f"Files missing or damaged: {len(restored.missing)} (see `tracker check`).")
    sys.stdout.write("\n".join(lines) + "\n")
