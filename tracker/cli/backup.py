"""`tracker backup`: the database and its files, whole, while everything runs."""

import sys
from pathlib import Path

from tracker import clock
from tracker.db.engine import newest_version
from tracker.services.backup import make_backup
from tracker.services.restore import restore_backup
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


_KEPT = (
    "Every session, sign-in code, calendar address and API token of that time opens again: "
    "`tracker sessions end-all` ends them.\n"
)
_STILL_OPEN = (
    "Calendar addresses and API tokens of that time open again: `tracker sessions end-all "
    "--calendars --tokens` ends them.\n"
)


def run_restore(folder: Path, *, end_sessions: bool) -> None:
    """Restore, and say what was, what was ended, and what is left to do."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    done = restore_backup(
        folder, url, settings.evidence_folder, clock.now(), end_access=end_sessions
    )
    lines = [f"Restored as of {done.note.begun_at}, with {done.note.files} files of evidence.\n"]
    if done.schema != newest_version():
        lines.append(f"It was brought from schema {done.schema} to {newest_version()}.\n")
    if done.ended is None:
        lines.append(_KEPT)
    else:
        ended = f"Signed-in browsers ended: {done.ended.sessions}, sign-in codes voided: "
        lines += [f"{ended}{done.ended.codes}. Everybody signs in anew.\n", _STILL_OPEN]
    if done.lacking:
        lines.append(f"Files that are missing or damaged: {len(done.lacking)} (`tracker check`).\n")
    sys.stdout.writelines(lines)
