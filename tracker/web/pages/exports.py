"""The calendar at its secret address, and the forms that make, replace and end that address."""

import hashlib
import re
from asyncio import sleep
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from tracker.clock import stopwatch
from tracker.db.engine import reading
from tracker.exports import transcript_files
from tracker.exports.calendar import calendar_file, read_calendar
from tracker.exports.my_data import write_my_data
from tracker.exports.transcript import Transcript, read_transcript
from tracker.exports.transcript_files import file_name, transcript_csv
from tracker.formatting import capitalize_first, format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import NO_RULES
from tracker.services.calendar_feeds import (
    delete_feed,
    find_feed_owner,
    get_feed_fingerprint,
    get_feed_token,
    replace_feed,
)
from tracker.services.endorsements import Endorsed, cycles_held, endorsements_of
from tracker.services.evaluation import days_at
from tracker.services.evidence import files_of_entries
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.downloads import Download, Places
from tracker.web.forms.body import RowId, Typed, text_of
from tracker.web.pages.uploads import folder_of
from tracker.web.text import format_cycle

router = APIRouter()
NAME = "Endorsement renewals"
_BACK = "/takeaways#calendar"


@router.get("/calendar/{token}.ics")
def send(request: Request, site: SiteDep, at: NowDep, token: str) -> Response:
    """The calendar; a wrong or revoked address is as absent as any."""
    with reading(site.engine) as session:
        person_id = find_feed_owner(session, token)
        if person_id is None:
            raise HTTPException(404)
        body = _body(session, site, person_id, at)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    # Each client asks anew, and mostly hears that nothing has changed.
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if _knows(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def feed_address(session: Session, site: Site, person_id: int) -> str | None:
    """The whole address of a person's calendar; None while it is switched off."""
    token = get_feed_token(session, person_id)
    return f"{site.settings.base_url}/calendar/{token}.ics" if token else None


def _body(session: Session, site: Site, person_id: int, at: datetime) -> bytes:
    events = read_calendar(session, site.rulebooks, person_id, at)
    base = site.settings.base_url
    return calendar_file(NAME, uuid5(NAMESPACE_URL, base), f"{base}/my-year", events)


def _knows(sent: str, tag: str) -> bool:
    known = [each.strip().removeprefix("W/") for each in sent.split(",")]
    return tag in known or "*" in known


@router.post("/takeaways/calendar")
def make(site: SiteDep, at: NowDep, who: PersonDep, form: Typed) -> Response:
    """Make an address; the one that the form names is revoked."""
    fingerprint = text_of(form, "instead")
    site.write(who.viewer, at, lambda context: replace_feed(context, fingerprint))
    return RedirectResponse(_BACK, 303)


@router.post("/takeaways/calendar/off")
def end(site: SiteDep, at: NowDep, who: PersonDep) -> Response:
    """Revoke the address, and have none."""
    site.write(who.viewer, at, delete_feed)
    return RedirectResponse(_BACK, 303)


# So few at a time, from the first line to the last byte sent: beyond this size each is on the disk.
_PLACES = Places(4)
_IN_MEMORY = 1024 * 1024
_WAIT_SECONDS, _LOOK_AGAIN_SECONDS = 10, 0.2
# What may stand in a name on every disk, and leads to no other folder.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


@router.get("/takeaways/my-data.zip")
async def send_my_data(site: SiteDep, at: NowDep, who: PersonDep) -> Response:
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
        with reading(site.engine) as session:
            evidence = _evidence(session, site, person_id)
            write_my_data(session, person_id, made, at, evidence)
    except BaseException:
        made.close()
        raise
    return made


def _evidence(
    session: Session, site: Site, person_id: int
) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The files of a person's entries, by the number of each entry and their own."""
    folder = folder_of(site)
    for entry_id, files in sorted(files_of_entries(session, person_id).items()):
        for file in files:
            path = folder.file(file.stored_as) if folder else None
            # One that a restored backup lacks is missing here, too, and the rest still comes.
            if path is not None:
                name = _UNSAFE.sub("_", file.name).lstrip(".")
                yield f"{entry_id}-{file.id}-{name}", partial(_open, path)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}.csv")
def send_csv(
    site: SiteDep, at: NowDep, who: PersonDep, endorsement_id: RowId, cycle_starts_on: str
) -> Response:
    """The rows for a spreadsheet."""
    found = _read(site, at, who, endorsement_id, cycle_starts_on)
    return download(transcript_csv(found), "text/csv; charset=utf-8", file_name(found, "csv"))


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}.pdf")
def send_pdf(
    site: SiteDep, at: NowDep, who: PersonDep, endorsement_id: RowId, cycle_starts_on: str
) -> Response:
    """The tagged PDF; without the extra that makes it, the page is not there."""
    found = _read(site, at, who, endorsement_id, cycle_starts_on)
    if not transcript_files.AVAILABLE:
        raise HTTPException(404)
    if not transcript_files.fits(found):
        # The page says why, and has all of it.
        return RedirectResponse(f"/transcript/{endorsement_id}/{cycle_starts_on}", 303)
    try:
        body = transcript_files.transcript_pdf(found)
    except transcript_files.BusyError:
        raise HTTPException(503, headers={"Retry-After": "30"}) from None
    return download(body, "application/pdf", file_name(found, "pdf"))


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}")
def show(
    site: SiteDep, at: NowDep, who: PersonDep, endorsement_id: RowId, cycle_starts_on: str
) -> Response:
    """The page, which prints well."""
    found = _read(site, at, who, endorsement_id, cycle_starts_on)
    return site.pages.render(
        "transcript.html",
        viewer=who.viewer,
        here="takeaways",
        transcript=found,
        address=f"/transcript/{endorsement_id}/{cycle_starts_on}",
        has_pdf=transcript_files.fits(found),
        too_long=transcript_files.AVAILABLE and not transcript_files.fits(found),
        most=transcript_files.MOST_SESSIONS,
    )


def download(body: bytes, media_type: str, name: str) -> Response:
    """A file to be saved and not shown; ``name`` is made of letters, digits and hyphens."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=media_type, headers=headers)


def _read(
    site: Site, at: datetime, who: Person, endorsement_id: int, cycle_starts_on: str
) -> Transcript:
    """The transcript that an address names; for anybody else's the page is not there."""
    day = _day(cycle_starts_on)
    found = None
    if day is not None:
        with reading(site.engine) as session:
            found = read_transcript(session, site.rulebooks, who.id, endorsement_id, day, at)
    if found is None:
        raise HTTPException(404)
    return found


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # The one way to write it that we link to: others of ISO's would be more addresses of one page.
    return day if day.isoformat() == text else None


@dataclass(frozen=True, slots=True)
class CycleLink:
    """A cycle and the address of its transcript (the page's; the files' end in .pdf and .csv)."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Held:
    """An endorsement with its cycles, the newest first; ``why_none`` says why there are none."""

    association: str
    category: str
    category_name: str
    cycles: Sequence[CycleLink]
    why_none: str


@router.get("/takeaways")
def show_takeaways(site: SiteDep, at: NowDep, who: PersonDep) -> Response:
    """What there is to take away."""
    with reading(site.engine) as session:
        endorsements = endorsements_of(session, who.id)
        address = feed_address(session, site, who.id)
        mark = get_feed_fingerprint(session, who.id)
    page = site.pages.render(
        "exports.html",
        viewer=who.viewer,
        here="takeaways",
        held=[_held(site.rulebooks, each, at) for each in endorsements],
        has_pdf=transcript_files.AVAILABLE,
        calendar=address,
        # What programs for calendars open by themselves.
        subscribe=address and f"webcal://{address.partition('://')[2]}",
        calendar_mark=mark,
    )
    # The address is a secret: packed, its length could tell of it.
    page.headers["cache-control"] = "no-store, no-transform"
    return page


def _held(rulebooks: Rulebooks, endorsed: Endorsed, at: datetime) -> Held:
    rulebook = rulebooks.associations.get(endorsed.association)
    known = rulebook.categories.get(endorsed.category) if rulebook else None
    today = days_at(rulebooks, at)(endorsed.association) if rulebook else None
    cycles = cycles_held(rulebooks, endorsed, today) if today else []
    return Held(
        association=endorsed.association,
        category=endorsed.category,
        category_name=known.name if known else endorsed.category,
        cycles=[
            CycleLink(format_cycle(c), f"/transcript/{endorsed.id}/{c.starts_on.isoformat()}")
            for c in cycles
        ],
        why_none="" if cycles else _why_none(rulebooks, endorsed, today),
    )


def _why_none(rulebooks: Rulebooks, endorsed: Endorsed, today: date | None) -> str:
    """Why an endorsement has no cycle; ``today`` is None where its association has no rulebook."""
    if today is None:
        return f"There is no rulebook for {endorsed.association} here"
    if endorsed.starts_on > today:
        return f"It begins on {format_date(endorsed.starts_on)}, and its first cycle with it"
    if not rulebooks.associations[endorsed.association].requirements_of(endorsed.category):
        return capitalize_first(NO_RULES)
    return "The rulebook knows no renewal cycle for today"
