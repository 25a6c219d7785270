"""A coordinator decides about an application: the page asks for the day, its button decides."""

from datetime import date, datetime
from enum import StrEnum

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from wtforms import StringField

from tracker.db.applications import Application
from tracker.db.engine import reading
from tracker.db.people import Person
from tracker.refusal_text import format_refusal
from tracker.services.applications import decline_application, endorse_applicant, find_applicant
from tracker.services.context import Refused, ServiceContext
from tracker.web.dependencies import CoordinatorDep, NowDep, Site, SiteDep, Viewer
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import OwnForm, RowId, Typed, add_problem, clean
from tracker.web.forms.fields import DateWrong, date_fields_of, read_date
from tracker.web.pages.applications import ApplicationView, view_application

router = APIRouter()


class Decision(StrEnum):
    """What a coordinator decides, as the page's address names it."""

    ENDORSE = "endorse"
    DECLINE = "decline"


class DecisionForm(OwnForm):
    """The day of a decision, as typed."""

    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])

    def parse_day(self, today: date) -> date | None:
        """The day, ``today`` at the latest; None, with the problem added, if it is not a day."""
        day, month, year = (self[name].data or "" for name in ("day", "month", "year"))
        try:
            return read_date(day, month, year, today, named="decision")
        except DateWrong as error:
            add_problem(self[error.part], str(error))
            return None


@router.get("/coordinator/applicants/{application_id}/{decision}")
def show_form(
    site: SiteDep, now: NowDep, viewer: CoordinatorDep, application_id: RowId, decision: Decision
) -> Response:
    """Ask for the day of the decision."""
    person, application, view = _read_applicant(site, viewer, application_id, now)
    if application.is_decided:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    form = DecisionForm(data=date_fields_of(site.today(application.association, now)))
    return _render(site, viewer, decision, person, view, form)


@router.post("/coordinator/applicants/{application_id}/{decision}")
def decide(
    site: SiteDep,
    now: NowDep,
    viewer: CoordinatorDep,
    application_id: RowId,
    decision: Decision,
    typed: Typed,
) -> Response:
    """Endorse, and open the first renewal cycle; or decline; or show what is wrong."""
    person, application, view = _read_applicant(site, viewer, application_id, now)
    form = DecisionForm(typed)
    day = form.parse_day(site.today(application.association, now))
    if day is None:
        return _render(site, viewer, decision, person, view, form)

    def save(context: ServiceContext) -> int | None:
        """The id of the endorsement, if there is one."""
        if decision is Decision.ENDORSE:
            return endorse_applicant(context, application_id, day)
        decline_application(context, application_id, day)
        return None

    try:
        endorsement_id = site.write(viewer, now, save)
    except Refused as refused:
        for refusal in refused.refusals:
            add_problem(form.day, format_refusal(refusal.code, refusal.facts))
        return _render(site, viewer, decision, person, view, form)
    if endorsement_id is None:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    return redirect_with_flash(site, f"/coordinator/people/{endorsement_id}", "endorsed")


def _read_applicant(
    site: Site, viewer: Viewer, application_id: int, now: datetime
) -> tuple[Person, Application, ApplicationView]:
    with reading(site.engine) as session:
        applicant = find_applicant(session, application_id, viewer.coordinates)
        if applicant is None:
            raise HTTPException(404)
        person, application = applicant
        view = view_application(session, site.rulebooks, application, now)
    return person, application, view


def _render(
    site: Site,
    viewer: Viewer,
    decision: Decision,
    person: Person,
    view: ApplicationView,
    form: DecisionForm,
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.render(
        "decide.html",
        status=422 if problems else 200,
        viewer=viewer,
        here="coordinator",
        decision=decision.value,
        person=person,
        view=view,
        form=form,
        problems=problems,
    )
