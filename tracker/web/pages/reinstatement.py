"""Someone whose endorsement was removed sees the way back, and asks for it."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.db.people import Endorsement
from tracker.notifications.removal_mail import describe_terms
from tracker.services.context import Refused
from tracker.services.reinstatements import WayBack, find_way_back, start_reinstatement
from tracker.web.forms.body import RowId
from tracker.web.page_request import PageRequest, PersonPage, format_problems, require
from tracker.web.rendering import category_name

router = APIRouter()


@router.get("/reinstatement/{endorsement_id}")
def show_way_back(page: PersonPage, endorsement_id: RowId) -> Response:
    """What a reinstatement requires, and until when it can be asked for."""
    way = _read(page, endorsement_id)
    if way.application_id is not None:
        return RedirectResponse(f"/application/{way.application_id}", 303)
    return _render(page, way, None)


@router.post("/reinstatement/{endorsement_id}")
def ask_to_come_back(page: PersonPage, endorsement_id: RowId) -> Response:
    """Start a reinstatement, and go to its checklist; or say why that is not possible."""
    way = _read(page, endorsement_id)
    try:
        own = page.write(lambda context: start_reinstatement(context, endorsement_id))
    except Refused as refused:
        return _render(page, way, refused)
    return page.redirect(f"/application/{own}", "reinstatement-started")


def _read(page: PageRequest, endorsement_id: int) -> WayBack:
    """The viewer's own removed endorsement; 404 if it is not one, or another has replaced it."""
    with page.reading() as session:
        endorsement = require(session.get(Endorsement, endorsement_id))
        require(endorsement.person_id == page.person_id)
        return require(find_way_back(session, page.rulebooks, page.day_of, endorsement))


def _render(page: PageRequest, way: WayBack, refused: Refused | None) -> HTMLResponse:
    association = way.endorsement.association
    rulebook = page.rulebooks.associations[association]
    problems = [("main", words) for _, words in format_problems(refused)] if refused else []
    return page.render(
        "reinstatement.html",
        way=way,
        rulebook=rulebook,
        name=category_name(rulebook, way.endorsement.category),
        terms=describe_terms(way.plan) if way.plan else (),
        is_open=way.is_open(page.day_of(association)),
        problems=problems,
    )
