"""A person's profile: what the association keeps, their own choices, and their files."""

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.formatting import format_size
from tracker.refusal_text import format_refusal
from tracker.services.applications import list_undecided_applications
from tracker.services.context import Refused
from tracker.services.endorsements import endorsements_of
from tracker.services.evidence import list_kept_files
from tracker.services.notification_preferences import list_disabled_kinds
from tracker.services.profile import get_person, set_time_zone
from tracker.settings import Coordinator
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import Typed, number_of, text_of
from tracker.web.pages import uploads
from tracker.web.pages.mail_choice import format_choice
from tracker.web.pages.uploads import folder_of, quota_of
from tracker.web.text import get_bounce_banner
from tracker.web.time_zones import format_instant, format_zone, zone_groups, zone_of

router = APIRouter()
_NOTICES = {
    "time-zone": "Your time zone is saved.",
    "second-address": "Your second address is confirmed.",
    "mail": "Your email choices are saved.",
    "removed": "Your second address is removed and signed out everywhere.",
    "try-again": "We sent an email to your first address. If it comes back, this page will say so.",
}
_FILE_NOTICES = {"removed": "The file is removed.", "not-here": uploads.FILE_NOT_HERE}


@router.get("/profile")
def show_profile(site: SiteDep, now: NowDep, person: PersonDep, flash: FlashDep) -> HTMLResponse:
    """The name, the addresses, and each choice with a link to change it."""
    with reading(site.engine) as session:
        stored = get_person(session, person.id)
        zone = zone_of(session, site.rulebooks, person.id)
        coordinators = _list_coordinators(session, site, person.id)
        bounced = get_bounce_banner(session, site.rulebooks, person.viewer)
        disabled_kinds = list_disabled_kinds(session, person.id)
    page = site.pages.render(
        "profile.html",
        viewer=person.viewer,
        here="profile",
        person=stored,
        zone=format_zone(zone),
        now=format_instant(now, zone),
        bounced=bounced,
        coordinators=coordinators,
        mail_choice=format_choice(disabled_kinds),
        notice=_NOTICES.get(flash.code, ""),
    )
    return flash.clear(page)


@router.get("/profile/time-zone")
def open_time_zone(site: SiteDep, now: NowDep, person: PersonDep) -> HTMLResponse:
    """The form for the time zone."""
    return _render_time_zone(site, now, person)


@router.post("/profile/time-zone")
def save_time_zone(site: SiteDep, now: NowDep, person: PersonDep, typed: Typed) -> Response:
    """Save a time zone; without one the association's is used."""
    zone = text_of(typed, "time_zone") or None
    try:
        site.write(person.viewer, now, lambda context: set_time_zone(context, zone))
    except Refused as refused:
        refusal = refused.refusals[0]
        problem = format_refusal(refusal.code, refusal.facts)
        return _render_time_zone(site, now, person, problem)
    return redirect_with_flash(site, "/profile", "time-zone")


@router.get("/profile/files")
def show_files(site: SiteDep, now: NowDep, person: PersonDep, flash: FlashDep) -> HTMLResponse:
    """The files that can still be removed, and those that closed cycles keep."""
    with reading(site.engine) as session:
        files = list_kept_files(session, site.rulebooks, person.id, now)
    removable = [kept for kept in files if not kept.lock]
    closed = [kept for kept in files if kept.lock]
    page = site.pages.render(
        "own_files.html",
        viewer=person.viewer,
        here="profile",
        removable=removable,
        closed=closed,
        used_bytes=sum(kept.file.size for kept in removable),
        closed_bytes=sum(kept.file.size for kept in closed),
        quota=quota_of(site),
        takes_files=folder_of(site) is not None,
        format_size=format_size,
        notice=_FILE_NOTICES.get(flash.code, ""),
    )
    return flash.clear(page)


@router.post("/profile/files")
def remove_unsaved_file(site: SiteDep, now: NowDep, person: PersonDep, typed: Typed) -> Response:
    """Remove a file whose form was not saved; a file of an entry is removed with the entry."""
    file_id = number_of(typed, "remove")
    name = uploads.remove_unsaved_file(site, person.viewer, now, file_id)
    return redirect_with_flash(site, "/profile/files", "removed" if name else "not-here")


def _list_coordinators(session: Session, site: Site, person_id: int) -> list[Coordinator]:
    """The coordinators of a person's associations, who can correct the name and first address."""
    associations = [one.association for one in endorsements_of(session, person_id)]
    associations += [one.association for one in list_undecided_applications(session, person_id)]
    coordinators: list[Coordinator] = []
    for association in dict.fromkeys(associations):
        coordinators += site.settings.coordinators_of(association)
    return coordinators


def _render_time_zone(site: Site, now: datetime, person: Person, problem: str = "") -> HTMLResponse:
    with reading(site.engine) as session:
        own_zone = get_person(session, person.id).time_zone
        zone = zone_of(session, site.rulebooks, person.id)
    return site.pages.render(
        "time_zone.html",
        status=422 if problem else 200,
        viewer=person.viewer,
        here="profile",
        groups=zone_groups(site.rulebooks),
        chosen=own_zone or "",
        now=format_instant(now, zone),
        problems=[("time_zone", problem)] if problem else [],
    )
