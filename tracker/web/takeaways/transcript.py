"""Transcripts: one endorsement in one cycle as a page to print, as a PDF, and as a CSV file."""

from datetime import date, datetime

from fastapi import APIRouter, HTTPException
from fastapi.responses import RedirectResponse, Response

from tracker.records.store.engine import reading
from tracker.transfer import transcript_pdf
from tracker.transfer.transcript import Transcript
from tracker.transfer.transcript_csv import file_name, transcript_csv
from tracker.transfer.transcript_reading import read_transcript
from tracker.web.forms.typed import RowId
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, ThePerson

router = APIRouter()


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}.csv")
def send_csv(
    site: TheSite, at: Instant, who: ThePerson, endorsement_id: RowId, cycle_starts_on: str
) -> Response:
    """The rows for a spreadsheet."""
    found = _read(site, at, who, endorsement_id, cycle_starts_on)
    return download(transcript_csv(found), "text/csv; charset=utf-8", file_name(found, "csv"))


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}.pdf")
def send_pdf(
    site: TheSite, at: Instant, who: ThePerson, endorsement_id: RowId, cycle_starts_on: str
) -> Response:
    """The tagged PDF; without the extra that makes it, the page is not there."""
    found = _read(site, at, who, endorsement_id, cycle_starts_on)
    if not transcript_pdf.AVAILABLE:
        raise HTTPException(404)
    if not transcript_pdf.fits(found):
        # The page says why, and has all of it.
        return RedirectResponse(f"/transcript/{endorsement_id}/{cycle_starts_on}", 303)
    try:
        body = transcript_pdf.transcript_pdf(found)
    except transcript_pdf.BusyError:
        raise HTTPException(503, headers={"Retry-After": "30"}) from None
    return download(body, "application/pdf", file_name(found, "pdf"))


@router.get("/transcript/{endorsement_id}/{cycle_starts_on}")
def show(
    site: TheSite, at: Instant, who: ThePerson, endorsement_id: RowId, cycle_starts_on: str
) -> Response:
    """The page, which prints well."""
    found = _read(site, at, who, endorsement_id, cycle_starts_on)
    return site.pages.show(
        "transcript.html",
        viewer=who.viewer,
        here="takeaways",
        transcript=found,
        address=f"/transcript/{endorsement_id}/{cycle_starts_on}",
        has_pdf=transcript_pdf.fits(found),
        too_long=transcript_pdf.AVAILABLE and not transcript_pdf.fits(found),
        most=transcript_pdf.MOST_SESSIONS,
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
        with reading(site.engine) as connection:
            found = read_transcript(connection, site.books, who.id, endorsement_id, day, at)
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
