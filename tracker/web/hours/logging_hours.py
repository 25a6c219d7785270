"""Log hours: the form, and the page that says what it did to the standing."""

from datetime import datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.records.entries.entry_writes import Author
from tracker.records.judging.endorsees import endorsements_of
from tracker.records.store.engine import reading
from tracker.web.applying.applications import read_applications
from tracker.web.forms.typed import Posted, RowId, posting
from tracker.web.frame.site import Instant, Site, TheSite, site_of
from tracker.web.frame.viewer import Person, ThePerson, person, viewer
from tracker.web.hours.form_page import Besides, show_form
from tracker.web.hours.form_setting import read_setting
from tracker.web.hours.log_links import TheLink, prefill_of
from tracker.web.hours.posting_hours import save_posted
from tracker.web.hours.reading_form import Filled, do_aside
from tracker.web.hours.saving import Outcome
from tracker.web.hours.sent import Sent
from tracker.web.year.year import read_entry, read_year

router = APIRouter()


@router.get("/log")
def open_form(site: TheSite, at: Instant, who: ThePerson, link: TheLink) -> HTMLResponse:
    """The empty form, or one that a link has filled in; what a link says wrongly is left out."""
    with reading(site.engine) as connection:
        setting = read_setting(connection, site.books, who.id, at)
        prefill = prefill_of(connection, setting, link)
    return show_form(site, who, Sent(prefill), setting, Besides())


async def save_form(request: Request) -> Response:
    """Save the session once and go to what it did; or show what is wrong, nothing lost."""
    site = site_of(request)
    at = site.now()
    async with posting(request) as posted:
        found, sent = await save_posted(request, site, at, posted)
        who = await person(await viewer(found))
        if sent is None:
            raise HTTPException(404)
        if sent[1].entry_id:
            return RedirectResponse(f"/log/saved/{sent[1].entry_id}", 303)
        return await run_in_threadpool(_show_again, site, at, who, posted, *sent)


# Without dependencies: to resolve them takes a tenth of the time that it takes to save.
router.add_route("/log", save_form, methods=["POST"])


def _show_again(
    site: Site, at: datetime, who: Person, posted: Posted, filled: Filled, outcome: Outcome
) -> Response:
    outcome.tell(filled.sent)
    author = Author(who.id, who.viewer.email, at)
    besides = do_aside(site, author, posted) or Besides(doubts=outcome.doubts)
    return show_form(site, who, filled.sent, filled.setting, besides)


@router.get("/log/saved/{entry_id}")
def show_saved(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> HTMLResponse:
    """What an entry did to the standing; the same however often it is loaded."""
    with reading(site.engine) as connection:
        row = read_entry(connection, site.books, who.id, entry_id, at)
        if row is None:
            raise HTTPException(404)
        endorsements = endorsements_of(connection, who.id)
        applications = read_applications(connection, site.books, who.id, at)
        applied = [view.application for view in applications]
        year = read_year(connection, site.books, who.id, endorsements, at, applied)
    return site.pages.show(
        "saved.html",
        viewer=who.viewer,
        here="log",
        year=year,
        applications=[view for view in applications if view.checklist],
        row=row,
    )
