"""The folder of evidence: writable, private, and with all the files that are named (T2…)."""

import secrets
from pathlib import Path

from sqlalchemy import Connection

from tracker.checks.finding import Fact, Findings, problem, warning
from tracker.records.evidence.evidence import stored_names
from tracker.settings import Settings

_OTHERS = 0o077


def check_evidence(connection: Connection, settings: Settings) -> Findings:
    """Write a file and take it back; compare the files with the rows."""
    folder = settings.evidence_folder
    if folder is None:
        yield Fact("evidence: no evidence_dir is set, so that no files are taken")
        return
    try:
        _try_writing(folder)
    except OSError as error:
        hint = "Give this program's user the right to write there, or set another evidence_dir."
        yield problem("T210", f"{folder} cannot be written: {error.strerror}", hint)
        return
    if folder.exists() and folder.stat().st_mode & _OTHERS:
        told = f"other users of this machine can look into {folder}, which holds people's files"
        yield warning("T211", told, f"Run `chmod 0700 {folder}`.")
    missing = [name for name in stored_names(connection) if not (folder / name).is_file()]
    if missing:
        told = f"{len(missing)} files of evidence are not in {folder}"
        yield problem("T212", told, "Bring back the folder from the backup of the same time.")
    else:
        yield Fact(f"evidence: files are kept in {folder}")


def _try_writing(folder: Path) -> None:
    if not folder.exists():
        # It is made when the first file comes: now it is only tried, and leaves nothing behind.
        folder.mkdir(mode=0o700)
        folder.rmdir()
        return
    file = folder / f"check-{secrets.token_hex(8)}"
    file.touch(mode=0o600)
    file.unlink()
