"""My year: where one stands, what lies ahead, and what is logged."""

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.services.endorsements import Endorsed, endorsement_within, endorsements_of
from tracker.services.group_confirmations import asked_of
from tracker.web.dependencies import (
    CoordinatorDep,
    Looked,
    NowDep,
    PersonDep,
    Site,
    SiteDep,
    Viewer,
    look_within,
    site_of,
)
from tracker.web.flash import flash_of
from tracker.web.forms.body import RowId
from tracker.web.pages.applications import read_applications
from tracker.web.pages.year_view import read_earlier, read_entry, read_year
from tracker.web.text import bounced_of

router = APIRouter()


class _Found(NamedTuple):
    """Who looks, and what the page shows them; None for coordinators without a year."""

    looked: Looked
    facts: dict[str, Any] | None


async def show_year(request: Request) -> Response:
    """The signed-in person's year; coordinators without any go to their own page."""
    site = site_of(request)
    read = partial(_read, request, site, site.now())
    return await site.reader.show(read, partial(_answer, request, site))


# Without dependencies: who looks is read with what they see, in one transaction.
router.add_route("/my-year", show_year, methods=["GET"])


def _read(request: Request, site: Site, at: datetime, session: Session) -> _Found:
    looked = look_within(session, request, site, at)
    if looked.viewer.coordinates and not looked.viewer.logs_hours:
        return _Found(looked, None)
    return _Found(looked, _facts(session, site, at, looked.viewer))


def _answer(request: Request, site: Site, found: _Found) -> Response:
    if found.facts is None:
        answer: Response = RedirectResponse("/coordinator", 303)
    else:
        answer = _page(request, site, found.looked, found.facts)
    answer.background = found.looked.later
    return answer


def _page(request: Request, site: Site, looked: Looked, facts: dict[str, Any]) -> Response:
    flash = flash_of(request, site)
    page = site.pages.render(
        "my_year.html",
        viewer=looked.viewer,
        here="my-year",
        asked=(),
        whose=None,
        contacts=site.settings.coordinators_by_association,
        notice="The entry is deleted." if flash.code == "deleted" else "",
        **facts,
    )
    return flash.clear(page)


def _facts(session: Session, site: Site, at: datetime, who: Viewer) -> dict[str, Any]:
    """What the page shows of a person; of somebody who is none, nothing."""
    person_id, rulebooks = who.person_id, site.rulebooks
    if person_id is None:
        return {"year": None, "applications": (), "to_answer": (), "bounced": None}
    endorsements = endorsements_of(session, person_id)
    applications = read_applications(session, rulebooks, person_id, at) if who.has_applied else ()
    applied = [view.application for view in applications]
    return {
        "year": read_year(session, rulebooks, person_id, endorsements, at, applied),
        "applications": applications,
        "to_answer": asked_of(session, person_id),
        "bounced": bounced_of(session, rulebooks, who),
    }


# A first day as `date.isoformat` writes it, and in no other way: one page, one address.
FirstDay = Annotated[str, Path(pattern=r"^\d{4}-\d{2}-\d{2}$")]


@router.get("/my-year/{endorsement_id}/{cycle_starts_on}")
def show_own(
    site: SiteDep, at: NowDep, who: PersonDep, endorsement_id: RowId, cycle_starts_on: FirstDay
) -> HTMLResponse:
    """One cycle of an endorsement of one's own, with what was logged in it."""
    with reading(site.engine) as session:
        held = endorsements_of(session, who.id)
    one = next((each for each in held if each.id == endorsement_id), None)
    return _show(site, at, who.viewer, one, cycle_starts_on, whose=None)


@router.get("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def show_to_coordinator(
    site: SiteDep,
    at: NowDep,
    who: CoordinatorDep,
    endorsement_id: RowId,
    cycle_starts_on: FirstDay,
) -> HTMLResponse:
    """The same of an endorsement at one's association, to read."""
    with reading(site.engine) as session:
        one = endorsement_within(session, endorsement_id, who.coordinates)
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
    with reading(site.engine) as session:
        view = read_earlier(session, site.rulebooks, one, starts_on, at, own=whose is None)
    if view is None:
        raise HTTPException(404)
    here = "coordinator" if whose else "my-year"
    return site.pages.render(
        "cycle.html",
        viewer=who,
        here=here,
        view=view,
        whose=whose,
        contacts=site.settings.coordinators_by_association,
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@router.get("/entries/{entry_id}")
def show(site: SiteDep, at: NowDep, who: PersonDep, entry_id: RowId) -> HTMLResponse:
    """What was logged, whether it counts for each endorsement, and why."""
    with reading(site.engine) as session:
        row = read_entry(session, site.rulebooks, who.id, entry_id, at)
    if row is None:
        raise HTTPException(404)
    contacts = site.settings.coordinators_by_association
    return site.pages.render("entry.html", viewer=who.viewer, row=row, contacts=contacts)
