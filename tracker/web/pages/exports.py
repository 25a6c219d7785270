"""The page of everything a person can take along: transcripts, a calendar, and all their data."""

import hashlib
import re
from asyncio import sleep, timeout, wait_for
from collections.abc import Callable
from datetime import date
from functools import partial
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any
from uuid import NAMESPACE_URL, uuid5

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from tracker.clock import stopwatch
from tracker.db.engine import reading
from tracker.exports import pdf_files, transcript_files
from tracker.exports.calendar import calendar_file, list_calendar_dates
from tracker.exports.my_data import list_evidence, write_my_data
from tracker.exports.transcript import Transcript, find_transcript
from tracker.exports.transcript_files import file_name, transcript_csv
from tracker.formatting import DEFAULT_LOCALE, capitalize_first, format_date, set_locale
from tracker.rules.reasons import because, format_reason
from tracker.services.calendar_feeds import (
    delete_feed,
    find_feed_owner,
    get_feed_fingerprint,
    get_feed_token,
    replace_feed,
)
from tracker.services.endorsements import Endorsed, cycles_held, endorsements_of
from tracker.web.confirmation import ConfirmedPersonPage, get_confirmed_person_page
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.forms.body import CycleStart, RowId, Typed, text_of
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.pages.uploads import folder_of
from tracker.web.rendering import category_name, format_cycle

router = APIRouter()
NAME = "Endorsement renewals"
_CALENDAR_SECTION = "/takeaways#calendar"


@router.get("/takeaways")
def show_exports(page: PersonPage) -> Response:
    """List what can be downloaded, and the calendar's address."""
    site = page.site
    with page.reading() as session:
        endorsements = endorsements_of(session, page.person_id)
        token = get_feed_token(session, page.person_id)
        fingerprint = get_feed_fingerprint(session, page.person_id)
    calendar = f"{site.settings.base_url}/calendar/{token}.ics" if token else ""
    response = page.render(
        "exports.html",
        here="takeaways",
        endorsements=[_list_transcripts(page, endorsement) for endorsement in endorsements],
        has_pdf=pdf_files.AVAILABLE,
        calendar=calendar,
        shows_address=page.is_confirmed,
        # Calendar programs open such addresses themselves.
        subscribe=f"webcal://{calendar.partition('://')[2]}",
        fingerprint=fingerprint,
    )
    # The calendar's address is secret, and the length of a compressed page could reveal it.
    response.headers["cache-control"] = "no-store, no-transform"
    return response


def _list_transcripts(page: PageRequest, endorsed: Endorsed) -> dict[str, Any]:
    """An endorsement's transcripts, the newest cycle first; ``why_none`` if there are none."""
    cycles = []
    why_none = f"We have no rulebook for {endorsed.association}"
    rulebook = page.rulebooks.associations.get(endorsed.association)
    if rulebook:
        today = page.day_of(endorsed.association)
        for cycle in cycles_held(page.rulebooks, endorsed, today):
            address = f"/transcript/{endorsed.id}/{cycle.starts_on.isoformat()}"
            cycles.append({"name": format_cycle(cycle), "address": address})
        if endorsed.starts_on > today:
            why_none = f"It starts on {format_date(endorsed.starts_on)}, as does its first cycle"
        elif not rulebook.requirements_of(endorsed.category):
            reason = because("not_tracked", association=endorsed.association)
            why_none = capitalize_first(format_reason(reason))
        else:
            why_none = "The rulebook has no renewal cycle for today"
    return {
        "association": endorsed.association,
        "category": endorsed.category,
        "category_name": category_name(rulebook, endorsed.category),
        "cycles": cycles,
        "why_none": why_none,
    }


@router.get("/calendar/{token}.ics")
def send_calendar(request: Request, site: SiteDep, now: NowDep, token: str) -> Response:
    """Send the calendar; 404 for a wrong or revoked address."""
    base = site.settings.base_url
    with reading(site.engine) as session:
        person_id = require(find_feed_owner(session, token))
        dates = list_calendar_dates(session, site.rulebooks, person_id, now)
    body = calendar_file(NAME, uuid5(NAMESPACE_URL, base), f"{base}/my-year", dates)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    # Clients ask again and again, and usually hear that nothing has changed.
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    known = request.headers.get("if-none-match", "").split(",")
    if {"*", tag} & {each.strip().removeprefix("W/") for each in known}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


@router.post("/takeaways/calendar/show", dependencies=[Depends(get_confirmed_person_page)])
def show_calendar_address() -> Response:
    """Lead back to the page, which shows the address for ten minutes after a code was entered."""
    return RedirectResponse(_CALENDAR_SECTION, 303)


@router.post("/takeaways/calendar")
def replace_calendar_address(page: ConfirmedPersonPage, form: Typed) -> Response:
    """Make an address; the one that the form names is revoked."""
    fingerprint = text_of(form, "instead")
    page.write(lambda context: replace_feed(context, fingerprint))
    return RedirectResponse(_CALENDAR_SECTION, 303)


@router.post("/takeaways/calendar/off")
def delete_calendar_address(page: PersonPage) -> Response:
    """Revoke the address."""
    page.write(delete_feed)
    return RedirectResponse(_CALENDAR_SECTION, 303)


_LOG = structlog.get_logger()
_CHUNK = 256 * 1024
# A client that pauses for longer, or takes fewer bytes a second, is given up.
_IDLE_SECONDS, _SLOWEST = 30.0, 64 * 1024


class Places:
    """A limited number of places, at most one for each person: each is a file on the disk."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[int] = set()
        self._lock = Lock()

    def take(self, person_id: int) -> bool:
        """Whether the person got a place; it is theirs until they `leave`."""
        with self._lock:
            if person_id in self._taken or len(self._taken) >= self._most:
                return False
            self._taken.add(person_id)
            return True

    def leave(self, person_id: int) -> None:
        """Make room for somebody else."""
        with self._lock:
            self._taken.discard(person_id)


class Download(StreamingResponse):
    """Sends the whole of an open ``file``; in the end it is closed and ``done`` called.

    A client that takes it too slowly gets only a part, which browsers notice by its length.
    """

    def __init__(
        self, file: IO[bytes], name: str, media_type: str, done: Callable[[], None]
    ) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._done = done
        file.seek(0)
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "content-length": str(self._size),
        }
        chunks = iter(partial(file.read, _CHUNK), b"")
        super().__init__(chunks, headers=headers, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file piece by piece, as fast as the client takes it."""

        async def send_in_time(message: Message) -> None:
            await wait_for(send(message), _IDLE_SECONDS)

        try:
            async with timeout(_IDLE_SECONDS + self._size / _SLOWEST):
                await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            _LOG.warning("a download was given up: the client is too slow", bytes=self._size)
        finally:
            self._file.close()
            self._done()


# At most so many at a time, until the last byte is sent: large ones are files on the disk.
_PLACES = Places(4)
_IN_MEMORY = 1024 * 1024
_WAIT_SECONDS, _RETRY_SECONDS = 10, 0.2
# Everything else in a file name could mean another folder, or is refused by some systems.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


@router.get("/takeaways/my-data.zip")
async def send_my_data(page: PersonPage) -> Response:
    """Send everything about a person. It is written first, so that a failure shows at once."""
    # Wait without a thread. A second click goes on when the first download is given up.
    until = stopwatch() + _WAIT_SECONDS
    while not _PLACES.take(page.person_id):
        if stopwatch() >= until:
            raise HTTPException(503, headers={"Retry-After": "30"})
        await sleep(_RETRY_SECONDS)
    leave = partial(_PLACES.leave, page.person_id)
    try:
        archive = await run_in_threadpool(_write_archive, page)
    except BaseException:
        leave()
        raise
    return Download(archive, "my-data.zip", "application/zip", leave)


def _write_archive(page: PageRequest) -> IO[bytes]:
    archive: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - `Download` closes it
    try:
        with page.reading() as session:
            folder = folder_of(page.site)
            evidence = list_evidence(session, page.person_id, folder) if folder else ()
            write_my_data(session, page.person_id, archive, page.now, evidence)
    except BaseException:
        archive.close()
        raise
    return archive


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}.csv")
def send_transcript_csv(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> Response:
    """Send a transcript for a spreadsheet."""
    transcript = _get_transcript(page, endorsement_id, cycle_starts_on)
    return _attach(transcript_csv(transcript), "text/csv; charset=utf-8", transcript, "csv")


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}.pdf")
def send_transcript_pdf(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> Response:
    """Send a transcript as a tagged PDF; 404 if typst is not installed."""
    transcript = _get_transcript(page, endorsement_id, cycle_starts_on)
    require(pdf_files.AVAILABLE)
    if not transcript_files.can_make_pdf(transcript):
        # The page explains why, and has all of it.
        return RedirectResponse(f"/transcript/{endorsement_id}/{cycle_starts_on}", 303)
    try:
        body = transcript_files.transcript_pdf(transcript, page.person_id)
    except pdf_files.BusyError:
        raise HTTPException(503, headers={"Retry-After": "30"}) from None
    except pdf_files.TypesettingError:
        return page.redirect(f"/transcript/{endorsement_id}/{cycle_starts_on}", "no-pdf")
    return _attach(body, "application/pdf", transcript, "pdf")


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}")
def show_transcript(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> Response:
    """Show a transcript on a page that prints well."""
    transcript = _get_transcript(page, endorsement_id, cycle_starts_on)
    has_pdf = transcript_files.can_make_pdf(transcript)
    return page.render(
        "transcript.html",
        here="takeaways",
        transcript=transcript,
        address=f"/transcript/{endorsement_id}/{cycle_starts_on}",
        has_pdf=has_pdf,
        is_too_long=pdf_files.AVAILABLE and not has_pdf,
        most_sessions=transcript_files.MOST_SESSIONS,
    )


def _attach(body: bytes, media_type: str, transcript: Transcript, ending: str) -> Response:
    """A file to be saved, not shown."""
    disposition = f'attachment; filename="{file_name(transcript, ending)}"'
    return Response(body, media_type=media_type, headers={"content-disposition": disposition})


def _get_transcript(page: PageRequest, endorsement_id: int, cycle_starts_on: date) -> Transcript:
    """The transcript of a cycle. Raises a 404 for any that is not the person's own.

    All of it is in the locale of the endorsement's association.
    """
    transcript = None
    with page.reading() as session:
        for endorsed in endorsements_of(session, page.person_id):
            if endorsed.id == endorsement_id:
                rulebook = page.rulebooks.associations.get(endorsed.association)
                set_locale(rulebook.locale if rulebook else DEFAULT_LOCALE)
                transcript = find_transcript(
                    session, page.rulebooks, endorsed, cycle_starts_on, page.now
                )
    return require(transcript)
