"""A person's profile: what the association keeps, their own choices, and their files."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.formatting import format_size
from tracker.services.applications import list_undecided_applications
from tracker.services.context import Refused
from tracker.services.endorsements import endorsements_of
from tracker.services.evidence import list_kept_files, remove_file, sum_sizes
from tracker.services.notification_preferences import list_disabled_kinds
from tracker.services.profile import (
    MAX_PROVIDER_LINE,
    get_person,
    set_provider_settings,
    set_time_zone,
)
from tracker.services.registry_consent import choose_listings, list_choices
from tracker.settings import Coordinator
from tracker.web.forms.body import Typed, clean, number_of, text_of
from tracker.web.page_request import PageRequest, PersonPage, format_problems, require
from tracker.web.pages.mail_choice import format_choice
from tracker.web.pages.uploads import FILE_NOT_HERE, folder_of, quota_of, remove_stored
from tracker.web.time_zones import format_instant, format_zone, zone_groups

router = APIRouter()


@router.get("/profile")
def show_profile(page: PersonPage) -> HTMLResponse:
    """The name, the addresses, and each choice with a link to change it."""
    with page.reading() as session:
        person = get_person(session, page.person_id)
        zone = page.zone(session)
        # These can correct the name and the first address.
        associations = [one.association for one in endorsements_of(session, page.person_id)]
        for application in list_undecided_applications(session, page.person_id):
            associations.append(application.association)
        bounced = get_bounce_banner(session, page)
        disabled_kinds = list_disabled_kinds(session, page.person_id)
        registries = list_choices(session, page.rulebooks, page.person_id)
    coordinators: list[Coordinator] = []
    for association in dict.fromkeys(associations):
        coordinators += page.site.settings.coordinators_of(association)
    return page.render(
        "profile.html",
        here="profile",
        person=person,
        zone=format_zone(zone),
        now=format_instant(page.now, zone),
        bounced=bounced,
        coordinators=coordinators,
        mail_choice=format_choice(disabled_kinds),
        registries=registries,
        has_provider_settings=page.viewer.provides_rsc or person.takes_supervisees_since,
    )


@router.get("/profile/time-zone")
def open_time_zone(page: PersonPage) -> HTMLResponse:
    """The form for the time zone."""
    return _render_time_zone(page, [])


@router.post("/profile/time-zone")
def save_time_zone(page: PersonPage, typed: Typed) -> Response:
    """Save a time zone; without one the association's is used."""
    zone = text_of(typed, "time_zone") or None
    try:
        page.write(lambda context: set_time_zone(context, zone))
    except Refused as refused:
        return _render_time_zone(page, format_problems(refused))
    return page.redirect("/profile", "time-zone")


@router.get("/profile/rsc-provider")
def open_provider_settings(page: PersonPage) -> HTMLResponse:
    """The form for what an RSC provider lets the public know."""
    with page.reading() as session:
        person = get_person(session, page.person_id)
    require(page.viewer.provides_rsc or person.takes_supervisees_since)
    takes = person.takes_supervisees_since is not None
    return _render_provider_settings(page, person.provider_line or "", [], takes=takes)


@router.post("/profile/rsc-provider")
def save_provider_settings(page: PersonPage, typed: Typed) -> Response:
    """Save whether the provider takes new supervisees, and their line."""
    takes, line = text_of(typed, "takes") == "yes", clean(text_of(typed, "line"))
    with page.reading() as session:
        person = get_person(session, page.person_id)
        today = page.today(session)
    require(page.viewer.provides_rsc or person.takes_supervisees_since)
    try:
        page.write(
            lambda context: set_provider_settings(
                context, takes_supervisees=takes, line=line, today=today
            )
        )
    except Refused as refused:
        return _render_provider_settings(page, line, format_problems(refused), takes=takes)
    return page.redirect("/profile", "rsc-provider")


@router.get("/profile/registry")
def open_registry_choice(page: PersonPage) -> HTMLResponse:
    """The form that says which public registries may list the viewer, and what they show."""
    return _render_registry_choice(page, [])


@router.post("/profile/registry")
def save_registry_choice(page: PersonPage, typed: Typed) -> Response:
    """List the viewer in the registries that are checked, and in no others."""
    wanted = {str(each) for each in typed.getlist("listed")}
    try:
        page.write(lambda context: choose_listings(context, wanted))
    except Refused as refused:
        return _render_registry_choice(page, format_problems(refused))
    return page.redirect("/profile", "registry")


def _render_registry_choice(page: PageRequest, problems: list[tuple[str, str]]) -> HTMLResponse:
    with page.reading() as session:
        choices = require(list_choices(session, page.rulebooks, page.person_id))
        person = get_person(session, page.person_id)
    return page.render(
        "registry_choice.html",
        here="profile",
        choices=[
            (each, page.rulebooks.associations[each.association], page.day_of(each.association))
            for each in choices
        ],
        person=person,
        problems=problems,
    )


@router.get("/profile/files")
def show_files(page: PersonPage) -> HTMLResponse:
    """The files that can still be removed, and those that closed cycles keep."""
    with page.reading() as session:
        files = list_kept_files(session, page.rulebooks, page.person_id, page.now)
    removable = [kept for kept in files if not kept.is_closed]
    closed = [kept for kept in files if kept.is_closed]
    return page.render(
        "own_files.html",
        here="profile",
        removable=removable,
        closed=closed,
        used_bytes=sum_sizes(removable),
        closed_bytes=sum_sizes(closed),
        quota=quota_of(page.site),
        takes_files=folder_of(page.site) is not None,
        format_size=format_size,
        file_not_here=FILE_NOT_HERE,
    )


@router.post("/profile/files")
def remove_unsaved_file(page: PersonPage, typed: Typed) -> Response:
    """Remove a file whose form was not saved; a file of an entry is removed with the entry."""
    file_id = number_of(typed, "remove")
    require(folder_of(page.site) and file_id)
    removed = page.write(lambda context: remove_file(context, file_id))
    if removed is None:
        return page.redirect("/profile/files", "not-here")
    remove_stored(page.site, [removed.stored_as])
    return page.redirect("/profile/files", "removed")


def get_bounce_banner(session: Session, page: PageRequest) -> dict[str, str | None] | None:
    """The viewer's addresses, and since when mail bounces; None if it arrives."""
    if page.viewer.person_id is None or not page.viewer.mail_comes_back:
        return None
    person = get_person(session, page.person_id)
    if person.email_refused_at is None:
        return None
    since = format_instant(person.email_refused_at, page.zone(session))
    return {"email": person.email, "second_email": person.second_email, "since": since}


def _render_provider_settings(
    page: PageRequest, line: str, problems: list[tuple[str, str]], *, takes: bool
) -> HTMLResponse:
    return page.render(
        "provider_settings.html",
        here="profile",
        takes=takes,
        line=line,
        limit=MAX_PROVIDER_LINE,
        problems=problems,
    )


def _render_time_zone(page: PageRequest, problems: list[tuple[str, str]]) -> HTMLResponse:
    with page.reading() as session:
        own_zone = get_person(session, page.person_id).time_zone
        zone = page.zone(session)
    return page.render(
        "time_zone.html",
        here="profile",
        groups=zone_groups(page.rulebooks),
        chosen=own_zone or "",
        now=format_instant(page.now, zone),
        problems=problems,
    )
