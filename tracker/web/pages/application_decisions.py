"""A coordinator decides about an application: the page asks for the day, its button decides."""

from datetime import date
from typing import Literal

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from wtforms import StringField

from tracker.db.people import Person
from tracker.refusal_text import format_refusal
from tracker.services.applications import decline_application, endorse_applicant, find_applicant
from tracker.services.context import Refused, ServiceContext
from tracker.web.forms.body import OwnForm, RowId, Typed, add_problem, clean
from tracker.web.forms.fields import DateError, format_date_fields, parse_past_date
from tracker.web.page_request import CoordinatorPage, PageRequest
from tracker.web.pages.applications import ApplicationView, view_application

router = APIRouter()


# As the page's address names it.
ApplicationDecision = Literal["endorse", "decline"]


class DecisionDayForm(OwnForm):
    """The day of a decision, as typed."""

    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])

    def parse_day(self, today: date) -> date | None:
        """The day, ``today`` at the latest; None, with the problem added, if it is not a day."""
        day, month, year = (self[name].data or "" for name in ("day", "month", "year"))
        try:
            return parse_past_date(day, month, year, today, named="decision")
        except DateError as error:
            add_problem(self[error.part], str(error))
            return None


@router.get("/coordinator/applicants/{application_id}/{decision}")
def show_form(
    page: CoordinatorPage, application_id: RowId, decision: ApplicationDecision
) -> Response:
    """Ask for the day of the decision."""
    person, view = _read_applicant(page, application_id)
    if view.application.is_decided:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    today = page.site.today(view.application.association, page.now)
    return _render(page, decision, person, view, DecisionDayForm(data=format_date_fields(today)))


@router.post("/coordinator/applicants/{application_id}/{decision}")
def decide(
    page: CoordinatorPage, application_id: RowId, decision: ApplicationDecision, typed: Typed
) -> Response:
    """Endorse, and open the first renewal cycle; or decline; or show what is wrong."""
    person, view = _read_applicant(page, application_id)
    form = DecisionDayForm(typed)
    day = form.parse_day(page.site.today(view.application.association, page.now))
    if day is None:
        return _render(page, decision, person, view, form)

    def save(context: ServiceContext) -> int | None:
        """The id of the endorsement, if there is one."""
        if decision == "endorse":
            return endorse_applicant(context, application_id, day)
        decline_application(context, application_id, day)
        return None

    try:
        endorsement_id = page.write(save)
    except Refused as refused:
        for refusal in refused.refusals:
            add_problem(form.day, format_refusal(refusal.code, refusal.facts))
        return _render(page, decision, person, view, form)
    if endorsement_id is None:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    return page.redirect(f"/coordinator/people/{endorsement_id}", "endorsed")


def _read_applicant(page: PageRequest, application_id: int) -> tuple[Person, ApplicationView]:
    with page.reading() as session:
        applicant = find_applicant(session, application_id, page.viewer.coordinates)
        if applicant is None:
            raise HTTPException(404)
        person, application = applicant
        return person, view_application(session, page.site.rulebooks, application, page.now)


def _render(
    page: PageRequest,
    decision: ApplicationDecision,
    person: Person,
    view: ApplicationView,
    form: DecisionDayForm,
) -> HTMLResponse:
    return page.render(
        "decide.html",
        problems=form.problems(),
        here="coordinator",
        decision=decision,
        person=person,
        view=view,
        form=form,
    )
