"""The browsers in which somebody is signed in: to look through, and to end."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.records.sign_in.sessions import (
    LONGEST_SESSION_DAYS,
    SESSION_DAYS,
    Browser,
    browsers_of,
    end_browsers,
    handle_of,
)
from tracker.records.store.audit import Stamp
from tracker.records.store.engine import reading
from tracker.rules.providers import say_day
from tracker.web.forms.typed import Typed, text_of
from tracker.web.frame.own_time import zone_of
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import TheViewer, Viewer

router = APIRouter()
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
def show(
    site: TheSite, at: Instant, request: Request, who: TheViewer, said: TheSaid
) -> HTMLResponse:
    """Each browser in which one is signed in, with either of one's addresses."""
    this = handle_of(request.cookies[site.cookie_name])
    with reading(site.engine) as connection:
        found = browsers_of(connection, who.owner, at)
        zone = _zone(connection, site, who)
    rows = [_row(browser, this, at, zone) for browser in found]
    page = site.pages.show(
        "browsers.html",
        viewer=who,
        here="profile",
        rows=sorted(rows, key=lambda row: not row.is_this),
        days=SESSION_DAYS,
        longest=LONGEST_SESSION_DAYS,
        notice=_NOTICES.get(said.word, ""),
    )
    return said.once(page)


@router.post(f"{_HERE}/end")
def end_one(site: TheSite, at: Instant, who: TheViewer, typed: Typed) -> Response:
    """Signs one browser out; one that is not one's own, or is no more, stays as it is."""
    _end(site, who, [text_of(typed, "browser")], at)
    return go_and_say(site, _HERE, "one")


@router.post(f"{_HERE}/end-others")
def end_others(site: TheSite, at: Instant, request: Request, who: TheViewer) -> Response:
    """Signs every browser out but this one."""
    this = handle_of(request.cookies[site.cookie_name])
    with reading(site.engine) as connection:
        found = browsers_of(connection, who.owner, at)
    _end(site, who, [b.handle for b in found if b.handle != this], at)
    return go_and_say(site, _HERE, "others")


def _end(site: Site, who: Viewer, handles: Sequence[str], at: datetime) -> None:
    stamp = Stamp(who.email, at)
    site.writer.run(lambda connection: end_browsers(connection, who.owner, handles, stamp))


def _row(browser: Browser, this: str, at: datetime, zone: str) -> Row:
    seen = browser.seen_at or browser.signed_in_at
    return Row(
        handle=browser.handle,
        name=browser.name or _UNKNOWN,
        email=browser.email,
        since=say_day(local_day(browser.signed_in_at, zone)),
        seen=_say_seen(local_day(seen, zone), local_day(at, zone)),
        is_this=browser.handle == this,
    )


def _say_seen(day: date, today: date) -> str:
    # Kept once a day: it may have been here later than this says, by less than one.
    days = (today - day).days
    return {0: "today", 1: "yesterday"}.get(days, f"on {say_day(day)}")


def _zone(connection: Connection, site: Site, who: Viewer) -> str:
    if who.person_id is not None:
        return zone_of(connection, site.books, who.person_id)
    names = [*who.coordinates, *site.books.associations]
    return site.books.associations[names[0]].time_zone
