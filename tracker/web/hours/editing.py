"""Changes and deletes one's own entries. Absent and foreign ones answer alike: not here.

Those of a closed cycle stay as they are: whoever would change them is told so on their page.
"""

from dataclasses import replace
from datetime import datetime

from fastapi import APIRouter, HTTPException
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from tracker.records.entries.entries import entry_by_id
from tracker.records.entries.entry_writes import Author, Content, delete_entry, version_of
from tracker.records.evidence.closing import closed_for
from tracker.records.evidence.evidence import File, files_of, remove_file, remove_files_of
from tracker.records.store.engine import reading
from tracker.rules.explain import LoggedEntry
from tracker.web.forms.typed import RowId, WithFiles
from tracker.web.frame.said_once import go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, ThePerson
from tracker.web.hours.doubts import length_key
from tracker.web.hours.form_page import Besides, show_form
from tracker.web.hours.form_setting import read_setting
from tracker.web.hours.log_form import prefill_from
from tracker.web.hours.reading_form import Filled, do_aside, read_form
from tracker.web.hours.removing import unwanted
from tracker.web.hours.saving import Outcome, save_change
from tracker.web.hours.sending import Job, send
from tracker.web.hours.sent import Sent
from tracker.web.hours.uploads import folder_of

router = APIRouter()


@router.get("/entries/{entry_id}/edit")
def open_entry(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> Response:
    """The form as the entry is stored; one of a closed cycle says why it stays as it is."""
    with reading(site.engine) as connection:
        entry = _open_entry(connection, site, who, entry_id, at)
        if entry is None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        setting = read_setting(connection, site.books, who.id, at, entry)
    # What it is already is not asked about again.
    seen = {"seen": length_key(entry.minutes), "version": version_of(entry)}
    prefill = prefill_from(entry) | seen
    return show_form(site, who, Sent(prefill), setting, Besides(entry))


@router.post("/entries/{entry_id}/edit")
def save_entry(
    site: TheSite, at: Instant, who: ThePerson, entry_id: RowId, posted: WithFiles
) -> Response:
    """Save the change, unless the entry changed since the form was opened."""
    author = Author(who.id, who.viewer.email, at)
    with reading(site.engine) as connection:
        entry = _open_entry(connection, site, who, entry_id, at)
        if entry is None:
            return RedirectResponse(f"/entries/{entry_id}", 303)

    def read(connection: Connection) -> Filled:
        setting = read_setting(connection, site.books, who.id, at, entry)
        return read_form(connection, setting, posted)

    removed: list[File] = []

    def save(connection: Connection, filled: Filled, content: Content) -> Outcome:
        outcome = save_change(
            connection, site.books, author, entry_id=entry_id, filled=filled, content=content
        )
        wanted_out = unwanted(posted) if outcome.entry_id else ()
        found = [remove_file(connection, author, number, entry_id) for number in wanted_out]
        # Perhaps not the first time that this is run.
        removed[:] = [file for file in found if file]
        return outcome

    filled, outcome = send(site, author, posted, Job(read, save, entry_id, unwanted(posted)))
    if outcome.entry_id:
        if (folder := folder_of(site)) is not None:
            folder.remove(file.stored_as for file in removed)
        return RedirectResponse(f"/log/saved/{entry_id}", 303)
    outcome.tell(filled.sent)
    besides = do_aside(site, author, posted, entry) or Besides(entry, outcome.doubts)
    besides = replace(besides, without=unwanted(posted))
    return show_form(site, who, filled.sent, filled.setting, besides)


@router.get("/entries/{entry_id}/delete")
def ask_to_delete(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> Response:
    """Asks whether to delete; only the button does."""
    with reading(site.engine) as connection:
        entry = _open_entry(connection, site, who, entry_id, at)
        if entry is None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        files = files_of(connection, who.id, "", entry_id)
    return site.pages.show("delete.html", viewer=who.viewer, entry=entry, files=files)


@router.post("/entries/{entry_id}/delete")
def delete(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> Response:
    """Delete the entry with its files, and go back to the year."""
    author = Author(who.id, who.viewer.email, at)

    def job(connection: Connection) -> list[File] | None:
        entry = entry_by_id(connection, who.id, entry_id)
        if entry is not None and _is_closed(connection, site, entry, at):
            return None
        removed = remove_files_of(connection, author, entry_id)
        if not delete_entry(connection, site.books, author, entry_id):
            raise HTTPException(404)
        return removed

    removed = site.writer.run(job)
    if removed is None:
        return RedirectResponse(f"/entries/{entry_id}", 303)
    if (folder := folder_of(site)) is not None:
        folder.remove(file.stored_as for file in removed)
    return go_and_say(site, "/my-year", "deleted")


def _open_entry(
    connection: Connection, site: Site, who: Person, entry_id: int, at: datetime
) -> LoggedEntry | None:
    """A person's own entry; None for one that stays as it was submitted."""
    entry = entry_by_id(connection, who.id, entry_id)
    if entry is None:
        raise HTTPException(404)
    return None if _is_closed(connection, site, entry, at) else entry


def _is_closed(connection: Connection, site: Site, entry: LoggedEntry, at: datetime) -> bool:
    """Whether an entry stays as it was submitted."""
    return closed_for(connection, site.books, entry.person_id, entry.held_on, at) is not None
