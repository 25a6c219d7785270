"""All my data, as one file to keep."""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from threading import BoundedSemaphore
from typing import IO

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response, StreamingResponse

from tracker.records.engine import reading
from tracker.transfer.my_data import write_my_data
from tracker.web.site import Instant, TheSite
from tracker.web.viewer import ThePerson

router = APIRouter()
# So few at a time: each holds a connection, and beyond this size a file on disk.
_AT_A_TIME = BoundedSemaphore(2)
_IN_MEMORY = 1024 * 1024
_CHUNK = 64 * 1024
_WAIT_SECONDS = 20


@router.get("/takeaways/my-data.zip")
def send(site: TheSite, at: Instant, who: ThePerson) -> Response:
    """The archive; it is written aside first, so that a failure shows before anything is sent."""
    if not _AT_A_TIME.acquire(timeout=_WAIT_SECONDS):
        raise HTTPException(503, headers={"Retry-After": "30"})
    made: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
    try:
        with reading(site.engine) as connection:
            write_my_data(connection, who.id, made, at)
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


def _sent(made: IO[bytes]) -> Iterator[bytes]:
    with made:
        while piece := made.read(_CHUNK):
            yield piece
