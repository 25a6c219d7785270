"""Hands out evidence: as a file to save, never as a page, to those who may see it."""

import re
from urllib.parse import quote

import structlog
from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from tracker.records.evidence.evidence import file_for, own_file
from tracker.records.store.engine import reading
from tracker.web.forms.typed import RowId
from tracker.web.frame.site import TheSite
from tracker.web.frame.viewer import TheViewer
from tracker.web.hours.uploads import folder_of

router = APIRouter()
_LOG = structlog.get_logger()
# What may stand in a header between quotes, and on every disk.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


@router.get("/evidence/{file_id}")
def download(site: TheSite, who: TheViewer, file_id: RowId) -> FileResponse:
    """One file, for its owner and for coordinators who may read what it proves."""
    folder = folder_of(site)
    with reading(site.engine) as connection:
        own = own_file(connection, file_id, who.person_id) if who.person_id is not None else None
        found = own or file_for(connection, site.books, file_id, who.coordinates)
    if found is None or folder is None:
        raise HTTPException(404)
    path = folder.file(found.stored_as)
    if path is None:
        # A restored backup without its files looks like this.
        _LOG.error("evidence has no file", evidence=found.id)
        raise HTTPException(404)
    headers = {
        "content-disposition": say_disposition(found.name),
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return FileResponse(path, media_type=found.media_type, headers=headers)


def say_disposition(name: str) -> str:
    """The header that has a file saved under its name (RFC 6266, with the name as in RFC 8187)."""
    ascii_name = _UNSAFE.sub("_", name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
