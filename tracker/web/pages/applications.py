"""An applicant's own pages: the checklist, or what became of the application."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.services.applications import Applied, application_by_id, applications_of
from tracker.services.evaluation import days_at
from tracker.web.dependencies import NowDep, PersonDep, SiteDep
from tracker.web.forms.body import RowId
from tracker.web.pages.checklist import Checklist, read_checklist

router = APIRouter()
_BECAME = {"endorsed": "Endorsed from", "declined": "Declined on", "withdrawn": "Withdrawn on"}


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """An application as its page, or a card on another one, shows it.

    ``checklist`` is None for one that is decided, or that nothing can be said of yet.
    """

    application: Applied
    category_name: str
    headline: str
    lead: str
    status: str
    checklist: Checklist | None


@dataclass(frozen=True, slots=True)
class ApplicationLine:
    """An application where only its outcome is told; ``says`` is a sentence."""

    id: int
    category: str
    says: str


@router.get("/application/{application_id}")
def show(site: SiteDep, at: NowDep, who: PersonDep, application_id: RowId) -> HTMLResponse:
    """One's own application: what is done, what is missing, why, and where to act."""
    with reading(site.engine) as session:
        application = application_by_id(session, application_id)
        if application is None or application.person_id != who.id:
            raise HTTPException(404)
        view = view_application(session, site.rulebooks, application, at)
    return site.pages.render("application.html", viewer=who.viewer, here="application", view=view)


def read_applications(
    session: Session, rulebooks: Rulebooks, person_id: int, at: datetime
) -> Sequence[ApplicationView]:
    """All of a person's applications in words: the undecided first, then the newest."""
    found = applications_of(session, person_id)
    return [view_application(session, rulebooks, application, at) for application in found]


def format_applications(
    session: Session, person_id: int, association: str
) -> list[ApplicationLine]:
    """A person's applications at one association, a line each: the undecided, then the newest."""
    found = applications_of(session, person_id)
    return [
        ApplicationLine(a.id, a.category, _became(a)) for a in found if a.association == association
    ]


def view_application(
    session: Session,
    rulebooks: Rulebooks,
    application: Applied,
    at: datetime,
    *,
    judged: bool = False,
) -> ApplicationView:
    """One application in words; ``judged``, for the association alone, as of `read_checklist`."""
    rulebook = rulebooks.associations.get(application.association)
    known = rulebook.categories.get(application.category) if rulebook else None
    name = known.name if known else application.category
    checklist = None
    if rulebook and not application.decided:
        checklist = read_checklist(session, rulebooks, application, at, judged=judged)
    if checklist is not None:
        headline, status = checklist.headline, checklist.status
        lead = f"{checklist.lead} {checklist.step}".strip()
    else:
        headline, lead, status = *_without(rulebooks, application, at), application.state
    return ApplicationView(application, name, headline, lead, status, checklist)


def _became(application: Applied) -> str:
    if application.decided_on is None:
        return f"opened on {format_date(application.opened_on)}, not decided yet."
    return f"{_BECAME[application.state]} {format_date(application.decided_on)}."


def _without(rulebooks: Rulebooks, application: Applied, at: datetime) -> tuple[str, str]:
    """What to say of an application that is not judged."""
    if application.decided_on is not None:
        return _became(application), _format_next(rulebooks, application, at)
    if application.association not in rulebooks.associations:
        return "There is no rulebook for this association.", "So nothing can be said of it here."
    return (
        f"Opens on {format_date(application.opened_on)}.",
        "The checklist is here from that day on.",
    )


def _format_next(rulebooks: Rulebooks, application: Applied, at: datetime) -> str:
    if application.state != "endorsed" or application.decided_on is None:
        return "What you have logged is kept. Your association can tell you more."
    if application.association not in rulebooks.associations:
        return "Congratulations."
    today = days_at(rulebooks, at)(application.association)
    day = max(application.decided_on, today)
    plan = rulebooks.plan(
        application.association, application.category, application.decided_on, day
    )
    if plan is None or plan.cycle is None:
        return "Congratulations. The rulebook holds no renewal rules for this category."
    if application.decided_on > today:
        return "Congratulations. Your first renewal cycle opens on that day."
    return "Congratulations. Your first renewal cycle has opened, and counts what you log."
