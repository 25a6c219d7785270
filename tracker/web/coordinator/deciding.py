"""Decides about an application: the page asks for the day, only its button does it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import FormData
from wtforms import StringField

from tracker.records.applying.applicants import Applicant, applicant_within
from tracker.records.applying.applications import (
    ImpossibleChange,
    decide,
    endorse_and_evaluate,
)
from tracker.records.store.audit import Stamp
from tracker.records.store.engine import reading, writing
from tracker.rules.providers import say_day
from tracker.web.applying.applications import ApplicationView, view_application
from tracker.web.forms.form_parts import OwnForm, add_problem, clean
from tracker.web.forms.typed import RowId, Typed
from tracker.web.forms.typed_date import DateWrong, read_date, say_date
from tracker.web.frame.said_once import go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import TheCoordinator, Viewer
from tracker.web.frame.words import capital

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
    site: TheSite, at: Instant, who: TheCoordinator, application_id: RowId
) -> Response:
    """Asks from which day on to endorse."""
    return _ask(site, at, who, application_id, ENDORSE)


@router.post("/coordinator/applicants/{application_id}/endorse")
def endorse(
    site: TheSite, at: Instant, who: TheCoordinator, application_id: RowId, typed: Typed
) -> Response:
    """Endorse, and open the first renewal cycle in the same transaction; go and see it."""

    def carry_out(connection: Connection, day: date, by: Stamp) -> Response:
        number = endorse_and_evaluate(connection, site.books, application_id, day, by=by)
        return go_and_say(site, f"/coordinator/people/{number}", "endorsed")

    return _decide(site, at, who, application_id, typed, ENDORSE, carry_out)


@router.get("/coordinator/applicants/{application_id}/decline")
def ask_to_decline(
    site: TheSite, at: Instant, who: TheCoordinator, application_id: RowId
) -> Response:
    """Asks on which day the application was declined."""
    return _ask(site, at, who, application_id, DECLINE)


@router.post("/coordinator/applicants/{application_id}/decline")
def decline(
    site: TheSite, at: Instant, who: TheCoordinator, application_id: RowId, typed: Typed
) -> Response:
    """Decline, and go back to the application, which says so."""

    def carry_out(connection: Connection, day: date, by: Stamp) -> Response:
        decide(connection, application_id, DECLINE.state, day, by=by)
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)

    return _decide(site, at, who, application_id, typed, DECLINE, carry_out)


def _decide(
    site: Site,
    at: Instant,
    who: Viewer,
    application_id: int,
    typed: FormData,
    decision: Decision,
    carry_out: Callable[[Connection, date, Stamp], Response],
) -> Response:
    """Have ``carry_out`` store the decision and lead on; or show what is wrong."""
    form = DayForm(typed)
    with writing(site.engine) as connection:
        one = _own(applicant_within(connection, application_id, who.coordinates))
        day = _read_day(site, at, one, form)
        if day is not None:
            try:
                return carry_out(connection, day, Stamp(who.email, at))
            except ImpossibleChange as refused:
                add_problem(form.day, _say(refused))
        view = view_application(connection, site.books, one.application, at)
    return _show(site, who, one, view, decision, form)


def _say(refused: ImpossibleChange) -> str:
    """Why not, with days as people write them."""
    return capital(_DAY.sub(lambda day: say_day(date.fromisoformat(day[0])), str(refused)))


def _ask(site: Site, at: Instant, who: Viewer, application_id: int, decision: Decision) -> Response:
    with reading(site.engine) as connection:
        one = _own(applicant_within(connection, application_id, who.coordinates))
        view = view_application(connection, site.books, one.application, at)
    if one.application.decided:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    today = site.today(one.application.association, at)
    return _show(site, who, one, view, decision, DayForm(data=say_date(today)))


def _own(one: Applicant | None) -> Applicant:
    if one is None:
        raise HTTPException(404)
    return one


def _read_day(site: Site, at: Instant, one: Applicant, form: DayForm) -> date | None:
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
    return site.pages.show(
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
