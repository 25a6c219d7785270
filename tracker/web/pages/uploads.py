"""Takes the files that come with a form: judged by content, named safely, and on the disk."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple

import structlog
from sqlmodel import Session
from starlette.datastructures import UploadFile

from tracker.db.engine import reading
from tracker.services.context import Author, lock_person
from tracker.services.evidence import (
    Received,
    bytes_counted,
    files_of,
    remove_old_drafts,
    stored_names,
)
from tracker.services.evidence_storage import ENDINGS, EvidenceFolder, digest_of, media_type_of
from tracker.web.dependencies import Site
from tracker.web.forms.body import clean

_LOG = structlog.get_logger()
_MEGABYTE = 1024 * 1024
LARGEST_MB = 10
MOST_FILES = 10
_LONGEST_NAME = 100
# Whose content is in memory: one of 10 MB, however many come at once.
_LOOKING = Lock()
# Signs that turn text round, or are not seen: a name must read as what it is.
_UNSEEN = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


class Upload(NamedTuple):
    """Files that came: those on the disk now, and why others were refused, in words."""

    received: tuple[Received, ...] = ()
    refused: tuple[str, ...] = ()


def folder_of(site: Site) -> EvidenceFolder | None:
    """Where this site keeps evidence; None where it takes no files."""
    path = site.settings.evidence_folder
    return None if path is None else EvidenceFolder(path)


def quota_of(site: Site) -> int:
    """How much the files of one person may take that can still be removed, in bytes."""
    return site.settings.evidence_quota_mb * _MEGABYTE


def take_files(site: Site, files: Sequence[UploadFile]) -> Upload:
    """Look at each file, and write those that are fit to the evidence folder."""
    folder = folder_of(site)
    if folder is None:
        return Upload(refused=("This site takes no files: save without them",) if files else ())
    received: list[Received] = []
    refused: list[str] = []
    for file in files:
        with _LOOKING:
            taken = _take(folder, file)
        (refused if isinstance(taken, str) else received).append(taken)  # type: ignore[arg-type]
    return Upload(tuple(received), tuple(refused))


def fit_in(
    session: Session,
    site: Site,
    author: Author,
    received: Sequence[Received],
    of_form: tuple[str, int | None],
    leaving: Collection[int] = (),
) -> tuple[list[Received], list[str]]:
    """Those files for which there is room, and in words why there is none for the others.

    ``of_form`` names the form's key and the entry that it edits, ``leaving`` those of its files
    that go as it is saved. The person is locked, so that two forms sent at once do not both take
    the last room.
    """
    lock_person(session, author.person_id)
    held = files_of(session, author.person_id, *of_form)
    staying = [file for file in held if file.id not in leaving]
    places = MOST_FILES - len(staying)
    quota = quota_of(site)
    left = quota - bytes_counted(session, site.rulebooks, author.person_id, author.at)
    left += sum(file.size for file in held) - sum(file.size for file in staying)
    fitting: list[Received] = []
    refused: list[str] = []
    for file in received:
        if len(fitting) >= places:
            refused.append(f"{file.name} is one too many: an entry can have {MOST_FILES} files")
        elif file.size > left:
            refused.append(
                f"There is no room for {file.name} ({format_size(file.size)}): of your "
                f"{format_size(quota)}, {format_size(max(left, 0))} are left (files of closed cycles "
                "take none). Remove files you no longer need, or save without it"
            )
        else:
            fitting.append(file)
            left -= file.size
    return fitting, refused


def sweep(site: Site, at: datetime) -> None:
    """Delete the files of forms given up a day ago, and (once a day) files without a row."""
    folder = folder_of(site)
    if folder is None:
        return

    def known() -> set[str]:
        with reading(site.engine) as session:
            return stored_names(session)

    old = site.writer.run(lambda session: remove_old_drafts(session, at))
    folder.remove(file.stored_as for file in old)
    folder.sweep(known, at)


def format_size(size: int) -> str:
    """A size in words, rounded up: ``1.3 MB``, ``20 kB``; ``0 MB`` for nothing."""
    if 0 < size < _MEGABYTE // 10:
        return f"{-(-size // 1024)} kB"
    return f"{-(-size * 10 // _MEGABYTE) / 10:g} MB"


def safe_name(name: str | None, media_type: str) -> str:
    """A file's name without folders, unseen signs or an ending that is not its kind's."""
    last = re.split(r"[/\\]", name or "")[-1]
    plain = " ".join(clean(_UNSEEN.sub("", last)).split()).strip(". ")
    stem, dot, ending = plain.rpartition(".")
    endings = ENDINGS.get(media_type, ("",))
    if not dot or f".{ending.lower()}" not in endings:
        stem, ending = plain, endings[0].removeprefix(".")
    return f"{stem[:_LONGEST_NAME].strip('. ') or 'file'}.{ending}".rstrip(".")


def _take(folder: EvidenceFolder, file: UploadFile) -> Received | str:
    """The file, stored, or why it is refused."""
    content = file.file.read(LARGEST_MB * _MEGABYTE + 1)
    name = safe_name(file.filename, "")
    if not content:
        return f"{name} is empty: choose it again"
    if len(content) > LARGEST_MB * _MEGABYTE:
        whole = format_size(max(file.size or 0, len(content)))
        return f"{name} has {whole}: a file can have {LARGEST_MB} MB at most"
    media_type = media_type_of(content)
    if media_type is None:
        return f"{name} is not a PDF, JPEG, PNG or HEIC file: save it as one of these first"
    try:
        stored_as = folder.write(content)
    except OSError as error:
        # What it is called is the person's; what went wrong is the operator's.
        _LOG.error("evidence cannot be stored", error=type(error).__name__, number=error.errno)
        return f"{name} could not be stored. Save without it now, and add it later"
    return Received(
        name=safe_name(file.filename, media_type),
        media_type=media_type,
        size=len(content),
        sha256=digest_of(content),
        stored_as=stored_as,
    )
