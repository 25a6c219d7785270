"""Tells what an uploaded file is by its content, whatever it is called.

A file is taken only where its structure is that of its kind from the first byte to the last
part, and where it is nothing else besides: a picture that is also a page or an archive is none
of ours. Nothing of it is decoded, drawn or run.
"""

import codecs
import hashlib
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

# What makes a file something to run, or to open as another kind. Long enough that the noise of
# a picture does not hold it by chance.
_PAGES = re.compile(rb"<script|<html|<!doctype|<\?php|<iframe|<svg[\s>]|%PDF-\d\.", re.IGNORECASE)
# The end of a ZIP archive, of which office files and programs are made, too.
_ARCHIVE = b"PK\x05\x06\x00\x00\x00\x00"
_ARCHIVE_WITHIN = 70_000
_PNG = b"\x89PNG\r\n\x1a\n"
_PDF = re.compile(rb"%PDF-[12]\.\d")
_PDF_HEAD, _PDF_TAIL = 1024, 2048
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
# Frames of a JPEG picture: all of C0 to CF but tables (C4, CC) and an extension (C8).
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A picture has a few hundred parts (some editors write a PNG in pieces of 1 kB). One of nothing but
# millions of empty ones would cost a second, and memory by the hundred MB.
_MOST_CHUNKS, _MOST_PARTS = 20_000, 1000
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"


def media_type_of(content: bytes) -> str | None:
    """The media type of a PDF, JPEG, PNG or HEIC file; None for anything else."""
    for media_type, is_one in _KINDS.items():
        if is_one(content):
            return None if _is_more(content, media_type) else media_type
    return None


def _is_more(content: bytes, media_type: str) -> bool:
    # A PDF may hold the text of a page; it is one only if it begins with it.
    searched = content
    if media_type == PDF:
        end = content.rindex(b"%%EOF")
        searched = content[:_PDF_HEAD].removeprefix(codecs.BOM_UTF8)[len("%PDF-1.7") :]
        searched += content[end:]
    return bool(_PAGES.search(searched)) or _ARCHIVE in content[-_ARCHIVE_WITHIN:]


def _is_pdf(content: bytes) -> bool:
    # Some programs write a mark before it, and mail systems a line after it: viewers mind neither.
    before, mark, _ = content[-_PDF_TAIL:].rpartition(b"%%EOF")
    is_headed = _PDF.match(content.removeprefix(codecs.BOM_UTF8)) is not None
    return is_headed and bool(mark) and b"startxref" in before


def _is_png(content: bytes) -> bool:
    if not content.startswith(_PNG):
        return False
    names = [name for name, sound in islice(_png_chunks(content), _MOST_CHUNKS) if sound]
    return bool(names) and names[0] == b"IHDR" and b"IDAT" in names and names[-1] == b"IEND"


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bool]]:
    """Each chunk's name, and whether its checksum holds; ends after the first that does not."""
    at, sound, name = len(_PNG), True, b""
    whole = memoryview(content)
    while sound and name != b"IEND" and at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        name = content[at + 4 : at + 8]
        end = at + 8 + length
        sound = zlib.crc32(whole[at + 4 : end]) == int.from_bytes(content[end : end + 4], "big")
        yield name, sound
        at = end + 4


def _is_jpeg(content: bytes) -> bool:
    if not content.startswith(b"\xff\xd8\xff"):
        return False
    markers = list(islice(_jpeg_markers(content), _MOST_PARTS))
    framed = any(marker in _FRAMES for marker in markers)
    # Phones append more after the picture's end: it need not be the file's.
    return framed and markers[-1] == _START_OF_SCAN and _END_OF_IMAGE in content


def _jpeg_markers(content: bytes) -> Iterator[int]:
    """The markers of the segments before the picture's data, that of the data included."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:  # noqa: PLR2004 - begins every marker
        marker = content[at + 1]
        yield marker
        if marker == _START_OF_SCAN:
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def _is_heic(content: bytes) -> bool:
    boxes = list(islice(_boxes(content), _MOST_PARTS + 1))
    if len(boxes) > _MOST_PARTS:
        return False
    names = [name for name, _ in boxes]
    if not names or names[0] != b"ftyp" or b"meta" not in names or names[-1] == b"":
        return False
    brands = boxes[0][1]
    major, compatible = brands[:4], brands[8:]
    listed = {compatible[i : i + 4] for i in range(0, len(compatible), 4)}
    return bool(_HEIC_BRANDS & {major, *listed})


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each top-level box's name and its first bytes; an empty name where the sizes do not fit."""
    at = 0
    while at < len(content):
        size, head = int.from_bytes(content[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(content)
        if end > len(content) or end < at + head:
            yield b"", b""
            return
        yield content[at + 4 : at + 8], content[at + head : min(end, at + 256)]
        at = end


PDF, JPEG, PNG, HEIC = "application/pdf", "image/jpeg", "image/png", "image/heic"
_KINDS: dict[str, Callable[[bytes], bool]] = {
    PDF: _is_pdf,
    JPEG: _is_jpeg,
    PNG: _is_png,
    HEIC: _is_heic,
}
# How names of each kind may end; the first one is added where another ending stands.
ENDINGS = {
    PDF: (".pdf",),
    JPEG: (".jpg", ".jpeg"),
    PNG: (".png",),
    HEIC: (".heic", ".heif"),
}


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
