"""Which optional mails a person gets: chosen on a page, or ended by a mail's own link."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.clock import known_zones, local_day
from tracker.db.audit import Stamp
from tracker.db.engine import reading, writing
from tracker.formatting import format_date
from tracker.rules.notification_preferences import Optional
from tracker.services.applications import list_undecided_applications
from tracker.services.browser_sessions import (
    LONGEST_SESSION_DAYS,
    SESSION_DAYS,
    SignedInBrowser,
    browser_handle,
    list_browsers,
    sign_out_browsers,
)
from tracker.services.context import Author
from tracker.services.endorsements import endorsements_of
from tracker.services.evidence import Kept, kept_files
from tracker.services.notification_preferences import (
    Wish,
    email_of,
    kinds_off_of,
    read_off_token,
    read_unsubscribe_token,
    set_kinds_off,
    unsubscribe,
)
from tracker.services.profile import profile_of, set_time_zone
from tracker.settings import Coordinator
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep, Viewer, ViewerDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import Typed, WithFiles, text_of
from tracker.web.pages.entry_submission import NOT_HERE, remove_chosen
from tracker.web.pages.uploads import folder_of, format_size, quota_of
from tracker.web.text import get_bounce_banner
from tracker.web.time_zones import format_instant, format_zone, zone_groups, zone_of

router = APIRouter()
# What each is called, and what it tells of.
WORDS = {
    Optional.EARLY: ("Early reminders", "Long before a due date, while something is missing"),
    Optional.MEMBERSHIP: ("Membership", "Before a membership ends, and when it has ended"),
    Optional.CUTOFF: ("Providers", "Before a provider's sessions stop counting"),
    Optional.RSC_WINDOW: ("RSC window", "While you apply: before your RSC window closes"),
    Optional.REFERENCES: ("References", "While you apply: how many have not come yet"),
    Optional.SESSIONS: ("Group sessions", "When a provider logs a session with you"),
}


@router.get("/profile/mail")
def open_choice(site: SiteDep, who: PersonDep) -> HTMLResponse:
    """Every optional kind with its switch, and what always comes and why."""
    with reading(site.engine) as session:
        off = kinds_off_of(session, who.id)
    return site.pages.render(
        "mail_choice.html", viewer=who.viewer, here="profile", words=WORDS, off=off
    )


@router.post("/profile/mail")
def save_choice(site: SiteDep, at: NowDep, who: PersonDep, typed: Typed) -> Response:
    """Switch off what is not ticked."""
    wanted = set(typed.getlist("kind"))
    off = {kind.value for kind in Optional} - wanted
    author = Author(who.id, who.viewer.email, at)
    site.writer.run(lambda session: set_kinds_off(session, author, off))
    return redirect_with_flash(site, "/profile", "mail")


@router.get("/unsubscribe/mail/{token}")
def ask(site: SiteDep, token: str) -> HTMLResponse:
    """Asks whether to stop the mail that the link names."""
    with reading(site.engine) as session:
        wish = read_off_token(session, token)
    if wish is None:
        raise HTTPException(404)
    return site.pages.render("mail_stopped.html", kinds=format_kinds(wish[1]), done=False)


@router.post("/unsubscribe/mail/{token}")
def stop(site: SiteDep, at: NowDep, token: str) -> HTMLResponse:
    """Stops it; mail programs post here by themselves, people by the page's button."""

    def job(session: Session) -> tuple[str, ...] | None:
        wish = read_off_token(session, token)
        email = email_of(session, wish[0]) if wish else None
        if wish is None or email is None:
            return None
        off = {*kinds_off_of(session, wish[0]), *wish[1]}
        set_kinds_off(session, Author(wish[0], email, at), off)
        return wish[1]

    # A stranger's token must not wait for a turn to write, nor make others wait.
    with reading(site.engine) as session:
        known = read_off_token(session, token) is not None
    kinds = site.writer.run(job) if known else None
    if kinds is None:
        raise HTTPException(404)
    return site.pages.render("mail_stopped.html", kinds=format_kinds(kinds), done=True)


def format_choice(off: Collection[str]) -> str:
    """``all``, or how many kinds are switched off."""
    known = [kind for kind in Optional if kind.value in off]
    return f"{len(known)} of {len(Optional)} optional kinds off" if known else "all"


def format_kinds(kinds: Collection[str]) -> list[str]:
    """What kinds are called, those of an older version left out."""
    return [WORDS[kind][0] for kind in Optional if kind.value in kinds]


_DONE = {
    "time-zone": "Your time zone is saved.",
    "second-address": "Your second address is confirmed.",
    "mail": "Your choice of mails is saved.",
    "removed": "The second address is removed, and signed out everywhere.",
    "try-again": "We have sent a mail to your first address. If it comes back, we say so here.",
}


@router.get("/profile")
def show(site: SiteDep, at: NowDep, who: PersonDep, flash: FlashDep) -> HTMLResponse:
    """Name, addresses, time zone, mails, membership and requests, each with where to change it."""
    with reading(site.engine) as session:
        profile = profile_of(session, who.id)
        zone = zone_of(session, site.rulebooks, who.id)
        coordinators = coordinators_of(session, site, who.id)
        bounced = get_bounce_banner(session, site.rulebooks, who.viewer)
        mails = format_choice(kinds_off_of(session, who.id))
    page = site.pages.render(
        "profile.html",
        viewer=who.viewer,
        here="profile",
        me=profile,
        zone=format_zone(zone),
        now=format_instant(at, zone),
        bounced=bounced,
        coordinators=coordinators,
        mails=mails,
        notice=_DONE.get(flash.code, ""),
    )
    return flash.clear(page)


@router.get("/profile/time-zone")
def open_time_zone(site: SiteDep, at: NowDep, who: PersonDep) -> HTMLResponse:
    """Asks for the time zone."""
    return _time_zone_page(site, at, who)


@router.post("/profile/time-zone")
def save_time_zone(site: SiteDep, at: NowDep, who: PersonDep, typed: Typed) -> Response:
    """Save a zone, or none: then the association's holds."""
    chosen = text_of(typed, "time_zone")
    if chosen and chosen not in known_zones():
        return _time_zone_page(site, at, who, "Choose a time zone from the list")
    author = Author(who.id, who.viewer.email, at)
    site.writer.run(lambda c: set_time_zone(c, author, chosen or None))
    return redirect_with_flash(site, "/profile", "time-zone")


def coordinators_of(session: Session, site: Site, person_id: int) -> Sequence[Coordinator]:
    """Whom a person asks about their name and first address: each association's coordinators."""
    held = [one.association for one in endorsements_of(session, person_id)]
    held += [one.association for one in list_undecided_applications(session, person_id)]
    found = (site.settings.coordinators_of(name) for name in dict.fromkeys(held))
    return [coordinator for some in found for coordinator in some]


def _time_zone_page(site: Site, at: NowDep, who: Person, problem: str = "") -> HTMLResponse:
    with reading(site.engine) as session:
        own = profile_of(session, who.id).time_zone
        zone = zone_of(session, site.rulebooks, who.id)
    return site.pages.render(
        "time_zone.html",
        status=422 if problem else 200,
        viewer=who.viewer,
        here="profile",
        groups=zone_groups(site.rulebooks),
        chosen=own or "",
        now=format_instant(at, zone),
        problems=[("time_zone", problem)] if problem else [],
    )


_HERE = "/profile/browsers"
_UNKNOWN = "A browser that did not say what it is"
_NOTICES = {
    "one": "That browser is signed out.",
    "others": "Every other browser is signed out.",
}


class Row(NamedTuple):
    """A browser in words; ``is_this`` is the one that looks at the page."""

    handle: str
    name: str
    email: str
    since: str
    seen: str
    is_this: bool


@router.get(_HERE)
def show_browsers(
    site: SiteDep, at: NowDep, request: Request, who: ViewerDep, flash: FlashDep
) -> HTMLResponse:
    """Each browser in which one is signed in, with either of one's addresses."""
    this = browser_handle(request.cookies[site.cookie_name])
    with reading(site.engine) as session:
        found = list_browsers(session, who.owner, at)
        zone = _zone(session, site, who)
    rows = [_row(browser, this, at, zone) for browser in found]
    page = site.pages.render(
        "browsers.html",
        viewer=who,
        here="profile",
        rows=sorted(rows, key=lambda row: not row.is_this),
        days=SESSION_DAYS,
        longest=LONGEST_SESSION_DAYS,
        notice=_NOTICES.get(flash.code, ""),
    )
    return flash.clear(page)


@router.post(f"{_HERE}/end")
def end_one(site: SiteDep, at: NowDep, who: ViewerDep, typed: Typed) -> Response:
    """Signs one browser out; one that is not one's own, or is no more, stays as it is."""
    _end(site, who, [text_of(typed, "browser")], at)
    return redirect_with_flash(site, _HERE, "one")


@router.post(f"{_HERE}/end-others")
def end_others(site: SiteDep, at: NowDep, request: Request, who: ViewerDep) -> Response:
    """Signs every browser out but this one."""
    this = browser_handle(request.cookies[site.cookie_name])
    with reading(site.engine) as session:
        found = list_browsers(session, who.owner, at)
    _end(site, who, [b.handle for b in found if b.handle != this], at)
    return redirect_with_flash(site, _HERE, "others")


def _end(site: Site, who: Viewer, handles: Sequence[str], at: datetime) -> None:
    stamp = Stamp(who.email, at)
    site.writer.run(lambda session: sign_out_browsers(session, who.owner, handles, stamp))


def _row(browser: SignedInBrowser, this: str, at: datetime, zone: str) -> Row:
    seen = browser.seen_at or browser.signed_in_at
    return Row(
        handle=browser.handle,
        name=browser.name or _UNKNOWN,
        email=browser.email,
        since=format_date(local_day(browser.signed_in_at, zone)),
        seen=_format_seen(local_day(seen, zone), local_day(at, zone)),
        is_this=browser.handle == this,
    )


def _format_seen(day: date, today: date) -> str:
    # Kept once a day: it may have been here later than this says, by less than one.
    days = (today - day).days
    return {0: "today", 1: "yesterday"}.get(days, f"on {format_date(day)}")


def _zone(session: Session, site: Site, who: Viewer) -> str:
    if who.person_id is not None:
        return zone_of(session, site.rulebooks, who.person_id)
    names = [*who.coordinates, *site.rulebooks.associations]
    return site.rulebooks.associations[names[0]].time_zone


_HERE_OWN_FILES = "/profile/files"
_NOTICES_OWN_FILES = {"removed": "The file is removed.", "not-here": NOT_HERE}


@router.get(_HERE_OWN_FILES)
def show_own_files(site: SiteDep, at: NowDep, who: PersonDep, flash: FlashDep) -> HTMLResponse:
    """The files of entries that can still be changed, and those that closed cycles keep."""
    with reading(site.engine) as session:
        found = kept_files(session, site.rulebooks, who.id, at)
    closed = [kept for kept in found if kept.closed]
    counted = [kept for kept in found if not kept.closed]
    page = site.pages.render(
        "own_files.html",
        viewer=who.viewer,
        here="profile",
        counted=counted,
        closed=closed,
        taken=_bytes(counted),
        taken_closed=_bytes(closed),
        quota=quota_of(site),
        takes_files=folder_of(site) is not None,
        format_size=format_size,
        notice=_NOTICES_OWN_FILES.get(flash.code, ""),
    )
    return flash.clear(page)


@router.post(_HERE_OWN_FILES)
def remove_unsaved(site: SiteDep, at: NowDep, who: PersonDep, posted: WithFiles) -> Response:
    """Remove a file whose form was not saved; those of entries go with a change of the entry."""
    name = remove_chosen(site, Author(who.id, who.viewer.email, at), posted)
    return redirect_with_flash(site, _HERE_OWN_FILES, "removed" if name else "not-here")


def _bytes(found: Sequence[Kept]) -> int:
    return sum(kept.file.size for kept in found)


@router.get("/unsubscribe/{token}")
def ask_unsubscribing(site: SiteDep, token: str) -> HTMLResponse:
    """Asks whether to stop the mail that the link names."""
    with reading(site.engine) as session:
        wish = _wish(session, token)
    return site.pages.render("unsubscribe.html", wish=wish, done=False)


@router.post("/unsubscribe/{token}")
def stop_unsubscribing(site: SiteDep, at: NowDep, token: str) -> HTMLResponse:
    """Stops it; mail programs post here by themselves, people by the page's button."""
    # A stranger's token must not wait for a turn to write, nor make others wait.
    with reading(site.engine) as session:
        _wish(session, token)
    with writing(site.engine) as session:
        wish = _wish(session, token)
        unsubscribe(session, wish, at)
    return site.pages.render("unsubscribe.html", wish=wish, done=True)


def _wish(session: Session, token: str) -> Wish:
    wish = read_unsubscribe_token(session, token)
    if wish is None:
        raise HTTPException(404)
    return wish
