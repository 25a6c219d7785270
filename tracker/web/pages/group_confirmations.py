"""A supervisee confirms a session that their RSC provider has logged, or reports a problem."""

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.clock import local_day
from tracker.refusal_text import format_refusal
from tracker.services.context import Refused, ServiceContext
from tracker.services.entries import logged_entry_of
from tracker.services.group_confirmations import (
    confirm_group_session,
    dispute_group_session,
    find_confirmation_request,
    find_created_entry,
    list_own_entries,
)
from tracker.web.forms.body import RowId, Typed, clean, number_of, text_of
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.pages.entry_view import view_entry
from tracker.web.pages.year_data import read_entry_data

router = APIRouter()
# The page has changed since it was opened, so it is shown again.
_PAGE_IS_STALE = {"group-session-withdrawn", "own-entry-not-offered"}


@router.get("/sessions/asked/{member_id}")
def show_request(page: PersonPage, member_id: RowId) -> HTMLResponse:
    """The session, what it would count for, and the two buttons."""
    return _render(page, member_id)


@router.post("/sessions/asked/{member_id}")
def answer_request(page: PersonPage, member_id: RowId, typed: Typed) -> Response:
    """Save the answer and show its result; or show why it could not be saved."""
    path, answer = f"/sessions/asked/{member_id}", text_of(typed, "answer")
    own_entry_id = number_of(typed, "own") or None
    note = text_of(typed, "note")

    def save(context: ServiceContext) -> int | None:
        """The id of the entry, if the session was confirmed."""
        if answer == "dispute":
            saw_confirmed = text_of(typed, "state") == "confirmed"
            dispute_group_session(context, member_id, clean(note), saw_confirmed=saw_confirmed)
            return None
        return confirm_group_session(
            context, member_id, own_entry_id=own_entry_id, is_another=answer == "another"
        )

    if answer not in {"confirm", "another", "dispute"} and own_entry_id is None:
        return RedirectResponse(path, 303)
    try:
        entry_id = page.write(save)
    except Refused as refused:
        refusal = refused.refusals[0]
        if refusal.code in _PAGE_IS_STALE:
            return RedirectResponse(path, 303)
        if refusal.code == "group-session-logged":
            return page.redirect(path, "same")
        field = "note" if answer == "dispute" else "confirm"
        problems = [(field, format_refusal(refusal.code, refusal.facts))]
        return _render(page, member_id, problems=problems, note=note)
    if entry_id is None:
        return page.redirect(path, "disputed")
    return RedirectResponse(f"/log/saved/{entry_id}", 303)


def _render(
    page: PageRequest, member_id: int, *, problems: Sequence[tuple[str, str]] = (), note: str = ""
) -> HTMLResponse:
    person_id = page.person_id
    with page.reading() as session:
        confirmation = require(find_confirmation_request(session, person_id, member_id))
        entry = logged_entry_of(0, person_id, confirmation.entry)
        # What the entry would count for, once it is stored.
        row = view_entry(read_entry_data(session, page, entry), entry)
        own_entries = list_own_entries(session, person_id, confirmation)
        created = find_created_entry(session, person_id, confirmation)
        zone = page.zone(session)
    return page.render(
        "asked.html",
        problems=problems,
        member=confirmation.member,
        session=confirmation.group_session,
        provider=confirmation.provider,
        day_of=partial(local_day, time_zone=zone),
        row=row,
        own_entries=own_entries,
        created=created,
        note=note,
    )
