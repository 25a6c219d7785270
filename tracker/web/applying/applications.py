"""An applicant's own pages: the checklist, or what became of the application."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from tracker.records.applying.applications import Applied, application_by_id, applications_of
from tracker.records.judging.evaluation import days_at
from tracker.records.store.engine import reading
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import say_day
from tracker.web.applying.checklist import Checklist, read_checklist
from tracker.web.forms.typed import RowId
from tracker.web.frame.site import Instant, TheSite
from tracker.web.frame.viewer import ThePerson

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
def show(site: TheSite, at: Instant, who: ThePerson, application_id: RowId) -> HTMLResponse:
    """One's own application: what is done, what is missing, why, and where to act."""
    with reading(site.engine) as connection:
        application = application_by_id(connection, application_id)
        if application is None or application.person_id != who.id:
            raise HTTPException(404)
        view = view_application(connection, site.books, application, at)
    return site.pages.show("application.html", viewer=who.viewer, here="application", view=view)


def read_applications(
    connection: Connection, books: Rulebooks, person_id: int, at: datetime
) -> Sequence[ApplicationView]:
    """All of a person's applications in words: the undecided first, then the newest."""
    found = applications_of(connection, person_id)
    return [view_application(connection, books, application, at) for application in found]


def say_applications(
    connection: Connection, person_id: int, association: str
) -> list[ApplicationLine]:
    """A person's applications at one association, a line each: the undecided, then the newest."""
    found = applications_of(connection, person_id)
    return [
        ApplicationLine(a.id, a.category, _became(a)) for a in found if a.association == association
    ]


def view_application(
    connection: Connection,
    books: Rulebooks,
    application: Applied,
    at: datetime,
    *,
    judged: bool = False,
) -> ApplicationView:
    """One application in words; ``judged``, for the association alone, as of `read_checklist`."""
    book = books.associations.get(application.association)
    known = book.categories.get(application.category) if book else None
    name = known.name if known else application.category
    checklist = None
    if book and not application.decided:
        checklist = read_checklist(connection, books, application, at, judged=judged)
    if checklist is not None:
        headline, status = checklist.headline, checklist.status
        lead = f"{checklist.lead} {checklist.step}".strip()
    else:
        headline, lead, status = *_without(books, application, at), application.state
    return ApplicationView(application, name, headline, lead, status, checklist)


def _became(application: Applied) -> str:
    if application.decided_on is None:
        return f"opened on {say_day(application.opened_on)}, not decided yet."
    return f"{_BECAME[application.state]} {say_day(application.decided_on)}."


def _without(books: Rulebooks, application: Applied, at: datetime) -> tuple[str, str]:
    """What to say of an application that is not judged."""
    if application.decided_on is not None:
        return _became(application), _say_next(books, application, at)
    if application.association not in books.associations:
        return "There is no rulebook for this association.", "So nothing can be said of it here."
    return f"Opens on {say_day(application.opened_on)}.", "The checklist is here from that day on."


def _say_next(books: Rulebooks, application: Applied, at: datetime) -> str:
    if application.state != "endorsed" or application.decided_on is None:
        return "What you have logged is kept. Your association can tell you more."
    if application.association not in books.associations:
        return "Congratulations."
    today = days_at(books, at)(application.association)
    day = max(application.decided_on, today)
    plan = books.plan(application.association, application.category, application.decided_on, day)
    if plan is None or plan.cycle is None:
        return "Congratulations. The rulebook holds no renewal rules for this category."
    if application.decided_on > today:
        return "Congratulations. Your first renewal cycle opens on that day."
    return "Congratulations. Your first renewal cycle has opened, and counts what you log."
