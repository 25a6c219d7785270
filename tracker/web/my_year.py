"""My year: where one stands, what lies ahead, and what is logged."""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from tracker.records.endorsees import endorsements_of
from tracker.records.engine import reading
from tracker.web.site import Instant, TheSite
from tracker.web.viewer import TheViewer
from tracker.web.year import read_year

router = APIRouter()


@router.get("/my-year")
def show(site: TheSite, at: Instant, who: TheViewer, deleted: str = "") -> Response:
    """The signed-in person's year; coordinators who hold no endorsement go to their own page."""
    if who.coordinates and not who.is_endorsed:
        return RedirectResponse("/coordinator", 303)
    year = None
    if who.person_id is not None:
        with reading(site.engine) as connection:
            endorsements = endorsements_of(connection, who.person_id)
            year = read_year(connection, site.books, who.person_id, endorsements, at)
    return site.pages.show(
        "my_year.html",
        viewer=who,
        here="my-year",
        year=year,
        whose=None,
        notice="The entry is deleted." if deleted else "",
    )
