"""Uploaded files: checked by content, named safely, stored on the disk, and handed out again."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple
from urllib.parse import quote

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse
from sqlmodel import Session
from starlette.datastructures import UploadFile

from tracker.db.engine import reading
from tracker.services.context import Refusal
from tracker.services.evidence import (
    ReceivedFile,
    find_file_for_coordinator,
    find_own_file,
    remove_old_drafts,
    stored_names,
)
from tracker.services.evidence_storage import ENDINGS, EvidenceFolder, digest_of, media_type_of
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.web.dependencies import NowDep, Site, SiteDep, ViewerDep, client_of
from tracker.web.forms.body import RowId, clean
from tracker.web.page_request import require

_LOG = structlog.get_logger()
_MEGABYTE = 1024 * 1024
LARGEST_MB = 10
_LONGEST_NAME = 100
# One file at a time is in memory, 10 MB at most, however many come at once.
_ONE_AT_A_TIME = Lock()
# Characters that turn text around or are invisible: a name must read as what it is.
_INVISIBLE = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
# All but what can stand between quotes in a header, and on every disk.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")
router = APIRouter()
# The button was pressed twice, or on an old page.
FILE_NOT_HERE = "That file was already removed, or belongs to a saved entry. Nothing changed."


class Upload(NamedTuple):
    """Files that came with a form: those stored on the disk, and why others were refused."""

    received: tuple[ReceivedFile, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def folder_of(site: Site) -> EvidenceFolder | None:
    """Where this site keeps evidence; None if it accepts no files."""
    path = site.settings.evidence_folder
    return None if path is None else EvidenceFolder(path)


def quota_of(site: Site) -> int:
    """The space for each person's files, without those of closed cycles, in bytes."""
    return site.settings.evidence_quota_mb * _MEGABYTE


def store_files(site: Site, files: Sequence[UploadFile]) -> Upload:
    """Check each file, and write the good ones to the evidence folder."""
    folder = folder_of(site)
    if folder is None:
        return Upload(refusals=(Refusal("files", "files-not-accepted"),))
    received: list[ReceivedFile] = []
    refusals: list[Refusal] = []
    for file in files:
        with _ONE_AT_A_TIME:
            stored = _store_file(folder, file)
        if isinstance(stored, Refusal):
            refusals.append(stored)
        else:
            received.append(stored)
    return Upload(tuple(received), tuple(refusals))


def _store_file(folder: EvidenceFolder, file: UploadFile) -> ReceivedFile | Refusal:
    content = file.file.read(LARGEST_MB * _MEGABYTE + 1)
    facts = {"name": safe_name(file.filename, ""), "limit_mb": LARGEST_MB}
    if not content:
        return Refusal("files", "file-empty", facts)
    if len(content) > LARGEST_MB * _MEGABYTE:
        size = max(file.size or 0, len(content))
        return Refusal("files", "file-too-large", {**facts, "size": size})
    media_type = media_type_of(content)
    if media_type is None:
        return Refusal("files", "file-type-not-accepted", facts)
    try:
        stored_as = folder.write(content)
    except OSError as error:
        # The log tells the operator what went wrong; the file's name is the person's.
        _LOG.error("evidence cannot be stored", error=type(error).__name__, number=error.errno)
        return Refusal("files", "file-not-stored", facts)
    return ReceivedFile(
        name=safe_name(file.filename, media_type),
        media_type=media_type,
        size=len(content),
        sha256=digest_of(content),
        stored_as=stored_as,
    )


def safe_name(name: str | None, media_type: str) -> str:
    """A file's name without folders, invisible characters, or the ending of another kind."""
    last = re.split(r"[/\\]", name or "")[-1]
    plain = " ".join(clean(_INVISIBLE.sub("", last)).split()).strip(". ")
    stem, dot, ending = plain.rpartition(".")
    endings = ENDINGS.get(media_type, ("",))
    if not dot or f".{ending.lower()}" not in endings:
        stem, ending = plain, endings[0].removeprefix(".")
    return f"{stem[:_LONGEST_NAME].strip('. ') or 'file'}.{ending}".rstrip(".")


def remove_stored(site: Site, names: Iterable[str]) -> None:
    """Delete files from the disk by their stored names."""
    folder = folder_of(site)
    if folder is not None:
        folder.delete(names)


def sweep(site: Site, now: datetime) -> None:
    """Delete the files of forms abandoned a day ago, and (once a day) files without a row."""
    folder = folder_of(site)
    if folder is None:
        return

    def known() -> set[str]:
        with reading(site.engine) as session:
            return stored_names(session)

    old = site.writer.run(lambda session: remove_old_drafts(session, now))
    folder.delete(file.stored_as for file in old)
    folder.sweep(known, now)


@router.get("/evidence/{file_id}")
def download(
    request: Request, site: SiteDep, now: NowDep, viewer: ViewerDep, file_id: RowId
) -> FileResponse:
    """One file, for its owner and for coordinators who may see its entry."""
    folder, file = require(folder_of(site)), None
    with reading(site.engine) as session:
        if viewer.person_id is not None:
            file = find_own_file(session, file_id, viewer.person_id)
        if file is None:
            coordinated = viewer.coordinates
            file = find_file_for_coordinator(session, site.rulebooks, file_id, coordinated)
    file = require(file)
    if file.person_id != viewer.person_id:
        client, owner_id = client_of(request), file.person_id

        def record(session: Session) -> None:
            record_event(session, now, client, DOWNLOAD, DONE, owner_id)

        site.writer.run(record)
    path = folder.file(file.stored_as)
    if path is None:
        # As after restoring a backup without its files.
        _LOG.error("evidence has no file", evidence=file.id)
        raise HTTPException(404)
    headers = {
        "content-disposition": format_disposition(file.name),
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return FileResponse(path, media_type=file.media_type, headers=headers)


def format_disposition(name: str) -> str:
    """The header that saves a file under its name (RFC 6266, with the name as in RFC 8187)."""
    ascii_name = _UNSAFE.sub("_", name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
