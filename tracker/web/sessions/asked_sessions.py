"""What a provider says that one took part in: confirmed or disputed with one tap.

Opening the page changes nothing, because mail scanners open links.
"""

from datetime import datetime
from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.records.entries.entry_writes import Author
from tracker.records.evidence.closing import closed_for
from tracker.records.groups.group_answers import added_entry, content_of, same_sessions
from tracker.records.groups.group_asks import asked_by_id
from tracker.records.store.engine import reading
from tracker.web.forms.typed import RowId, Typed, text_of
from tracker.web.frame.closed_words import say_closed
from tracker.web.frame.own_time import zone_of
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, ThePerson
from tracker.web.sessions.answering import Outcome, answer
from tracker.web.sessions.asked_words import would_count

router = APIRouter()
_NOTICES = {
    "disputed": "Saved. Whoever logged it sees that something is wrong, and what you wrote.",
    "same": "Is it one that you have logged yourself? Choose below.",
}


@router.get("/sessions/asked/{member_id}")
def show(
    site: TheSite, at: Instant, who: ThePerson, member_id: RowId, said: TheSaid
) -> HTMLResponse:
    """The session, and what it would count for; the two buttons."""
    return said.once(_show(site, who, member_id, at, notice=_NOTICES.get(said.word, "")))


@router.post("/sessions/asked/{member_id}")
def save(site: TheSite, at: Instant, who: ThePerson, member_id: RowId, typed: Typed) -> Response:
    """Store the answer and go to what it did; or say what stands in the way."""
    author = Author(who.id, who.viewer.email, at)

    def store(connection: Connection) -> Outcome:
        """What became of the answer."""
        return answer(connection, site.books, author, member_id, typed)

    found = site.writer.run(store)
    if not found.page:
        raise HTTPException(404)
    if found.problem:
        note = text_of(typed, "note")
        return _show(site, who, member_id, at, problems=[found.problem], note=note)
    if found.page == "saved":
        return RedirectResponse(f"/log/saved/{found.entry_id}", 303)
    return go_and_say(site, f"/sessions/asked/{member_id}", found.page)


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
    with reading(site.engine) as connection:
        asked = asked_by_id(connection, who.id, member_id)
        if asked is None:
            raise HTTPException(404)
        row = would_count(connection, site.books, who.id, content_of(asked), at)
        same = same_sessions(connection, who.id, asked)
        added = added_entry(connection, who.id, asked)
        zone = zone_of(connection, site.books, who.id)
        closed = closed_for(connection, site.books, who.id, asked.held_on, at)
    return site.pages.show(
        "asked.html",
        status=422 if problems else 200,
        viewer=who.viewer,
        here="",
        asked=asked,
        day_of=partial(local_day, time_zone=zone),
        row=row,
        closed=say_closed(closed) if closed else "",
        same=same,
        added=added,
        notice=notice,
        problems=problems or [],
        note=note,
    )
