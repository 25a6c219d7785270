"""Log hours: the form, and the page that says what it did to the standing."""

import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Author
from tracker.services.cycle_locks import cycle_lock_for
from tracker.services.endorsements import endorsements_of
from tracker.services.entries import find_entry
from tracker.services.evidence import (
    File,
    file_for,
    files_of,
    own_file,
    remove_file,
    remove_files_of,
)
from tracker.services.old_entries import Content, delete_entry, version_of
from tracker.web.dependencies import (
    NowDep,
    Person,
    PersonDep,
    Site,
    SiteDep,
    ViewerDep,
    require_person,
    require_viewer,
    site_of,
)
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import Posted, RowId, WithFiles, posting
from tracker.web.forms.entry import Sent, TheLink, prefill_from, prefill_of, read_setting
from tracker.web.pages.applications import read_applications
from tracker.web.pages.entry_submission import (
    Filled,
    FormContext,
    Job,
    Outcome,
    do_aside,
    length_key,
    read_form,
    save_change,
    save_posted,
    send,
    show_form,
    unwanted,
)
from tracker.web.pages.entry_view import read_entry
from tracker.web.pages.uploads import folder_of
from tracker.web.pages.year_view import read_year

router = APIRouter()


@router.get("/log")
def open_form(site: SiteDep, at: NowDep, who: PersonDep, link: TheLink) -> HTMLResponse:
    """The empty form, or one that a link has filled in; what a link says wrongly is left out."""
    with reading(site.engine) as session:
        setting = read_setting(session, site.rulebooks, who.id, at)
        prefill = prefill_of(session, setting, link)
    return show_form(site, who, Sent(prefill), setting, FormContext())


async def save_form(request: Request) -> Response:
    """Save the session once and go to what it did; or show what is wrong, nothing lost."""
    site = site_of(request)
    at = site.now()
    async with posting(request) as posted:
        found, sent = await save_posted(request, site, at, posted)
        who = await require_person(await require_viewer(found))
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
    besides = do_aside(site, author, posted) or FormContext(warnings=outcome.warnings)
    return show_form(site, who, filled.sent, filled.setting, besides)


@router.get("/log/saved/{entry_id}")
def show_saved(site: SiteDep, at: NowDep, who: PersonDep, entry_id: RowId) -> HTMLResponse:
    """What an entry did to the standing; the same however often it is loaded."""
    with reading(site.engine) as session:
        row = read_entry(session, site.rulebooks, who.id, entry_id, at)
        if row is None:
            raise HTTPException(404)
        endorsements = endorsements_of(session, who.id)
        applications = read_applications(session, site.rulebooks, who.id, at)
        applied = [view.application for view in applications]
        year = read_year(session, site.rulebooks, who.id, endorsements, at, applied)
    return site.pages.render(
        "saved.html",
        viewer=who.viewer,
        here="log",
        year=year,
        applications=[view for view in applications if view.checklist],
        row=row,
    )


@router.get("/entries/{entry_id}/edit")
def open_entry(site: SiteDep, at: NowDep, who: PersonDep, entry_id: RowId) -> Response:
    """The form as the entry is stored; one of a closed cycle says why it stays as it is."""
    with reading(site.engine) as session:
        entry = _open_entry(session, site, who, entry_id, at)
        if entry is None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        setting = read_setting(session, site.rulebooks, who.id, at, entry)
    # What it is already is not asked about again.
    seen = {"seen": length_key(entry.minutes), "version": version_of(entry)}
    prefill = prefill_from(entry) | seen
    return show_form(site, who, Sent(prefill), setting, FormContext(entry))


@router.post("/entries/{entry_id}/edit")
def save_entry(
    site: SiteDep, at: NowDep, who: PersonDep, entry_id: RowId, posted: WithFiles
) -> Response:
    """Save the change, unless the entry changed since the form was opened."""
    author = Author(who.id, who.viewer.email, at)
    with reading(site.engine) as session:
        entry = _open_entry(session, site, who, entry_id, at)
        if entry is None:
            return RedirectResponse(f"/entries/{entry_id}", 303)

    def read(session: Session) -> Filled:
        setting = read_setting(session, site.rulebooks, who.id, at, entry)
        return read_form(session, setting, posted)

    removed: list[File] = []

    def save(session: Session, filled: Filled, content: Content) -> Outcome:
        outcome = save_change(
            session, site.rulebooks, author, entry_id=entry_id, filled=filled, content=content
        )
        wanted_out = unwanted(posted) if outcome.entry_id else ()
        found = [remove_file(session, author, number, entry_id) for number in wanted_out]
        # Perhaps not the first time that this is run.
        removed[:] = [file for file in found if file]
        return outcome

    filled, outcome = send(site, author, posted, Job(read, save, entry_id, unwanted(posted)))
    if outcome.entry_id:
        if (folder := folder_of(site)) is not None:
            folder.remove(file.stored_as for file in removed)
        return RedirectResponse(f"/log/saved/{entry_id}", 303)
    outcome.tell(filled.sent)
    besides = do_aside(site, author, posted, entry) or FormContext(entry, outcome.warnings)
    besides = replace(besides, without=unwanted(posted))
    return show_form(site, who, filled.sent, filled.setting, besides)


@router.get("/entries/{entry_id}/delete")
def ask_to_delete(site: SiteDep, at: NowDep, who: PersonDep, entry_id: RowId) -> Response:
    """Asks whether to delete; only the button does."""
    with reading(site.engine) as session:
        entry = _open_entry(session, site, who, entry_id, at)
        if entry is None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        files = files_of(session, who.id, "", entry_id)
    return site.pages.render("delete.html", viewer=who.viewer, entry=entry, files=files)


@router.post("/entries/{entry_id}/delete")
def delete(site: SiteDep, at: NowDep, who: PersonDep, entry_id: RowId) -> Response:
    """Delete the entry with its files, and go back to the year."""
    author = Author(who.id, who.viewer.email, at)

    def job(session: Session) -> list[File] | None:
        entry = find_entry(session, who.id, entry_id)
        if entry is not None and _is_closed(session, site, entry, at):
            return None
        removed = remove_files_of(session, author, entry_id)
        if not delete_entry(session, site.rulebooks, author, entry_id):
            raise HTTPException(404)
        return removed

    removed = site.writer.run(job)
    if removed is None:
        return RedirectResponse(f"/entries/{entry_id}", 303)
    if (folder := folder_of(site)) is not None:
        folder.remove(file.stored_as for file in removed)
    return redirect_with_flash(site, "/my-year", "deleted")


def _open_entry(
    session: Session, site: Site, who: Person, entry_id: int, at: datetime
) -> LoggedEntry | None:
    """A person's own entry; None for one that stays as it was submitted."""
    entry = find_entry(session, who.id, entry_id)
    if entry is None:
        raise HTTPException(404)
    return None if _is_closed(session, site, entry, at) else entry


def _is_closed(session: Session, site: Site, entry: LoggedEntry, at: datetime) -> bool:
    """Whether an entry stays as it was submitted."""
    return cycle_lock_for(session, site.rulebooks, entry.person_id, entry.held_on, at) is not None


_LOG = structlog.get_logger()
# What may stand in a header between quotes, and on every disk.
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


@router.get("/evidence/{file_id}")
def download(site: SiteDep, who: ViewerDep, file_id: RowId) -> FileResponse:
    """One file, for its owner and for coordinators who may read what it proves."""
    folder = folder_of(site)
    with reading(site.engine) as session:
        own = own_file(session, file_id, who.person_id) if who.person_id is not None else None
        found = own or file_for(session, site.rulebooks, file_id, who.coordinates)
    if found is None or folder is None:
        raise HTTPException(404)
    path = folder.file(found.stored_as)
    if path is None:
        # A restored backup without its files looks like this.
        _LOG.error("evidence has no file", evidence=found.id)
        raise HTTPException(404)
    headers = {
        "content-disposition": format_disposition(found.name),
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return FileResponse(path, media_type=found.media_type, headers=headers)


def format_disposition(name: str) -> str:
    """The header that has a file saved under its name (RFC 6266, with the name as in RFC 8187)."""
    ascii_name = _UNSAFE.sub("_", name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
