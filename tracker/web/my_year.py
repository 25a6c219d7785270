"""My year: where one stands, what lies ahead, and what is logged."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from tracker.records.endorsees import endorsements_of
from tracker.records.engine import reading
from tracker.records.group_asks import Asked, asked_of
from tracker.web.applications import ApplicationView, read_applications
from tracker.web.bounced import bounced_of
from tracker.web.contacts import contacts_of
from tracker.web.site import Instant, TheSite
from tracker.web.viewer import TheViewer
from tracker.web.year import read_year

router = APIRouter()


@router.get("/my-year")
def show(site: TheSite, at: Instant, who: TheViewer, deleted: str = "") -> Response:
    """The signed-in person's year; coordinators without any go to their own page."""
    if who.coordinates and not who.logs_hours:
        return RedirectResponse("/coordinator", 303)
    year = bounced = None
    applications: Sequence[ApplicationView] = ()
    to_answer: Sequence[Asked] = ()
    if who.person_id is not None:
        with reading(site.engine) as connection:
            to_answer = asked_of(connection, who.person_id)
            bounced = bounced_of(connection, site.books, who.person_id)
            endorsements = endorsements_of(connection, who.person_id)
            applications = read_applications(connection, site.books, who.person_id, at)
            applied = [view.application for view in applications]
            year = read_year(connection, site.books, who.person_id, endorsements, at, applied)
    return site.pages.show(
        "my_year.html",
        viewer=who,
        here="my-year",
        year=year,
        applications=applications,
        asked=(),
        to_answer=to_answer,
        whose=None,
        bounced=bounced,
        contacts=contacts_of(site),
        notice="The entry is deleted." if deleted else "",
    )
