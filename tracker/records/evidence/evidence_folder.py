"""The folder with the bytes of evidence: outside the web's reach, under names that say nothing.

A file is written whole and flushed to the disk before its row is: a crash leaves at most a file
without a row, never a row without its file. Such a file is deleted a month after it was first seen
to have none, however old it is: a restored older backup loses nothing before that is noticed. The
folder remembers when: beside a stray file is an empty one whose time is when it was seen.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

_OURS = re.compile(r"[0-9a-f]{40}")
_MARKER = ".swept"
_STRAY = ".stray-"
_ORPHAN_AFTER = timedelta(days=30)
_NEVER = timedelta(0)
_SWEEP_AFTER = timedelta(days=1)


class EvidenceFolder:
    """Files by generated names in ``path``; the folder is made when the first one comes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, content: bytes) -> str:
        """Store a file for good; its name. Raises OSError where that cannot be done."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(20)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self.path / name, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return name

    def file(self, name: str) -> Path | None:
        """Where a stored file is; None if it is not there."""
        path = self.path / name
        return path if _OURS.fullmatch(name) and path.is_file() else None

    def remove(self, names: Iterable[str]) -> None:
        """Delete files whose rows are gone; one that cannot be deleted is swept later."""
        for name in names:
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    def sweep(self, known: Callable[[], set[str]], at: datetime) -> int:
        """Delete files that no row has named for a month, once a day at the most; how many.

        ``known`` gives the names that rows have; ``at`` is an aware instant.
        """
        marker = self.path / _MARKER
        if not self.path.is_dir() or _age(marker, at, timedelta.max) < _SWEEP_AFTER:
            return 0
        _touch(marker, at)
        # First what is there, then the rows: a file that came in between is not looked at.
        there = {file.name for file in self.path.iterdir()}
        files = {name for name in there if _OURS.fullmatch(name)}
        strays = files - known() if files else set()
        seen = {name.removeprefix(_STRAY) for name in there if name.startswith(_STRAY)}
        self._forget(seen - strays)
        gone = {n for n in strays & seen if _age(self._stray(n), at, _NEVER) >= _ORPHAN_AFTER}
        self.remove(gone)
        self._forget(gone)
        for name in strays - seen:
            _touch(self._stray(name), at)
        return len(gone)

    def _stray(self, name: str) -> Path:
        return self.path / f"{_STRAY}{name}"

    def _forget(self, names: Iterable[str]) -> None:
        """Remember no longer that these have no row: they have one again, or are gone."""
        for name in names:
            with suppress(OSError):
                self._stray(name).unlink(missing_ok=True)


def digest_of(content: bytes) -> str:
    """By which a file is known again, when it comes twice with one form."""
    return hashlib.sha256(content).hexdigest()


def _touch(file: Path, at: datetime) -> None:
    file.touch(mode=0o600)
    os.utime(file, (at.timestamp(), at.timestamp()))


def _age(file: Path, at: datetime, without: timedelta) -> timedelta:
    """How long ago a file was written; ``without`` where it is not there."""
    with suppress(OSError):
        return timedelta(seconds=at.timestamp() - file.stat().st_mtime)
    return without
