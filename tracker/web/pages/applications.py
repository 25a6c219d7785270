"""An applicant's own page: the checklist, or the decision about the application."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from tracker.db.applications import Application
from tracker.formatting import format_date
from tracker.services.applications import get_application, list_applications
from tracker.web.forms.body import RowId
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.pages.checklist import read_checklist
from tracker.web.rendering import category_name

router = APIRouter()
_DECIDED = {"endorsed": "Endorsed from", "declined": "Declined on", "withdrawn": "Withdrawn on"}


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """An application as its page, or a card on another page, shows it.

    ``checklist`` is None if it is decided, not opened yet, or at an association without a
    rulebook.
    """

    application: Application
    category_name: str
    headline: str
    lead: str
    status: str
    checklist: dict[str, Any] | None


@router.get("/application/{application_id}")
def show_application(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """Your application: what is done, what is missing and why, and what you can do."""
    with page.reading() as session:
        application = require(get_application(session, application_id))
        require(application.person_id == page.person_id)
        view = view_application(session, page, application)
    return page.render("application.html", view=view)


def read_applications(session: Session, page: PageRequest) -> list[ApplicationView]:
    """All of the viewer's applications, the undecided first, then the newest."""
    applications = list_applications(session, page.person_id)
    return [view_application(session, page, each) for each in applications]


def view_application(
    session: Session, page: PageRequest, application: Application, *, for_association: bool = False
) -> ApplicationView:
    """One application; ``for_association`` is as in `read_checklist`."""
    rulebook = page.rulebooks.associations.get(application.association)
    name = category_name(rulebook, application.category)
    checklist = None
    if rulebook and not application.is_decided:
        checklist = read_checklist(session, page, application, for_association=for_association)
    if checklist is not None:
        lead = f"{checklist['lead']} {checklist['step']}".strip()
        return ApplicationView(
            application, name, checklist["headline"], lead, checklist["status"], checklist
        )
    if application.is_decided:
        headline, lead = format_outcome(application), _format_next(page, application)
    elif rulebook is None:
        headline = "We have no rulebook for this association."
        lead = "So we can't show what your application needs."
    else:
        headline = f"Opens on {format_date(application.opened_on)}."
        lead = "You will see your checklist here from that day on."
    return ApplicationView(application, name, headline, lead, application.state, None)


def format_outcome(application: Application) -> str:
    """Whether and when the application was decided, as a sentence."""
    if application.decided_on is None:
        return f"opened on {format_date(application.opened_on)}, not decided yet."
    return f"{_DECIDED[application.state]} {format_date(application.decided_on)}."


def _format_next(page: PageRequest, application: Application) -> str:
    """What a decision means for the applicant."""
    if application.state != "endorsed" or application.decided_on is None:
        return "Your logged hours are kept. Your association can tell you more."
    if application.association not in page.rulebooks.associations:
        return "Congratulations."
    today = page.day_of(application.association)
    plan = page.rulebooks.plan(
        application.association,
        application.category,
        application.decided_on,
        max(application.decided_on, today),
    )
    if plan is None or plan.cycle is None:
        return "Congratulations. We have no renewal requirements on file for this category."
    if application.decided_on > today:
        return "Congratulations. Your first renewal cycle starts on that day."
    return "Congratulations. Your first renewal cycle has started, and your hours count toward it."
