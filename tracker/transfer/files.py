"""Finding the files of an import, and their text."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tracker.transfer.layouts import FILE_NAMES
from tracker.transfer.problems import Problem

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
KNOWN_NAMES = ", ".join(FILE_NAMES)


class UnreadableError(Exception):
    """A file's bytes are no text; ``line`` says where, None for the whole file."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class Found:
    """The files to read, each with its kind, in the order given; and what was left aside."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: Path, message: str) -> None:
        """Note that a path cannot be read."""
        self.problems.append(Problem(display(path), None, None, None, message))

    def add(self, path: Path, kind: str) -> None:
        """Take a file to be read, once, by whatever path it is named."""
        if path.resolve() not in {known.resolve() for _, known in self.files}:
            self.files.append((kind, path))


def find_files(paths: Iterable[Path]) -> Found:
    """The known files that ``paths`` (files, or folders that hold them) name.

    The case of a file's name does not matter. Other files of a folder are left aside; the CSV
    files among them are in ``ignored``.
    """
    found = Found()
    for path in paths:
        try:
            _look_at(path, found)
        except OSError as error:
            found.refuse(path, f"cannot be read: {error.strerror}")
    return found


def _look_at(path: Path, found: Found) -> None:
    if path.is_dir() and path.name.lower() not in FILE_NAMES:
        _look_into(path, found)
    elif path.is_dir():
        found.refuse(path, "is a folder, and must be a file: name the folder that holds the files")
    elif not path.exists():
        found.refuse(path, "does not exist")
    elif kind := FILE_NAMES.get(path.name.lower()):
        found.add(path, kind)
    else:
        found.refuse(path, f"is not a known file name; known are {KNOWN_NAMES}")


def _look_into(folder: Path, found: Found) -> None:
    known = 0
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if name in FILE_NAMES:
            known += 1
            _look_at(path, found)
        elif name.endswith(".csv"):
            found.ignored.append(display(path))
    if not known:
        found.refuse(folder, f"holds none of the known files: {KNOWN_NAMES}")


def display(path: Path) -> str:
    """A path as it is printed, even when its bytes are no text."""
    return os.fsencode(path).decode("utf-8", "replace")


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 with or without its mark, else Windows-1252.

    Raises UnreadableError for any other encoding that shows, and for NUL characters.
    """
    if data.startswith(_OTHER_BOMS):
        raise UnreadableError('is in UTF-16: save it as "CSV UTF-8"')
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(_BOM):
            raise UnreadableError(
                "is not the UTF-8 that its mark says", _line(data, error)
            ) from None
        text = _decode_windows(data)
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise UnreadableError("holds a NUL character: this is no CSV text", line)
    return text


def _decode_windows(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        message = f"byte {data[error.start]:#04x} is neither UTF-8 nor Windows-1252"
        raise UnreadableError(message, _line(data, error)) from None


def _line(data: bytes, error: UnicodeDecodeError) -> int:
    return data.count(b"\n", 0, error.start) + 1
