"""Changes and deletes one's own entries. Absent and foreign ones answer alike: not here.

Those of a closed cycle stay as they are: whoever would change them is told so on their page.
"""

from datetime import datetime

from fastapi import APIRouter, HTTPException
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from tracker.records.closing import closed_for
from tracker.records.engine import reading, writing
from tracker.records.entries import entry_by_id
from tracker.records.entry_writes import Author, delete_entry, version_of
from tracker.rules.explain import LoggedEntry
from tracker.web.form_page import show_form
from tracker.web.form_setting import form_of, read_setting
from tracker.web.log_form import prefill_from, read_content
from tracker.web.logging_hours import with_today
from tracker.web.saving import save_change
from tracker.web.site import Instant, Site, TheSite
from tracker.web.typed import RowId, Typed
from tracker.web.viewer import ThePerson

router = APIRouter()


@router.get("/entries/{entry_id}/edit")
def open_entry(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> Response:
    """The form as the entry is stored; one of a closed cycle says why it stays as it is."""
    with reading(site.engine) as connection:
        entry = entry_by_id(connection, who.id, entry_id)
        if entry is None:
            raise HTTPException(404)
        if _is_closed(connection, site, entry, at):
            return RedirectResponse(f"/entries/{entry_id}", 303)
        setting = read_setting(connection, site.books, who.id, at, entry)
    prefill = prefill_from(entry) | {"version": version_of(entry)}
    form = form_of(setting, prefill=prefill)
    return show_form(site, who.viewer, form, setting, editing=entry)


@router.post("/entries/{entry_id}/edit")
def save_entry(
    site: TheSite, at: Instant, who: ThePerson, entry_id: RowId, typed: Typed
) -> Response:
    """Save the change, unless the entry changed since the form was opened."""
    author = Author(who.id, who.viewer.email, at)
    with writing(site.engine) as connection:
        entry = entry_by_id(connection, who.id, entry_id)
        if entry is None:
            raise HTTPException(404)
        if _is_closed(connection, site, entry, at):
            return RedirectResponse(f"/entries/{entry_id}", 303)
        setting = read_setting(connection, site.books, who.id, at, entry)
        is_today = "today" in typed
        form = form_of(setting, with_today(typed, setting) if is_today else typed)
        if is_today:
            return show_form(site, who.viewer, form, setting, editing=entry, focus="hours")
        content = read_content(form, setting.today)
        saved = content is not None and save_change(
            connection, site.books, author, entry_id=entry_id, form=form, content=content
        )
    if not saved:
        return show_form(site, who.viewer, form, setting, editing=entry)
    return RedirectResponse(f"/log/saved/{entry_id}", 303)


@router.get("/entries/{entry_id}/delete")
def ask_to_delete(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> Response:
    """Asks whether to delete; only the button does."""
    with reading(site.engine) as connection:
        entry = entry_by_id(connection, who.id, entry_id)
        if entry is None:
            raise HTTPException(404)
        if _is_closed(connection, site, entry, at):
            return RedirectResponse(f"/entries/{entry_id}", 303)
    return site.pages.show("delete.html", viewer=who.viewer, entry=entry)


@router.post("/entries/{entry_id}/delete")
def delete(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> Response:
    """Delete the entry, and go back to the year."""
    author = Author(who.id, who.viewer.email, at)
    with writing(site.engine) as connection:
        entry = entry_by_id(connection, who.id, entry_id)
        if entry is not None and _is_closed(connection, site, entry, at):
            return RedirectResponse(f"/entries/{entry_id}", 303)
        if not delete_entry(connection, site.books, author, entry_id):
            raise HTTPException(404)
    return RedirectResponse("/my-year?deleted=yes", 303)


def _is_closed(connection: Connection, site: Site, entry: LoggedEntry, at: datetime) -> bool:
    """Whether an entry stays as it was submitted."""
    return closed_for(connection, site.books, entry.person_id, entry.held_on, at) is not None
