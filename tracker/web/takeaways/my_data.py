"""All my data, as one file to keep."""

import re
from asyncio import sleep
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi import APIRouter, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy import Connection

from tracker.clock import stopwatch
from tracker.records.evidence.evidence import files_of_entries
from tracker.records.store.engine import reading
from tracker.transfer.my_data import write_my_data
from tracker.web.frame.downloads import Download, Places
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import ThePerson
from tracker.web.hours.uploads import folder_of

router = APIRouter()
# So few at a time, from the first line to the last byte sent: beyond this size each is on the disk.
_PLACES = Places(4)
_IN_MEMORY = 1024 * 1024
_WAIT_SECONDS, _LOOK_AGAIN_SECONDS = 10, 0.2
# What may stand in a name on every disk, and leads to no other folder.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


@router.get("/takeaways/my-data.zip")
async def send(site: TheSite, at: Instant, who: ThePerson) -> Response:
    """The archive; it is written aside first, so that a failure shows before anything is sent."""
    await _wait_for_place(who.id)
    leave = partial(_PLACES.leave, who.id)
    try:
        made = await run_in_threadpool(_make, site, at, who.id)
    except BaseException:
        leave()
        raise
    return Download(made, "my-data.zip", "application/zip", leave)


async def _wait_for_place(person_id: int) -> None:
    """Wait without a thread: who presses twice goes on once the first one is seen to be gone."""
    until = stopwatch() + _WAIT_SECONDS
    while not _PLACES.take(person_id):
        if stopwatch() >= until:
            raise HTTPException(503, headers={"Retry-After": "30"})
        await sleep(_LOOK_AGAIN_SECONDS)


def _make(site: Site, at: datetime, person_id: int) -> IO[bytes]:
    made: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
    try:
        with reading(site.engine) as connection:
            evidence = _evidence(connection, site, person_id)
            write_my_data(connection, person_id, made, at, evidence)
    except BaseException:
        made.close()
        raise
    return made


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
