"""The coordinator's pages about one endorsee: the year, and reopening a settled cycle."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tracker.services.applications import find_undoable_decision, list_applications
from tracker.services.context import Refused, ServiceContext
from tracker.services.endorsements import endorsement_within
from tracker.services.memberships import list_memberships
from tracker.services.reopening import reopen_cycle, settle_again
from tracker.web.forms.body import CycleStart, RowId, Typed, clean, text_of
from tracker.web.page_request import CoordinatorPage, format_problems, require
from tracker.web.pages.applications import format_outcome
from tracker.web.pages.my_year import read_year, show_cycle

router = APIRouter()


@router.get("/coordinator/people/{endorsement_id}")
def show_person(page: CoordinatorPage, endorsement_id: RowId) -> HTMLResponse:
    """One endorsee's year, as far as the viewer's association may see it; nothing can be edited."""
    coordinated = page.viewer.coordinates
    with page.reading() as session:
        endorsement = require(endorsement_within(session, endorsement_id, coordinated))
        person_id, association = endorsement.person_id, endorsement.association
        year = read_year(session, page, whose=endorsement)
        accepted = page.rulebooks.accepted_by(association)
        memberships = list_memberships(session, person_id)
        applications = list_applications(session, person_id)
        own = [a.id for a in applications if a.association == association]
        undo = find_undoable_decision(session, own, page.now)
    return page.render(
        "my_year.html",
        here="coordinator",
        branding=page.site.brandings.of(association),
        year=year,
        applications=(),
        asked=[(a, format_outcome(a)) for a in applications if a.association == association],
        whose=endorsement,
        undo=undo if undo and undo.reason == "endorsed" else None,
        terms=[term for term in memberships if term.organization in accepted],
        contacts=page.site.settings.coordinators_by_association,
    )


@router.post("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def change_settlement(
    page: CoordinatorPage, endorsement_id: RowId, cycle_starts_on: CycleStart, typed: Typed
) -> Response:
    """Reopen a settled cycle, with a reason, or settle it again."""
    path = f"/coordinator/people/{endorsement_id}/{cycle_starts_on}"
    reopens = text_of(typed, "action") == "reopen"

    def work(context: ServiceContext) -> None:
        if reopens:
            reason = clean(text_of(typed, "reason"))
            reopen_cycle(context, endorsement_id, cycle_starts_on, reason)
        else:
            settle_again(context, endorsement_id, cycle_starts_on)

    try:
        page.write(work)
    except Refused as refused:
        return show_cycle(page, endorsement_id, cycle_starts_on, format_problems(refused))
    return page.redirect(path, "reopened" if reopens else "settled")
