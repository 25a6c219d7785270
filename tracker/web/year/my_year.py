"""My year: where one stands, what lies ahead, and what is logged."""

from datetime import datetime
from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from tracker.records.endorsees import endorsements_of
from tracker.records.group_asks import asked_of
from tracker.web.applying.applications import read_applications
from tracker.web.frame.bounced import bounced_of
from tracker.web.frame.contacts import contacts_of
from tracker.web.frame.said_once import Said, TheSaid
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import TheViewer, Viewer
from tracker.web.year.year import read_year

router = APIRouter()


@router.get("/my-year")
async def show_year(site: TheSite, at: Instant, who: TheViewer, said: TheSaid) -> Response:
    """The signed-in person's year; coordinators without any go to their own page."""
    if who.coordinates and not who.logs_hours:
        return RedirectResponse("/coordinator", 303)
    read = partial(_read, site, at, who.person_id)
    return await site.reader.show(read, partial(_page, site, who, said))


def _page(site: Site, who: Viewer, said: Said, facts: dict[str, Any]) -> Response:
    page = site.pages.show(
        "my_year.html",
        viewer=who,
        here="my-year",
        asked=(),
        whose=None,
        contacts=contacts_of(site),
        notice="The entry is deleted." if said.word == "deleted" else "",
        **facts,
    )
    return said.once(page)


def _read(
    site: Site, at: datetime, person_id: int | None, connection: Connection
) -> dict[str, Any]:
    """What the page shows of a person; of somebody who is none, nothing."""
    if person_id is None:
        return {"year": None, "applications": (), "to_answer": (), "bounced": None}
    endorsements = endorsements_of(connection, person_id)
    applications = read_applications(connection, site.books, person_id, at)
    applied = [view.application for view in applications]
    return {
        "year": read_year(connection, site.books, person_id, endorsements, at, applied),
        "applications": applications,
        "to_answer": asked_of(connection, person_id),
        "bounced": bounced_of(connection, site.books, person_id),
    }
