"""Saves what the form for a provider's session says, in the transaction that checks it."""

from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.formatting import format_date, format_hours_with_unit
from tracker.notifications.group_session_mail import notify_members
from tracker.services.context import Author, lock_person
from tracker.services.group_sessions import (
    Held,
    Invited,
    Logged,
    correct_session,
    log_session,
    session_from,
    session_of,
    sessions_of,
    take_out,
    twin_of,
    withdraw_session,
)
from tracker.web.dependencies import NowDep, Person, ProviderDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, add_problem, new_form_key, number_of
from tracker.web.forms.group_session import SessionPage, read_page, read_session
from tracker.web.time_zones import zone_of


def log_new(session: Session, page: SessionPage, author: Author) -> Logged | None:
    """Save a new session once; None with the form's problems, or with a warning to read first.

    The same form sent twice gives the first one's session. A form that was saved and then changed
    (the back button) asks, and would be another session.
    """
    form = page.form
    content = read_session(form, page.supervisees, page.own, page.today)
    if content is None:
        return None
    held, invited = content
    lock_person(session, author.person_id)
    key = str(form.form_key.data)
    before = session_from(session, author.person_id, key)
    if before is None:
        if page.warn(held, twin_of(session, author.person_id, held, invited)):
            return None
        return log_session(session, author, held, invited, key)
    if before.held == held and {m.email for m in before.members} == {i.email for i in invited}:
        return Logged(before.id, ())
    saved = f"{format_hours_with_unit(before.minutes)} on {format_date(before.held_on)}"
    words = f"This form was saved already, as {saved}. Save again to log a second session"
    add_problem(form.day, words)
    form.form_key.data = new_form_key()
    return None


def read_change(page: SessionPage) -> tuple[Held, list[Invited]] | None:
    """What a stored session is to be; None with the form's problems, or with a warning."""
    if page.editing is None:
        return None
    already = {m.email for m in page.editing.members}
    content = read_session(page.form, page.supervisees, page.own, page.today, already)
    if content is None or page.warn(content[0]):
        return None
    return content


router = APIRouter()
_NOTICES = {
    "asked": "Saved. It counts for each of them once they have confirmed it.",
    "corrected": "Saved. Whoever has not confirmed it is asked again.",
    "out": "They are no longer asked.",
    "withdrawn": "Withdrawn: nobody is asked any more.",
}


@router.get("/sessions")
def show_all(site: SiteDep, who: ProviderDep) -> HTMLResponse:
    """What one has logged, and who has answered; never anything of their standing."""
    with reading(site.engine) as session:
        sessions = sessions_of(session, who.id)
        zone = zone_of(session, site.rulebooks, who.id)
    return site.pages.render(
        "sessions.html",
        viewer=who.viewer,
        here="sessions",
        sessions=sessions,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/new")
def open_form(site: SiteDep, at: NowDep, who: ProviderDep) -> HTMLResponse:
    """The empty form."""
    with reading(site.engine) as session:
        page = read_page(session, site, who, at)
    return _show_form(site, who, page)


@router.post("/sessions/new")
def save_form(site: SiteDep, at: NowDep, who: ProviderDep, typed: Typed) -> Response:
    """Save the session once, and ask everybody; or show what is wrong, nothing lost."""
    author = Author(who.id, who.viewer.email, at)

    def save(session: Session) -> tuple[SessionPage, int | None]:
        """The page as typed, and the session that it became."""
        page = read_page(session, site, who, at, typed)
        if page.is_today:
            return page, None
        logged = log_new(session, page, author)
        if logged is None:
            return page, None
        notify_members(site, session, logged.asked, at)
        return page, logged.session_id

    page, session_id = site.writer.run(save)
    if session_id is None:
        return _show_form(site, who, page)
    return _done(site, session_id, "asked")


@router.get("/sessions/{session_id}")
def show_one(site: SiteDep, who: ProviderDep, session_id: RowId, flash: FlashDep) -> HTMLResponse:
    """One session, with whoever was named and what they answered."""
    with reading(site.engine) as session:
        group_session = session_of(session, who.id, session_id)
        zone = zone_of(session, site.rulebooks, who.id)
    if group_session is None:
        raise HTTPException(404)
    page = site.pages.render(
        "session.html",
        viewer=who.viewer,
        here="sessions",
        session=group_session,
        day_of=partial(local_day, time_zone=zone),
        notice=_NOTICES.get(flash.code, ""),
    )
    return flash.clear(page)


@router.get("/sessions/{session_id}/edit")
def open_session(site: SiteDep, at: NowDep, who: ProviderDep, session_id: RowId) -> HTMLResponse:
    """The form as the session is stored."""
    with reading(site.engine) as session:
        group_session = session_of(session, who.id, session_id)
        if group_session is None or group_session.withdrawn_at is not None:
            raise HTTPException(404)
        page = read_page(session, site, who, at, editing=group_session)
    return _show_form(site, who, page)


@router.post("/sessions/{session_id}/edit")
def save_session(
    site: SiteDep, at: NowDep, who: ProviderDep, session_id: RowId, typed: Typed
) -> Response:
    """Save what is corrected, and ask again whoever has not confirmed."""
    author = Author(who.id, who.viewer.email, at)

    def save(session: Session) -> tuple[SessionPage | None, bool]:
        """The page as typed, None where it is not there; and whether it is saved."""
        group_session = session_of(session, who.id, session_id, for_writing=True)
        if group_session is None or group_session.withdrawn_at is not None:
            return None, False
        page = read_page(session, site, who, at, typed, editing=group_session)
        changed = None if page.is_today else read_change(page)
        if changed is None:
            return page, False
        asked = correct_session(session, author, group_session, *changed)
        notify_members(site, session, asked, at)
        return page, True

    page, saved = site.writer.run(save)
    if page is None:
        raise HTTPException(404)
    return _done(site, session_id, "corrected") if saved else _show_form(site, who, page)


@router.post("/sessions/{session_id}/take-out")
def take_one_out(
    site: SiteDep, at: NowDep, who: ProviderDep, session_id: RowId, typed: Typed
) -> Response:
    """No longer ask somebody who has not confirmed."""
    author = Author(who.id, who.viewer.email, at)
    member_id = number_of(typed, "member")

    def take(session: Session) -> bool:
        """Whether there was somebody to take out."""
        group_session = session_of(session, who.id, session_id, for_writing=True)
        return group_session is not None and take_out(session, author, session_id, member_id)

    if not site.writer.run(take):
        raise HTTPException(404)
    return _done(site, session_id, "out")


@router.post("/sessions/{session_id}/withdraw")
def withdraw(site: SiteDep, at: NowDep, who: ProviderDep, session_id: RowId) -> Response:
    """Ask nobody any more; what is confirmed stays the supervisees' own."""
    author = Author(who.id, who.viewer.email, at)

    def end(session: Session) -> bool:
        """Whether there is such a session."""
        group_session = session_of(session, who.id, session_id, for_writing=True)
        if group_session is not None:
            withdraw_session(session, author, group_session)
        return group_session is not None

    if not site.writer.run(end):
        raise HTTPException(404)
    return _done(site, session_id, "withdrawn")


def _show_form(site: Site, who: Person, page: SessionPage) -> HTMLResponse:
    problems = page.form.problems()
    return site.pages.render(
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
    return redirect_with_flash(site, f"/sessions/{session_id}", what)
