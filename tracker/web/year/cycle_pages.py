"""Any cycle of an endorsement since it began, judged by its own rules: for oneself, or to read."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import HTMLResponse

from tracker.records.judging.endorsees import Endorsed, endorsement_within, endorsements_of
from tracker.records.store.engine import reading
from tracker.web.forms.typed import RowId
from tracker.web.frame.contacts import contacts_of
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import TheCoordinator, ThePerson, Viewer
from tracker.web.year.year import read_earlier

router = APIRouter()
# A first day as `date.isoformat` writes it, and in no other way: one page, one address.
FirstDay = Annotated[str, Path(pattern=r"^\d{4}-\d{2}-\d{2}$")]


@router.get("/my-year/{endorsement_id}/{cycle_starts_on}")
def show_own(
    site: TheSite, at: Instant, who: ThePerson, endorsement_id: RowId, cycle_starts_on: FirstDay
) -> HTMLResponse:
    """One cycle of an endorsement of one's own, with what was logged in it."""
    with reading(site.engine) as connection:
        held = endorsements_of(connection, who.id)
    one = next((each for each in held if each.id == endorsement_id), None)
    return _show(site, at, who.viewer, one, cycle_starts_on, whose=None)


@router.get("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def show_to_coordinator(
    site: TheSite,
    at: Instant,
    who: TheCoordinator,
    endorsement_id: RowId,
    cycle_starts_on: FirstDay,
) -> HTMLResponse:
    """The same of an endorsement at one's association, to read."""
    with reading(site.engine) as connection:
        one = endorsement_within(connection, endorsement_id, who.coordinates)
    return _show(site, at, who, one, cycle_starts_on, whose=one)


def _show(
    site: Site,
    at: datetime,
    who: Viewer,
    one: Endorsed | None,
    first: str,
    *,
    whose: Endorsed | None,
) -> HTMLResponse:
    starts_on = _day(first)
    if one is None or starts_on is None:
        raise HTTPException(404)
    with reading(site.engine) as connection:
        view = read_earlier(connection, site.books, one, starts_on, at, own=whose is None)
    if view is None:
        raise HTTPException(404)
    here = "coordinator" if whose else "my-year"
    return site.pages.show(
        "cycle.html", viewer=who, here=here, view=view, whose=whose, contacts=contacts_of(site)
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
