"""What a session that somebody is asked about would count for, in their own words only."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Author, Refused
from tracker.services.cycle_locks import cycle_lock_for
from tracker.services.entry_rules import EntryInput
from tracker.services.group_confirmations import (
    ConfirmationRequest,
    added_entry,
    asked_by_id,
    confirm,
    dispute,
    entry_input_of,
    hold_asked,
    same_sessions,
)
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, clean, number_of, text_of
from tracker.web.pages.entry_view import EntryRow, preview_entry
from tracker.web.text import format_closed
from tracker.web.time_zones import zone_of

_NOT_STORED = 0


def would_count(
    session: Session, rulebooks: Rulebooks, person_id: int, entry: EntryInput, at: datetime
) -> EntryRow:
    """The entry that confirming would make, with a verdict for each endorsement and application."""
    values = [getattr(entry, name) for name in LoggedEntry._fields[2:]]
    return preview_entry(session, rulebooks, LoggedEntry(_NOT_STORED, person_id, *values), at)


_LONGEST_NOTE = 500


@dataclass(slots=True)
class Outcome:
    """What became of an answer: the entry, or ``problem`` (field, words), or a page to look at.

    ``page`` is "" where nothing is there; else "saved", "disputed", "same" or "look".
    """

    page: str
    entry_id: int = 0
    problem: tuple[str, str] | None = None


def answer(
    session: Session, rulebooks: Rulebooks, author: Author, member_id: int, typed: FormData
) -> Outcome:
    """Confirm or dispute what the person is asked; nothing is half done."""
    asked = hold_asked(session, author.person_id, member_id)
    if asked is None:
        return Outcome("")
    if text_of(typed, "answer") == "dispute":
        return _dispute(session, rulebooks, author, asked, clean(text_of(typed, "note")))
    if asked.entry_id is not None:
        return Outcome("saved", asked.entry_id)
    if asked.withdrawn_at is not None:
        return Outcome("look")
    return _confirm(session, rulebooks, author, asked, typed)


def _confirm(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    asked: ConfirmationRequest,
    typed: FormData,
) -> Outcome:
    same = [entry.id for entry in same_sessions(session, author.person_id, asked)]
    own = number_of(typed, "own")
    if own:
        if own not in same:
            return Outcome("look")
        return Outcome("saved", confirm(session, rulebooks, author, asked, own_entry=own))
    said = text_of(typed, "answer")
    if said not in {"confirm", "another"}:
        return Outcome("look")
    if same and said == "confirm":
        return Outcome("same")
    try:
        return Outcome("saved", confirm(session, rulebooks, author, asked))
    except Refused as refused:
        [refusal, *_] = refused.refusals
        words = format_refusal(refusal.code, refusal.facts)
        return Outcome("look", problem=("confirm", words))


def _dispute(
    session: Session, rulebooks: Rulebooks, author: Author, asked: ConfirmationRequest, note: str
) -> Outcome:
    if len(note) > _LONGEST_NOTE:
        words = f"What is wrong can have {_LONGEST_NOTE} characters at most"
        return Outcome("look", problem=("note", words))
    if asked.withdrawn_at is not None and asked.state != "confirmed":
        return Outcome("look")
    try:
        dispute(session, rulebooks, author, asked, note or None)
    except Refused as refused:
        [refusal, *_] = refused.refusals
        words = format_refusal(refusal.code, refusal.facts)
        return Outcome("look", problem=("note", words))
    return Outcome("disputed")


router = APIRouter()
_NOTICES = {
    "disputed": "Saved. Whoever logged it sees that something is wrong, and what you wrote.",
    "same": "Is it one that you have logged yourself? Choose below.",
}


@router.get("/sessions/asked/{member_id}")
def show(
    site: SiteDep, at: NowDep, who: PersonDep, member_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """The session, and what it would count for; the two buttons."""
    return flash.clear(_show(site, who, member_id, at, notice=_NOTICES.get(flash.code, "")))


@router.post("/sessions/asked/{member_id}")
def save(site: SiteDep, at: NowDep, who: PersonDep, member_id: RowId, typed: Typed) -> Response:
    """Store the answer and go to what it did; or say what stands in the way."""
    author = Author(who.id, who.viewer.email, at)

    def store(session: Session) -> Outcome:
        """What became of the answer."""
        return answer(session, site.rulebooks, author, member_id, typed)

    found = site.writer.run(store)
    if not found.page:
        raise HTTPException(404)
    if found.problem:
        note = text_of(typed, "note")
        return _show(site, who, member_id, at, problems=[found.problem], note=note)
    if found.page == "saved":
        return RedirectResponse(f"/log/saved/{found.entry_id}", 303)
    return redirect_with_flash(site, f"/sessions/asked/{member_id}", found.page)


def _show(
    site: Site,
    who: Person,
    member_id: int,
    at: datetime,
    *,
    notice: str = "",
    problems: list[tuple[str, str]] | None = None,
    note: str = "",
) -> HTMLResponse:
    with reading(site.engine) as session:
        asked = asked_by_id(session, who.id, member_id)
        if asked is None:
            raise HTTPException(404)
        row = would_count(session, site.rulebooks, who.id, entry_input_of(asked), at)
        same = same_sessions(session, who.id, asked)
        added = added_entry(session, who.id, asked)
        zone = zone_of(session, site.rulebooks, who.id)
        closed = cycle_lock_for(session, site.rulebooks, who.id, asked.held_on, at)
    return site.pages.render(
        "asked.html",
        status=422 if problems else 200,
        viewer=who.viewer,
        here="",
        asked=asked,
        day_of=partial(local_day, time_zone=zone),
        row=row,
        closed=format_closed(closed) if closed else "",
        same=same,
        added=added,
        notice=notice,
        problems=problems or [],
        note=note,
    )
