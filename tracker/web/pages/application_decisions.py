"""Decides about an application: the page asks for the day, only its button does it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import StringField

from tracker.db.audit import Stamp
from tracker.db.engine import reading, writing
from tracker.formatting import capitalize_first, format_date
from tracker.services.applications import (
    Applicant,
    ImpossibleChange,
    applicant_within,
    decide,
    endorse_and_evaluate,
)
from tracker.web.dependencies import CoordinatorDep, NowDep, Site, SiteDep, Viewer
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import OwnForm, RowId, Typed, add_problem, clean
from tracker.web.forms.fields import DateWrong, date_fields_of, read_date
from tracker.web.pages.applications import ApplicationView, view_application

router = APIRouter()
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class DayForm(OwnForm):
    """The day of a decision, as it is typed."""

    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])


@dataclass(frozen=True, slots=True)
class Decision:
    """What may become of an application, and the words of its page."""

    path: str
    state: str
    button: str


ENDORSE = Decision("endorse", "endorsed", "Endorse from this day")
DECLINE = Decision("decline", "declined", "Decline on this day")


@router.get("/coordinator/applicants/{application_id}/endorse")
def ask_to_endorse(
    site: SiteDep, at: NowDep, who: CoordinatorDep, application_id: RowId
) -> Response:
    """Asks from which day on to endorse."""
    return _ask(site, at, who, application_id, ENDORSE)


@router.post("/coordinator/applicants/{application_id}/endorse")
def endorse(
    site: SiteDep, at: NowDep, who: CoordinatorDep, application_id: RowId, typed: Typed
) -> Response:
    """Endorse, and open the first renewal cycle in the same transaction; go and see it."""

    def carry_out(session: Session, day: date, by: Stamp) -> Response:
        number = endorse_and_evaluate(session, site.rulebooks, application_id, day, by=by)
        return redirect_with_flash(site, f"/coordinator/people/{number}", "endorsed")

    return _decide(site, at, who, application_id, typed, ENDORSE, carry_out)


@router.get("/coordinator/applicants/{application_id}/decline")
def ask_to_decline(
    site: SiteDep, at: NowDep, who: CoordinatorDep, application_id: RowId
) -> Response:
    """Asks on which day the application was declined."""
    return _ask(site, at, who, application_id, DECLINE)


@router.post("/coordinator/applicants/{application_id}/decline")
def decline(
    site: SiteDep, at: NowDep, who: CoordinatorDep, application_id: RowId, typed: Typed
) -> Response:
    """Decline, and go back to the application, which says so."""

    def carry_out(session: Session, day: date, by: Stamp) -> Response:
        decide(session, application_id, DECLINE.state, day, by=by)
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)

    return _decide(site, at, who, application_id, typed, DECLINE, carry_out)


def _decide(
    site: Site,
    at: NowDep,
    who: Viewer,
    application_id: int,
    typed: FormData,
    decision: Decision,
    carry_out: Callable[[Session, date, Stamp], Response],
) -> Response:
    """Have ``carry_out`` store the decision and lead on; or show what is wrong."""
    form = DayForm(typed)
    with writing(site.engine) as session:
        one = _own(applicant_within(session, application_id, who.coordinates))
        day = _read_day(site, at, one, form)
        if day is not None:
            try:
                return carry_out(session, day, Stamp(who.email, at))
            except ImpossibleChange as refused:
                add_problem(form.day, _say(refused))
        view = view_application(session, site.rulebooks, one.application, at)
    return _show(site, who, one, view, decision, form)


def _say(refused: ImpossibleChange) -> str:
    """Why not, with days as people write them."""
    return capitalize_first(
        _DAY.sub(lambda day: format_date(date.fromisoformat(day[0])), str(refused))
    )


def _ask(site: Site, at: NowDep, who: Viewer, application_id: int, decision: Decision) -> Response:
    with reading(site.engine) as session:
        one = _own(applicant_within(session, application_id, who.coordinates))
        view = view_application(session, site.rulebooks, one.application, at)
    if one.application.decided:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    today = site.today(one.application.association, at)
    return _show(site, who, one, view, decision, DayForm(data=date_fields_of(today)))


def _own(one: Applicant | None) -> Applicant:
    if one is None:
        raise HTTPException(404)
    return one


def _read_day(site: Site, at: NowDep, one: Applicant, form: DayForm) -> date | None:
    today = site.today(one.application.association, at)
    try:
        return read_date(
            form.day.data or "",
            form.month.data or "",
            form.year.data or "",
            today,
            named="decision",
        )
    except DateWrong as wrong:
        add_problem(form[wrong.part], str(wrong))
        return None


def _show(
    site: Site,
    who: Viewer,
    one: Applicant,
    view: ApplicationView,
    decision: Decision,
    form: DayForm,
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.render(
        "decide.html",
        status=422 if problems else 200,
        viewer=who,
        here="coordinator",
        one=one,
        view=view,
        decision=decision,
        form=form,
        problems=problems,
    )
