"""Files that the desk's long work makes: pieces in the database, and the ZIP file of them."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import IO, Protocol
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from sqlmodel import Session

from tracker.rulebooks import Rulebooks
from tracker.services.desk_tasks import Piece
from tracker.settings import Settings

# A file that only its owner may write, and all may read.
_MODE = 0o644 << 16


class FileContext(Protocol):
    """What it takes to make a file: the jobs' context has it."""

    @property
    def settings(self) -> Settings:
        """The settings: the address of the pages."""

    @property
    def rulebooks(self) -> Rulebooks:
        """The rules in force."""

    @property
    def transaction(self) -> Callable[[], AbstractContextManager[Session]]:
        """Opens a transaction that commits at its end."""


def write_zip(target: IO[bytes], pieces: Iterable[Piece], at: datetime) -> None:
    """Write a ZIP file of pieces, those of one member one after another, dated ``at``."""
    with ZipFile(target, "w") as archive:
        for name, parts in groupby(pieces, key=attrgetter("name")):
            info = ZipInfo(name, at.timetuple()[:6])
            info.compress_type, info.external_attr = ZIP_DEFLATED, _MODE
            with archive.open(info, "w", force_zip64=True) as file:
                for part in parts:
                    file.write(part.content)
