"""What a person may set for themselves, and what their association keeps of them."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from tracker.records.applying.applicants import undecided_of
from tracker.records.entries.entry_writes import Author
from tracker.records.judging.endorsees import endorsements_of
from tracker.records.profile.mail_wishes import kinds_off_of
from tracker.records.profile.profile import profile_of, set_time_zone
from tracker.records.store.engine import reading
from tracker.settings import Coordinator
from tracker.web.forms.typed import Typed, text_of
from tracker.web.frame.bounced import bounced_of
from tracker.web.frame.own_time import known_zones, say_instant, say_zone, zone_groups, zone_of
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, ThePerson
from tracker.web.profile.mail_choice import say_choice

router = APIRouter()
_DONE = {
    "time-zone": "Your time zone is saved.",
    "second-address": "Your second address is confirmed.",
    "mail": "Your choice of mails is saved.",
    "removed": "The second address is removed, and signed out everywhere.",
    "try-again": "We have sent a mail to your first address. If it comes back, we say so here.",
}


@router.get("/profile")
def show(site: TheSite, at: Instant, who: ThePerson, said: TheSaid) -> HTMLResponse:
    """Name, addresses, time zone, mails, membership and requests, each with where to change it."""
    with reading(site.engine) as connection:
        profile = profile_of(connection, who.id)
        zone = zone_of(connection, site.books, who.id)
        coordinators = coordinators_of(connection, site, who.id)
        bounced = bounced_of(connection, site.books, who.viewer)
        mails = say_choice(kinds_off_of(connection, who.id))
    page = site.pages.show(
        "profile.html",
        viewer=who.viewer,
        here="profile",
        me=profile,
        zone=say_zone(zone),
        now=say_instant(at, zone),
        bounced=bounced,
        coordinators=coordinators,
        mails=mails,
        notice=_DONE.get(said.word, ""),
    )
    return said.once(page)


@router.get("/profile/time-zone")
def open_time_zone(site: TheSite, at: Instant, who: ThePerson) -> HTMLResponse:
    """Asks for the time zone."""
    return _time_zone_page(site, at, who)


@router.post("/profile/time-zone")
def save_time_zone(site: TheSite, at: Instant, who: ThePerson, typed: Typed) -> Response:
    """Save a zone, or none: then the association's holds."""
    chosen = text_of(typed, "time_zone")
    if chosen and chosen not in known_zones():
        return _time_zone_page(site, at, who, "Choose a time zone from the list")
    author = Author(who.id, who.viewer.email, at)
    site.writer.run(lambda c: set_time_zone(c, author, chosen or None))
    return go_and_say(site, "/profile", "time-zone")


def coordinators_of(connection: Connection, site: Site, person_id: int) -> Sequence[Coordinator]:
    """Whom a person asks about their name and first address: each association's coordinators."""
    held = [one.association for one in endorsements_of(connection, person_id)]
    held += [one.association for one in undecided_of(connection, person_id)]
    found = (site.settings.coordinators_of(name) for name in dict.fromkeys(held))
    return [coordinator for some in found for coordinator in some]


def _time_zone_page(site: Site, at: Instant, who: Person, problem: str = "") -> HTMLResponse:
    with reading(site.engine) as connection:
        own = profile_of(connection, who.id).time_zone
        zone = zone_of(connection, site.books, who.id)
    return site.pages.show(
        "time_zone.html",
        status=422 if problem else 200,
        viewer=who.viewer,
        here="profile",
        groups=zone_groups(site.books),
        chosen=own or "",
        now=say_instant(at, zone),
        problems=[("time_zone", problem)] if problem else [],
    )
