"""An RSC provider's pages: the sessions they have logged for others, and the form to log one."""

from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response

from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.notifications.group_session_mail import notify_members
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.group_sessions import (
    GroupSessionNeedsConfirmation,
    create_group_session,
    find_group_session,
    list_group_sessions,
    lock_group_session,
    remove_member,
    update_group_session,
    withdraw_group_session,
)
from tracker.web.dependencies import NowDep, Person, ProviderDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, number_of
from tracker.web.forms.group_session import GroupSessionPage, read_page
from tracker.web.time_zones import zone_of

router = APIRouter()
_NOTICES = {
    "asked": "Saved. It counts for each person once they confirm it.",
    "corrected": "Saved. Everyone who has not confirmed it is asked again.",
    "out": "Removed. We no longer ask this person to confirm the session.",
    "withdrawn": "Withdrawn. We no longer ask anyone to confirm this session.",
}


@router.get("/sessions")
def show_sessions(site: SiteDep, person: ProviderDep) -> HTMLResponse:
    """All sessions that the provider has logged, and who has answered; nobody's standing."""
    with reading(site.engine) as session:
        group_sessions = list_group_sessions(session, person.id)
        zone = zone_of(session, site.rulebooks, person.id)
    return site.pages.render(
        "sessions.html",
        viewer=person.viewer,
        here="sessions",
        sessions=group_sessions,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/new")
def show_new_form(site: SiteDep, now: NowDep, person: ProviderDep) -> HTMLResponse:
    """The empty form."""
    with reading(site.engine) as session:
        page = read_page(session, site, person.id, now)
    return _render_form(site, person, page)


@router.post("/sessions/new")
def create_session(site: SiteDep, now: NowDep, person: ProviderDep, typed: Typed) -> Response:
    """Save the session once, and ask its members; or show what is wrong."""

    def save(context: ServiceContext) -> tuple[GroupSessionPage, int | None]:
        page = read_page(context.session, site, person.id, now, typed)
        entered = None if page.is_today else page.parse(context.session)
        if entered is None:
            return page, None
        form_key = str(page.form.form_key.data)
        try:
            group_session, members = create_group_session(
                context, entered, form_key, page.confirmed
            )
        except Refused as refused:
            page.form.add_refusals(refused.refusals)
            return page, None
        except GroupSessionNeedsConfirmation as needed:
            page.show_warnings(needed.warnings)
            return page, None
        notify_members(site, context.session, members, now)
        return page, group_session.id

    page, group_session_id = site.write(person.viewer, now, save)
    if group_session_id is None:
        return _render_form(site, person, page)
    return redirect_with_flash(site, f"/sessions/{group_session_id}", "asked")


@router.get("/sessions/{session_id}")
def show_session(
    site: SiteDep, person: ProviderDep, session_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """One session, its members, and their answers."""
    with reading(site.engine) as session:
        group_session = find_group_session(session, person.id, session_id)
        zone = zone_of(session, site.rulebooks, person.id)
    if group_session is None:
        raise HTTPException(404)
    page = site.pages.render(
        "session.html",
        viewer=person.viewer,
        here="sessions",
        session=group_session,
        day_of=partial(local_day, time_zone=zone),
        notice=_NOTICES.get(flash.code, ""),
    )
    return flash.clear(page)


@router.get("/sessions/{session_id}/edit")
def show_edit_form(
    site: SiteDep, now: NowDep, person: ProviderDep, session_id: RowId
) -> HTMLResponse:
    """The form as the session is stored."""
    with reading(site.engine) as session:
        group_session = find_group_session(session, person.id, session_id)
        if group_session is None or group_session.withdrawn_at is not None:
            raise HTTPException(404)
        page = read_page(session, site, person.id, now, editing=group_session)
    return _render_form(site, person, page)


@router.post("/sessions/{session_id}/edit")
def update_session(
    site: SiteDep, now: NowDep, person: ProviderDep, session_id: RowId, typed: Typed
) -> Response:
    """Save the changes, and ask again those who have not confirmed; or show what is wrong."""

    def save(context: ServiceContext) -> GroupSessionPage | None:
        """The page with what is wrong; None if the session was saved."""
        group_session = lock_group_session(context, session_id)
        if group_session.withdrawn_at is not None:
            raise NotFound
        page = read_page(context.session, site, person.id, now, typed, editing=group_session)
        entered = None if page.is_today else page.parse(context.session)
        if entered is None:
            return page
        try:
            members = update_group_session(context, session_id, entered, page.confirmed)
        except Refused as refused:
            page.form.add_refusals(refused.refusals)
            return page
        except GroupSessionNeedsConfirmation as needed:
            page.show_warnings(needed.warnings)
            return page
        notify_members(site, context.session, members, now)
        return None

    page = site.write(person.viewer, now, save)
    if page is not None:
        return _render_form(site, person, page)
    return redirect_with_flash(site, f"/sessions/{session_id}", "corrected")


@router.post("/sessions/{session_id}/take-out")
def remove_session_member(
    site: SiteDep, now: NowDep, person: ProviderDep, session_id: RowId, typed: Typed
) -> Response:
    """Remove a member who has not confirmed."""
    member_id = number_of(typed, "member")
    site.write(person.viewer, now, lambda context: remove_member(context, session_id, member_id))
    return redirect_with_flash(site, f"/sessions/{session_id}", "out")


@router.post("/sessions/{session_id}/withdraw")
def withdraw_session(
    site: SiteDep, now: NowDep, person: ProviderDep, session_id: RowId
) -> Response:
    """Withdraw the session; confirmed entries stay in the supervisees' logs."""
    site.write(person.viewer, now, lambda context: withdraw_group_session(context, session_id))
    return redirect_with_flash(site, f"/sessions/{session_id}", "withdrawn")


def _render_form(site: Site, person: Person, page: GroupSessionPage) -> HTMLResponse:
    problems = page.form.problems()
    return site.pages.render(
        "session_form.html",
        status=422 if problems or page.warnings else 200,
        viewer=person.viewer,
        here="sessions",
        page=page,
        form=page.form,
        problems=problems,
    )
