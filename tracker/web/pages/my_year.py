"""My year: the viewer's renewals, what lies ahead, and every entry; and the pages of one cycle."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.services.endorsements import Endorsed, endorsement_within, endorsements_of
from tracker.services.group_confirmations import list_confirmation_requests
from tracker.web.dependencies import (
    CoordinatorDep,
    NowDep,
    PersonDep,
    Site,
    SiteDep,
    Viewer,
    ViewerDep,
)
from tracker.web.flash import FlashDep
from tracker.web.forms.body import RowId
from tracker.web.pages.applications import read_applications
from tracker.web.pages.entry_view import read_entry
from tracker.web.pages.year_view import CycleView, read_cycle, read_year
from tracker.web.text import get_bounce_banner

router = APIRouter()
# As `date.isoformat` writes it, and in no other way: one page has one address.
CycleStart = Annotated[str, Path(pattern=r"^\d{4}-\d{2}-\d{2}$")]


@router.get("/my-year")
async def show_year(site: SiteDep, now: NowDep, viewer: ViewerDep, flash: FlashDep) -> Response:
    """The viewer's year; coordinators without an endorsement go to their own page."""
    if viewer.coordinates and not viewer.logs_hours:
        return RedirectResponse("/coordinator", 303)

    def read(session: Session) -> dict[str, Any]:
        return _read_year(session, site, now, viewer)

    def render(facts: dict[str, Any]) -> Response:
        return site.pages.render(
            "my_year.html",
            viewer=viewer,
            here="my-year",
            asked=(),
            whose=None,
            contacts=site.settings.coordinators_by_association,
            notice="The entry is deleted." if flash.code == "deleted" else "",
            **facts,
        )

    return flash.clear(await site.reader.render(read, render))


def _read_year(session: Session, site: Site, now: datetime, viewer: Viewer) -> dict[str, Any]:
    person_id, rulebooks = viewer.person_id, site.rulebooks
    if person_id is None:
        return {"year": None, "applications": (), "to_answer": (), "bounced": None}
    endorsements = endorsements_of(session, person_id)
    applications = (
        read_applications(session, rulebooks, person_id, now) if viewer.has_applied else ()
    )
    applied = [view.application for view in applications]
    return {
        "year": read_year(session, rulebooks, person_id, endorsements, now, applied),
        "applications": applications,
        "to_answer": list_confirmation_requests(session, person_id),
        "bounced": get_bounce_banner(session, rulebooks, viewer),
    }


@router.get("/my-year/{endorsement_id}/{cycle_starts_on}")
def show_own_cycle(
    site: SiteDep,
    now: NowDep,
    person: PersonDep,
    endorsement_id: RowId,
    cycle_starts_on: CycleStart,
) -> HTMLResponse:
    """One cycle of the viewer's own endorsement, with the entries in it."""
    with reading(site.engine) as session:
        own = {e.id: e for e in endorsements_of(session, person.id)}
        view = _read_cycle(
            session, site, own.get(endorsement_id), cycle_starts_on, now, is_own=True
        )
    return _render_cycle(site, person.viewer, view, here="my-year", whose=None)


@router.get("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def show_cycle_to_coordinator(
    site: SiteDep,
    now: NowDep,
    viewer: CoordinatorDep,
    endorsement_id: RowId,
    cycle_starts_on: CycleStart,
) -> HTMLResponse:
    """One cycle of an endorsement at the coordinator's association, to read."""
    with reading(site.engine) as session:
        endorsement = endorsement_within(session, endorsement_id, viewer.coordinates)
        view = _read_cycle(session, site, endorsement, cycle_starts_on, now, is_own=False)
    return _render_cycle(site, viewer, view, here="coordinator", whose=endorsement)


def _read_cycle(
    session: Session,
    site: Site,
    endorsement: Endorsed | None,
    starts_on: str,
    now: datetime,
    *,
    is_own: bool,
) -> CycleView:
    try:
        first_day = date.fromisoformat(starts_on)
    except ValueError:
        raise HTTPException(404) from None
    if endorsement is None:
        raise HTTPException(404)
    view = read_cycle(session, site.rulebooks, endorsement, first_day, now, is_own=is_own)
    if view is None:
        raise HTTPException(404)
    return view


def _render_cycle(
    site: Site, viewer: Viewer, view: CycleView, *, here: str, whose: Endorsed | None
) -> HTMLResponse:
    return site.pages.render(
        "cycle.html",
        viewer=viewer,
        here=here,
        view=view,
        whose=whose,
        contacts=site.settings.coordinators_by_association,
    )


@router.get("/entries/{entry_id}")
def show_entry(site: SiteDep, now: NowDep, person: PersonDep, entry_id: RowId) -> HTMLResponse:
    """One entry, whether it counts for each endorsement, and why."""
    with reading(site.engine) as session:
        row = read_entry(session, site.rulebooks, person.id, entry_id, now)
    if row is None:
        raise HTTPException(404)
    contacts = site.settings.coordinators_by_association
    return site.pages.render("entry.html", viewer=person.viewer, row=row, contacts=contacts)
