"""The page that lists a person's signed-in browsers and signs them out."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tracker.clock import local_day
from tracker.db.access import SecurityEvent
from tracker.formatting import format_date
from tracker.services.browser_sessions import (
    MAX_SESSION_DAYS,
    SESSION_DAYS,
    browser_handle,
    list_browsers,
    sign_out_browser,
    sign_out_other_browsers,
)
from tracker.services.security_events import DONE, DOWNLOAD, SIGN_IN, SIGN_OUT, list_events
from tracker.services.sign_in import CodeProblem, hash_token
from tracker.web.confirmation import ConfirmedPage
from tracker.web.forms.body import Typed, text_of
from tracker.web.page_request import ViewerPage
from tracker.web.time_zones import format_instant, zone_of

router = APIRouter()
_PATH = "/profile/browsers"
_EVENTS = {
    (SIGN_IN, DONE): "Signed in",
    (SIGN_IN, CodeProblem.WRONG.value): "A wrong code was entered",
    (SIGN_IN, CodeProblem.TOO_MANY_TRIES.value): "A code was entered after five wrong ones",
    (SIGN_IN, CodeProblem.PAUSED.value): "A code was entered while codes were paused",
    (SIGN_IN, CodeProblem.USED.value): "A used code or link was tried again",
    (SIGN_IN, CodeProblem.EXPIRED.value): "An expired code or link was tried",
    (SIGN_OUT, DONE): "Signed out",
    (DOWNLOAD, DONE): "Your association opened one of your files",
}


@router.get(_PATH)
def show_browsers(page: ViewerPage, request: Request) -> HTMLResponse:
    """Each browser that is signed in with one of the viewer's addresses, the current one first."""
    viewer, site = page.viewer, page.site
    current = hash_token(request.cookies[site.own_cookie()])
    with page.reading() as session:
        browsers = list_browsers(session, viewer.person_id, viewer.email, page.now)
        # A coordinator who is no person here has no time zone of their own.
        association = next(iter([*viewer.coordinates, *site.rulebooks.associations]))
        zone = site.rulebooks.associations[association].time_zone
        events: Sequence[SecurityEvent] = ()
        if viewer.person_id is not None:
            events = list_events(session, viewer.person_id)
            zone = zone_of(session, site.rulebooks, viewer.person_id)
    rows = []
    for browser in browsers:
        # Visits are recorded once a day, so the last one may be almost a day later than this says.
        day = local_day(browser.seen_at or browser.created_at, zone)
        days = (local_day(page.now, zone) - day).days
        row = {
            "handle": browser_handle(browser.token_hash),
            "name": browser.browser or "Unknown browser",
            "email": browser.email,
            "since": format_date(local_day(browser.created_at, zone)),
            "last_visit": {0: "today", 1: "yesterday"}.get(days, f"on {format_date(day)}"),
            "is_current": browser.token_hash == current,
        }
        rows.append(row)
    return page.render(
        "browsers.html",
        here="profile",
        events=[(format_instant(one.at, zone), _describe(one)) for one in events],
        rows=sorted(rows, key=lambda row: not row["is_current"]),
        days=SESSION_DAYS,
        max_days=MAX_SESSION_DAYS,
    )


def _describe(event: SecurityEvent) -> str:
    return _EVENTS.get((event.kind, event.outcome), f"{event.kind}: {event.outcome}")


@router.post(f"{_PATH}/end")
def end_one(page: ConfirmedPage, typed: Typed) -> Response:
    """Sign out one browser; nothing happens if it is not the viewer's or is signed out already."""
    handle = text_of(typed, "browser")
    page.write(lambda context: sign_out_browser(context, page.viewer.email, handle))
    return page.redirect(_PATH, "one")


@router.post(f"{_PATH}/end-others")
def end_others(page: ConfirmedPage, request: Request) -> Response:
    """Sign out every browser but this one."""
    token = request.cookies[page.site.own_cookie()]
    page.write(lambda context: sign_out_other_browsers(context, page.viewer.email, token))
    return page.redirect(_PATH, "others")
