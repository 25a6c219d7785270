"""An RSC provider's pages: the sessions they have logged for others, and the form to log one."""

from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.log import GroupSession
from tracker.notifications.group_session_mail import notify_members
from tracker.services.context import NotFound, ServiceContext
from tracker.services.group_sessions import (
    create_group_session,
    find_group_session,
    list_group_sessions,
    lock_group_session,
    remove_member,
    update_group_session,
    withdraw_group_session,
)
from tracker.web.forms.body import RowId, Typed, number_of
from tracker.web.forms.group_session import GroupSessionPage, read_page
from tracker.web.page_request import PageRequest, ProviderPage
from tracker.web.time_zones import zone_of

router = APIRouter()
_NOTICES = {
    "asked": "Saved. It counts for each person once they confirm it.",
    "corrected": "Saved. Everyone who has not confirmed the session is asked again.",
    "out": "Removed. We no longer ask this person to confirm the session.",
    "withdrawn": "Withdrawn. We no longer ask anyone to confirm this session.",
}


@router.get("/sessions")
def show_sessions(page: ProviderPage) -> HTMLResponse:
    """All sessions that the provider has logged, and each member's answer, but no standings."""
    with page.reading() as session:
        group_sessions = list_group_sessions(session, page.person_id)
        zone = zone_of(session, page.site.rulebooks, page.person_id)
    return page.render(
        "sessions.html",
        here="sessions",
        sessions=group_sessions,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/new")
def show_new_form(page: ProviderPage) -> HTMLResponse:
    """The empty form."""
    with page.reading() as session:
        form_page = read_page(session, page)
    return _render_form(page, form_page)


@router.post("/sessions/new")
def create_session(page: ProviderPage, typed: Typed) -> Response:
    """Save the session once, and ask its members; or show what is wrong."""

    def save(context: ServiceContext) -> tuple[GroupSessionPage, int | None]:
        form_page = read_page(context.session, page, typed)
        form_key = str(form_page.form.form_key.data)
        created = form_page.save(
            context.session,
            lambda entered: create_group_session(context, entered, form_key, form_page.confirmed),
        )
        if created is None:
            return form_page, None
        group_session, member_ids = created
        notify_members(page.site, context.session, member_ids, page.now)
        return form_page, group_session.id

    form_page, session_id = page.write(save)
    if session_id is None:
        return _render_form(page, form_page)
    return page.redirect(f"/sessions/{session_id}", "asked")


@router.get("/sessions/{session_id}")
def show_session(page: ProviderPage, session_id: RowId) -> HTMLResponse:
    """One session, its members, and their answers."""
    with page.reading() as session:
        group_session = _require_session(session, page, session_id)
        zone = zone_of(session, page.site.rulebooks, page.person_id)
    return page.render(
        "session.html",
        notices=_NOTICES,
        here="sessions",
        session=group_session,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/{session_id}/edit")
def show_edit_form(page: ProviderPage, session_id: RowId) -> HTMLResponse:
    """The form as the session is stored."""
    with page.reading() as session:
        group_session = _require_session(session, page, session_id)
        if group_session.withdrawn_at is not None:
            raise HTTPException(404)
        form_page = read_page(session, page, editing=group_session)
    return _render_form(page, form_page)


@router.post("/sessions/{session_id}/edit")
def update_session(page: ProviderPage, session_id: RowId, typed: Typed) -> Response:
    """Save the changes, and ask again those who have not confirmed; or show what is wrong."""

    def save(context: ServiceContext) -> GroupSessionPage | None:
        """The form with what is wrong; None if the session was saved."""
        group_session = lock_group_session(context, session_id)
        if group_session.withdrawn_at is not None:
            raise NotFound
        form_page = read_page(context.session, page, typed, editing=group_session)
        member_ids = form_page.save(
            context.session,
            lambda entered: update_group_session(context, session_id, entered, form_page.confirmed),
        )
        if member_ids is None:
            return form_page
        notify_members(page.site, context.session, member_ids, page.now)
        return None

    form_page = page.write(save)
    if form_page is not None:
        return _render_form(page, form_page)
    return page.redirect(f"/sessions/{session_id}", "corrected")


@router.post("/sessions/{session_id}/take-out")
def remove_session_member(page: ProviderPage, session_id: RowId, typed: Typed) -> Response:
    """Remove a member who has not confirmed."""
    member_id = number_of(typed, "member")
    page.write(lambda context: remove_member(context, session_id, member_id))
    return page.redirect(f"/sessions/{session_id}", "out")


@router.post("/sessions/{session_id}/withdraw")
def withdraw_session(page: ProviderPage, session_id: RowId) -> Response:
    """Withdraw the session; confirmed entries stay in the supervisees' logs."""
    page.write(lambda context: withdraw_group_session(context, session_id))
    return page.redirect(f"/sessions/{session_id}", "withdrawn")


def _require_session(session: Session, page: PageRequest, session_id: int) -> GroupSession:
    group_session = find_group_session(session, page.person_id, session_id)
    if group_session is None:
        raise HTTPException(404)
    return group_session


def _render_form(page: PageRequest, form_page: GroupSessionPage) -> HTMLResponse:
    response = page.render(
        "session_form.html",
        problems=form_page.form.problems(),
        here="sessions",
        page=form_page,
        form=form_page.form,
    )
    if form_page.warnings:
        response.status_code = 422
    return response
