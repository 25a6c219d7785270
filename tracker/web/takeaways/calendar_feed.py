"""The calendar at its secret address, and the forms that make, replace and end that address."""

import hashlib
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from tracker.records.profile.calendar_feeds import (
    end_feed,
    feed_token,
    person_of_feed,
    replace_feed,
)
from tracker.records.store.audit import Stamp
from tracker.records.store.engine import reading
from tracker.transfer.calendar import calendar_file
from tracker.transfer.calendar_reading import read_calendar
from tracker.web.forms.typed import Typed, text_of
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import ThePerson

router = APIRouter()
NAME = "Endorsement renewals"
_BACK = "/takeaways#calendar"


@router.get("/calendar/{token}.ics")
def send(request: Request, site: TheSite, at: Instant, token: str) -> Response:
    """The calendar; a wrong or revoked address is as absent as any."""
    with reading(site.engine) as connection:
        person_id = person_of_feed(connection, token)
        if person_id is None:
            raise HTTPException(404)
        body = _body(connection, site, person_id, at)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    # Each client asks anew, and mostly hears that nothing has changed.
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if _knows(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def feed_address(connection: Connection, site: Site, person_id: int) -> str | None:
    """The whole address of a person's calendar; None while it is switched off."""
    token = feed_token(connection, person_id)
    return f"{site.settings.base_url}/calendar/{token}.ics" if token else None


def _body(connection: Connection, site: Site, person_id: int, at: datetime) -> bytes:
    events = read_calendar(connection, site.books, person_id, at)
    base = site.settings.base_url
    return calendar_file(NAME, uuid5(NAMESPACE_URL, base), f"{base}/my-year", events)


def _knows(sent: str, tag: str) -> bool:
    known = [each.strip().removeprefix("W/") for each in sent.split(",")]
    return tag in known or "*" in known


@router.post("/takeaways/calendar")
def make(site: TheSite, at: Instant, who: ThePerson, form: Typed) -> Response:
    """Make an address; the one that the form names is revoked."""
    by, mark = Stamp(who.viewer.email, at), text_of(form, "instead")
    site.writer.run(lambda connection: replace_feed(connection, who.id, mark, by))
    return RedirectResponse(_BACK, 303)


@router.post("/takeaways/calendar/off")
def end(site: TheSite, at: Instant, who: ThePerson) -> Response:
    """Revoke the address, and have none."""
    by = Stamp(who.viewer.email, at)
    site.writer.run(lambda connection: end_feed(connection, who.id, by))
    return RedirectResponse(_BACK, 303)
