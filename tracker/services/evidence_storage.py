"""What an uploaded file is by its content, and the folder that stores it.

A file is accepted only if it looks like its kind from start to end and like nothing else: a picture
that is also a page or an archive is refused. Nothing in it is decoded, drawn, or run.
"""

import codecs
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

PDF, JPEG, PNG, HEIC = "application/pdf", "image/jpeg", "image/png", "image/heic"
# How names of each kind may end; the first ending is added to a name that has another one.
ENDINGS = {
    PDF: (".pdf",),
    JPEG: (".jpg", ".jpeg"),
    PNG: (".png",),
    HEIC: (".heic", ".heif"),
}
# What browsers and servers would run or open as a page. Long enough not to be in a picture's
# noise by chance.
_PAGE = re.compile(rb"<script|<html|<!doctype|<\?php|<iframe|<svg[\s>]|%PDF-\d\.", re.IGNORECASE)
# The end of a ZIP archive: office files and programs are archives too.
_ARCHIVE = b"PK\x05\x06\x00\x00\x00\x00"
_ARCHIVE_WITHIN = 70_000
_PDF = re.compile(rb"%PDF-[12]\.\d")
_PDF_HEAD, _PDF_TAIL = 1024, 2048
# How a picture of each kind starts, and what a whole one has besides.
_PICTURES = {
    PNG: (b"\x89PNG\r\n\x1a\n", b"IHDR", b"IDAT", b"IEND\xaeB`\x82"),
    JPEG: (b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"),
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}


def media_type_of(content: bytes) -> str | None:
    """The media type of a PDF, JPEG, PNG, or HEIC file; None for anything else."""
    if _ARCHIVE in content[-_ARCHIVE_WITHIN:]:
        return None
    if _is_pdf(content):
        return PDF
    if _PAGE.search(content):
        return None
    for media_type, (start, *parts) in _PICTURES.items():
        if content.startswith(start):
            return media_type if all(part in content for part in parts) else None
    return HEIC if _is_heic(content) else None


def _is_pdf(content: bytes) -> bool:
    """Whether it starts and ends as a PDF; the text of a page may only be in its middle."""
    # Some programs write a byte order mark before it, and mail systems a line after it.
    plain = content.removeprefix(codecs.BOM_UTF8)
    before, mark, after = plain.rpartition(b"%%EOF")
    if not _PDF.match(plain) or not mark or len(after) > _PDF_TAIL:
        return False
    head = plain[len("%PDF-1.7") : _PDF_HEAD]
    return b"startxref" in before[-_PDF_TAIL:] and not _PAGE.search(head + after)


def _is_heic(content: bytes) -> bool:
    """Whether it is a row of whole boxes, of which the first names a HEIC brand (ISO 14496-12)."""
    position = 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4]) or len(content) - position
        if size == 1:
            size = int.from_bytes(content[position + 8 : position + 16])
        position += max(size, 8)
    brands = content[8 : int.from_bytes(content[:4])]
    listed = {brands[i : i + 4] for i in range(0, len(brands), 4)}
    return (
        content[4:8] == b"ftyp" and position == len(content) and not _HEIC_BRANDS.isdisjoint(listed)
    )


_OURS = re.compile(r"[0-9a-f]{40}")
_MARKER = ".swept"
_STRAY = ".stray-"
_STRAY_MARKER = re.compile(r"\.stray-[0-9a-f]{40}")
_ORPHAN_AFTER = timedelta(days=30)
_NEVER = timedelta(0)
_SWEEP_AFTER = timedelta(days=1)


class UndeletedFile(NamedTuple):
    """A file that could not be deleted, and why."""

    path: Path
    reason: str


class EvidenceFolder:
    """Files under generated names in ``path``, a folder that the first one creates."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, content: bytes) -> str:
        """Store a file durably and return its name. Raises OSError."""
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

    def copy(self, name: str) -> str:
        """Store a file once more, under a name of its own, and return that. Raises OSError.

        A hard link where the disk has such: either can be deleted, and both take the space of one.
        """
        copied = secrets.token_hex(20)
        try:
            os.link(self.path / name, self.path / copied)
        except OSError:
            return self.write((self.path / name).read_bytes())
        return copied

    def file(self, name: str) -> Path | None:
        """The path of a stored file; None if it does not exist."""
        path = self.path / name
        return path if _OURS.fullmatch(name) and path.is_file() else None

    def count(self, names: Iterable[str]) -> int:
        """How many of these files exist."""
        return sum(self.file(name) is not None for name in names)

    def delete(self, names: Iterable[str]) -> list[UndeletedFile]:
        """Delete files; return those that could not be deleted, also because they are missing.

        `sweep` retries what fails if the rows are deleted.
        """
        undeleted = []
        for name in names:
            path = self.path / name
            try:
                path.unlink()
            except OSError as error:
                reason = error.strerror or "it can't be deleted"
                undeleted.append(UndeletedFile(path.absolute(), reason))
        return undeleted

    def sweep(self, known: Callable[[], set[str]], now: datetime) -> int:
        """Delete files that have had no row for a month, at most once a day; return how many.

        ``known`` returns the names that rows have; ``now`` is aware.
        """
        marker = self.path / _MARKER
        if not self.path.is_dir() or _age(marker, now, timedelta.max) < _SWEEP_AFTER:
            return 0
        _touch(marker, now)
        # First the folder, then the rows: a file stored in between is not looked at.
        there = {file.name for file in self.path.iterdir()}
        files = set(filter(_OURS.fullmatch, there))
        strays = files - known()
        # A marker's age is how long its file has had no row.
        markers = {f"{_STRAY}{name}": name for name in strays}
        self.delete(set(filter(_STRAY_MARKER.fullmatch, there)) - markers.keys())
        deleted = 0
        for mark, name in markers.items():
            if mark not in there:
                _touch(self.path / mark, now)
            elif _age(self.path / mark, now, _NEVER) >= _ORPHAN_AFTER:
                self.delete([name, mark])
                deleted += 1
        return deleted


def digest_of(content: bytes) -> str:
    """A hash that tells whether a form brought the same file twice."""
    return hashlib.sha256(content).hexdigest()


def _touch(file: Path, now: datetime) -> None:
    file.touch(mode=0o600)
    os.utime(file, (now.timestamp(), now.timestamp()))


def _age(file: Path, now: datetime, missing: timedelta) -> timedelta:
    """How long ago a file was written; ``missing`` if it does not exist."""
    with suppress(OSError):
        return timedelta(seconds=now.timestamp() - file.stat().st_mtime)
    return missing
