"""My year: the viewer's renewals, what lies ahead, and every entry; and the pages of one cycle."""

from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.services.endorsements import Endorsed, endorsement_within, endorsements_of
from tracker.services.group_confirmations import list_confirmation_requests
from tracker.web.forms.body import CycleStart, RowId
from tracker.web.page_request import CoordinatorPage, PageRequest, PersonPage, ViewerPage, require
from tracker.web.pages.applications import read_applications
from tracker.web.pages.entry_view import read_entry
from tracker.web.pages.profile import get_bounce_banner
from tracker.web.pages.year_view import read_cycle, read_year

router = APIRouter()


@router.get("/my-year")
async def show_year(page: ViewerPage) -> Response:
    """The viewer's year; coordinators without an endorsement go to their own page."""
    viewer = page.viewer
    if viewer.coordinates and not viewer.logs_hours:
        return RedirectResponse("/coordinator", 303)

    def read(session: Session) -> dict[str, Any]:
        if viewer.person_id is None:
            return {"year": None, "applications": (), "to_answer": (), "bounced": None}
        endorsements = endorsements_of(session, viewer.person_id)
        views = read_applications(session, page) if viewer.has_applied else []
        applications = [view.application for view in views]
        return {
            "year": read_year(session, page, viewer.person_id, endorsements, applications),
            "applications": views,
            "to_answer": list_confirmation_requests(session, viewer.person_id),
            "bounced": get_bounce_banner(session, page),
        }

    def render(facts: dict[str, Any]) -> Response:
        return page.render(
            "my_year.html",
            here="my-year",
            asked=(),
            whose=None,
            contacts=page.site.settings.coordinators_by_association,
            **facts,
        )

    return await page.site.reader.render(read, render)


@router.get("/my-year/{endorsement_id}/{cycle_starts_on}")
def show_own_cycle(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> HTMLResponse:
    """One cycle of the viewer's own endorsement, with the entries in it."""
    with page.reading() as session:
        own = {e.id: e for e in endorsements_of(session, page.person_id)}
    return _show_cycle(page, own.get(endorsement_id), cycle_starts_on, is_own=True)


@router.get("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def show_cycle_to_coordinator(
    page: CoordinatorPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> HTMLResponse:
    """One cycle of an endorsement at the coordinator's association, to read."""
    with page.reading() as session:
        endorsement = endorsement_within(session, endorsement_id, page.viewer.coordinates)
    return _show_cycle(page, endorsement, cycle_starts_on, is_own=False)


def _show_cycle(
    page: PageRequest, endorsement: Endorsed | None, starts_on: date, *, is_own: bool
) -> HTMLResponse:
    with page.reading() as session:
        facts = read_cycle(session, page, require(endorsement), starts_on, is_own=is_own)
    return page.render(
        "cycle.html",
        here="my-year" if is_own else "coordinator",
        whose=None if is_own else endorsement,
        contacts=page.site.settings.coordinators_by_association,
        **facts,
    )


@router.get("/entries/{entry_id}")
def show_entry(page: PersonPage, entry_id: RowId) -> HTMLResponse:
    """One entry, whether it counts for each endorsement, and why."""
    with page.reading() as session:
        row = read_entry(session, page, entry_id)
    contacts = page.site.settings.coordinators_by_association
    return page.render("entry.html", row=row, contacts=contacts)
