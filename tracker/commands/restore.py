"""`tracker restore`: a backup into an empty database, brought to this program's schema."""

import sys
from pathlib import Path

from tracker import clock
from tracker.records.backups.restoring import restore_backup
from tracker.records.store.engine import newest_version
from tracker.settings import load_settings

_KEPT = (
    "Every session, sign-in code, calendar address and API token of that time opens again: "
    "`tracker sessions end-all` ends them.\n"
)
_STILL_OPEN = (
    "Calendar addresses and API tokens of that time open again: `tracker sessions end-all "
    "--calendars --tokens` ends them.\n"
)


def run(folder: Path, *, end_sessions: bool) -> None:
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
