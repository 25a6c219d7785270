"""Log hours: the form, and the page that says what it did to the standing."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from tracker.records.endorsees import endorsements_of
from tracker.records.engine import reading
from tracker.records.entry_writes import Author, Content
from tracker.web.applications import read_applications
from tracker.web.form_page import Besides, show_form
from tracker.web.form_setting import form_of, read_setting
from tracker.web.log_links import TheLink, prefill_of
from tracker.web.reading_form import Filled, do_aside, read_form
from tracker.web.saving import Outcome, save_new
from tracker.web.sending import Job, send
from tracker.web.site import Instant, TheSite
from tracker.web.typed import RowId, WithFiles
from tracker.web.viewer import ThePerson
from tracker.web.year import read_entry, read_year

router = APIRouter()


@router.get("/log")
def open_form(site: TheSite, at: Instant, who: ThePerson, link: TheLink) -> HTMLResponse:
    """The empty form, or one that a link has filled in; what a link says wrongly is left out."""
    with reading(site.engine) as connection:
        setting = read_setting(connection, site.books, who.id, at)
        prefill = prefill_of(connection, setting, link)
    form = form_of(setting, prefill=prefill)
    return show_form(site, who, form, setting, Besides())


@router.post("/log")
def save_form(site: TheSite, at: Instant, who: ThePerson, posted: WithFiles) -> Response:
    """Save the session once and go to what it did; or show what is wrong, nothing lost."""
    author = Author(who.id, who.viewer.email, at)

    def read(connection: Connection) -> Filled:
        setting = read_setting(connection, site.books, who.id, at)
        return read_form(connection, setting, posted)

    def save(connection: Connection, filled: Filled, content: Content) -> Outcome:
        return save_new(connection, site.books, author, filled, content)

    filled, outcome = send(site, author, posted, Job(read, save))
    if outcome.entry_id:
        return RedirectResponse(f"/log/saved/{outcome.entry_id}", 303)
    outcome.tell(filled.form)
    besides = do_aside(site, author, posted) or Besides(twin=outcome.twin)
    return show_form(site, who, filled.form, filled.setting, besides)


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
