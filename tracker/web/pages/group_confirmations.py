"""A supervisee confirms a session that their RSC provider has logged, or reports a problem."""

from datetime import datetime
from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.refusal_text import format_refusal
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Refused, ServiceContext
from tracker.services.cycle_locks import load_person_locks, refusal_of_lock
from tracker.services.group_confirmations import (
    confirm_group_session,
    dispute_group_session,
    find_confirmation_request,
    find_created_entry,
    list_own_entries,
)
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, clean, number_of, text_of
from tracker.web.pages.entry_view import preview_entry
from tracker.web.time_zones import zone_of

router = APIRouter()
_NOTICES = {
    "disputed": "Saved. Your provider sees that something is wrong, and your note.",
    "same": "Did you already log this session yourself? Choose below.",
}
# Where the page has changed since it was opened, it is shown again: it says what is true now.
_PAGE_IS_STALE = {"group-session-withdrawn", "own-entry-not-offered"}


@router.get("/sessions/asked/{member_id}")
def show_request(
    site: SiteDep, now: NowDep, person: PersonDep, member_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """The session, what it would count for, and the two buttons."""
    notice = _NOTICES.get(flash.code, "")
    return flash.clear(_render(site, person, member_id, now, notice=notice))


@router.post("/sessions/asked/{member_id}")
def answer_request(
    site: SiteDep, now: NowDep, person: PersonDep, member_id: RowId, typed: Typed
) -> Response:
    """Save the answer and show its result; or show why it could not be saved."""
    path, answer = f"/sessions/asked/{member_id}", text_of(typed, "answer")
    own_entry_id = number_of(typed, "own") or None
    note = text_of(typed, "note")

    def save(context: ServiceContext) -> int | None:
        """The id of the entry, if the session was confirmed."""
        if answer == "dispute":
            dispute_group_session(context, member_id, clean(note))
            return None
        return confirm_group_session(
            context, member_id, own_entry_id=own_entry_id, is_another=answer == "another"
        )

    if answer not in {"confirm", "another", "dispute"} and own_entry_id is None:
        return RedirectResponse(path, 303)
    try:
        entry_id = site.write(person.viewer, now, save)
    except Refused as refused:
        refusal = refused.refusals[0]
        if refusal.code in _PAGE_IS_STALE:
            return RedirectResponse(path, 303)
        if refusal.code == "group-session-logged":
            return redirect_with_flash(site, path, "same")
        field = "note" if answer == "dispute" else "confirm"
        problems = [(field, format_refusal(refusal.code, refusal.facts))]
        return _render(site, person, member_id, now, problems=problems, note=note)
    if entry_id is None:
        return redirect_with_flash(site, path, "disputed")
    return RedirectResponse(f"/log/saved/{entry_id}", 303)


def _render(
    site: Site,
    person: Person,
    member_id: int,
    now: datetime,
    *,
    notice: str = "",
    problems: list[tuple[str, str]] | None = None,
    note: str = "",
) -> HTMLResponse:
    with reading(site.engine) as session:
        confirmation = find_confirmation_request(session, person.id, member_id)
        if confirmation is None:
            raise HTTPException(404)
        entry = confirmation.entry
        values = [getattr(entry, name) for name in LoggedEntry._fields[2:]]
        # What the entry would count for, once it is stored.
        row = preview_entry(session, site.rulebooks, LoggedEntry(0, person.id, *values), now)
        own_entries = list_own_entries(session, person.id, confirmation)
        created = find_created_entry(session, person.id, confirmation)
        zone = zone_of(session, site.rulebooks, person.id)
        lock = load_person_locks(session, site.rulebooks, person.id, now).lock_on(entry.held_on)
    closed = refusal_of_lock("confirm", lock) if lock else None
    return site.pages.render(
        "asked.html",
        status=422 if problems else 200,
        viewer=person.viewer,
        here="",
        member=confirmation.member,
        session=confirmation.group_session,
        provider=confirmation.provider,
        day_of=partial(local_day, time_zone=zone),
        row=row,
        closed=format_refusal(closed.code, closed.facts) if closed else "",
        own_entries=own_entries,
        created=created,
        notice=notice,
        problems=problems or [],
        note=note,
    )
