"""All my data, as one file to keep."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import BoundedSemaphore
from typing import IO

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Connection

from tracker.records.engine import reading
from tracker.records.evidence import files_of_entries
from tracker.transfer.my_data import write_my_data
from tracker.web.site import Instant, Site, TheSite
from tracker.web.uploads import folder_of
from tracker.web.viewer import ThePerson

router = APIRouter()
# So few at a time: each holds a connection, and beyond this size a file on disk.
_AT_A_TIME = BoundedSemaphore(2)
_IN_MEMORY = 1024 * 1024
_CHUNK = 64 * 1024
_WAIT_SECONDS = 20
# What may stand in a name on every disk, and leads to no other folder.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


@router.get("/takeaways/my-data.zip")
def send(site: TheSite, at: Instant, who: ThePerson) -> Response:
    """The archive; it is written aside first, so that a failure shows before anything is sent."""
    if not _AT_A_TIME.acquire(timeout=_WAIT_SECONDS):
        raise HTTPException(503, headers={"Retry-After": "30"})
    made: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
    try:
        with reading(site.engine) as connection:
            write_my_data(connection, who.id, made, at, _evidence(connection, site, who.id))
    except BaseException:
        made.close()
        raise
    finally:
        _AT_A_TIME.release()
    size = made.tell()
    made.seek(0)
    headers = {
        "content-disposition": 'attachment; filename="my-data.zip"',
        "content-length": str(size),
    }
    return StreamingResponse(_sent(made), media_type="application/zip", headers=headers)


def _evidence(
    connection: Connection, site: Site, person_id: int
) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The files of a person's entries, by the number of each entry and their own."""
    folder = folder_of(site)
    for entry_id, files in sorted(files_of_entries(connection, person_id).items()):
        for file in files:
            path = folder.file(file.stored_as) if folder else None
            # One that a restored backup lacks is missing here, too, and the rest still comes.
            if path is not None:
                name = _UNSAFE.sub("_", file.name).lstrip(".")
                yield f"{entry_id}-{file.id}-{name}", partial(_open, path)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _sent(made: IO[bytes]) -> Iterator[bytes]:
    with made:
        while piece := made.read(_CHUNK):
            yield piece
