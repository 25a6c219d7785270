"""Sessions that a provider logs for those whom she supervises: the list, one of them, the form."""

from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.jobs.session_mail import tell_members
from tracker.records.entries.entry_writes import Author
from tracker.records.groups.group_members import take_out
from tracker.records.groups.group_sessions import (
    correct_session,
    session_of,
    sessions_of,
    withdraw_session,
)
from tracker.records.store.engine import reading
from tracker.web.forms.typed import RowId, Typed, number_of
from tracker.web.frame.own_time import zone_of
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, TheProvider
from tracker.web.sessions.session_page import SessionPage, read_page
from tracker.web.sessions.session_saving import log_new, read_change

router = APIRouter()
_NOTICES = {
    "asked": "Saved. It counts for each of them once they have confirmed it.",
    "corrected": "Saved. Whoever has not confirmed it is asked again.",
    "out": "They are no longer asked.",
    "withdrawn": "Withdrawn: nobody is asked any more.",
}


@router.get("/sessions")
def show_all(site: TheSite, who: TheProvider) -> HTMLResponse:
    """What one has logged, and who has answered; never anything of their standing."""
    with reading(site.engine) as connection:
        sessions = sessions_of(connection, who.id)
        zone = zone_of(connection, site.books, who.id)
    return site.pages.show(
        "sessions.html",
        viewer=who.viewer,
        here="sessions",
        sessions=sessions,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/new")
def open_form(site: TheSite, at: Instant, who: TheProvider) -> HTMLResponse:
    """The empty form."""
    with reading(site.engine) as connection:
        page = read_page(connection, site, who, at)
    return _show_form(site, who, page)


@router.post("/sessions/new")
def save_form(site: TheSite, at: Instant, who: TheProvider, typed: Typed) -> Response:
    """Save the session once, and ask everybody; or show what is wrong, nothing lost."""
    author = Author(who.id, who.viewer.email, at)

    def save(connection: Connection) -> tuple[SessionPage, int | None]:
        """The page as typed, and the session that it became."""
        page = read_page(connection, site, who, at, typed)
        if page.is_today:
            return page, None
        logged = log_new(connection, page, author)
        if logged is None:
            return page, None
        tell_members(site, connection, logged.asked, at)
        return page, logged.session_id

    page, session_id = site.writer.run(save)
    if session_id is None:
        return _show_form(site, who, page)
    return _done(site, session_id, "asked")


@router.get("/sessions/{session_id}")
def show_one(site: TheSite, who: TheProvider, session_id: RowId, said: TheSaid) -> HTMLResponse:
    """One session, with whoever was named and what they answered."""
    with reading(site.engine) as connection:
        session = session_of(connection, who.id, session_id)
        zone = zone_of(connection, site.books, who.id)
    if session is None:
        raise HTTPException(404)
    page = site.pages.show(
        "session.html",
        viewer=who.viewer,
        here="sessions",
        session=session,
        day_of=partial(local_day, time_zone=zone),
        notice=_NOTICES.get(said.word, ""),
    )
    return said.once(page)


@router.get("/sessions/{session_id}/edit")
def open_session(site: TheSite, at: Instant, who: TheProvider, session_id: RowId) -> HTMLResponse:
    """The form as the session is stored."""
    with reading(site.engine) as connection:
        session = session_of(connection, who.id, session_id)
        if session is None or session.withdrawn_at is not None:
            raise HTTPException(404)
        page = read_page(connection, site, who, at, editing=session)
    return _show_form(site, who, page)


@router.post("/sessions/{session_id}/edit")
def save_session(
    site: TheSite, at: Instant, who: TheProvider, session_id: RowId, typed: Typed
) -> Response:
    """Save what is corrected, and ask again whoever has not confirmed."""
    author = Author(who.id, who.viewer.email, at)

    def save(connection: Connection) -> tuple[SessionPage | None, bool]:
        """The page as typed, None where it is not there; and whether it is saved."""
        session = session_of(connection, who.id, session_id, for_writing=True)
        if session is None or session.withdrawn_at is not None:
            return None, False
        page = read_page(connection, site, who, at, typed, editing=session)
        changed = None if page.is_today else read_change(page)
        if changed is None:
            return page, False
        asked = correct_session(connection, author, session, *changed)
        tell_members(site, connection, asked, at)
        return page, True

    page, saved = site.writer.run(save)
    if page is None:
        raise HTTPException(404)
    return _done(site, session_id, "corrected") if saved else _show_form(site, who, page)


@router.post("/sessions/{session_id}/take-out")
def take_one_out(
    site: TheSite, at: Instant, who: TheProvider, session_id: RowId, typed: Typed
) -> Response:
    """No longer ask somebody who has not confirmed."""
    author = Author(who.id, who.viewer.email, at)
    member_id = number_of(typed, "member")

    def take(connection: Connection) -> bool:
        """Whether there was somebody to take out."""
        session = session_of(connection, who.id, session_id, for_writing=True)
        return session is not None and take_out(connection, author, session_id, member_id)

    if not site.writer.run(take):
        raise HTTPException(404)
    return _done(site, session_id, "out")


@router.post("/sessions/{session_id}/withdraw")
def withdraw(site: TheSite, at: Instant, who: TheProvider, session_id: RowId) -> Response:
    """Ask nobody any more; what is confirmed stays the supervisees' own."""
    author = Author(who.id, who.viewer.email, at)

    def end(connection: Connection) -> bool:
        """Whether there is such a session."""
        session = session_of(connection, who.id, session_id, for_writing=True)
        if session is not None:
            withdraw_session(connection, author, session)
        return session is not None

    if not site.writer.run(end):
        raise HTTPException(404)
    return _done(site, session_id, "withdrawn")


def _show_form(site: Site, who: Person, page: SessionPage) -> HTMLResponse:
    problems = page.form.problems()
    return site.pages.show(
        "session_form.html",
        status=422 if problems or page.asks else 200,
        viewer=who.viewer,
        here="sessions",
        page=page,
        form=page.form,
        problems=problems,
    )


def _done(site: Site, session_id: int, what: str) -> Response:
    # A page of its own, so that loading it again sends nothing.
    return go_and_say(site, f"/sessions/{session_id}", what)
