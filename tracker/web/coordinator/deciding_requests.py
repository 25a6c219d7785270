"""The coordinator's requests for time: the list, oldest first, and the decision about one."""

from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import FormData

from tracker.jobs.request_mail import Decided, tell_decision
from tracker.records.judging.endorsees import endorsement_within
from tracker.records.profile.time_decisions import decline, grant
from tracker.records.profile.time_requests import (
    EXTENSION,
    Request,
    count_requests,
    request_within,
    requests_within,
)
from tracker.records.store.audit import Stamp
from tracker.records.store.engine import reading
from tracker.rules.standing import Standing
from tracker.web.coordinator.coordinator import own_association
from tracker.web.forms.typed import RowId, Typed, text_of
from tracker.web.frame.own_time import say_instant
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import TheCoordinator, Viewer
from tracker.web.profile.request_forms import DecisionForm, decision_form, read_grant, read_refusal
from tracker.web.profile.request_words import say_request
from tracker.web.year.year_reading import read_standings

router = APIRouter()
_PAGE = 50
_LAST_PAGE = 100_000


@router.get("/coordinator/requests")
def show_list(
    site: TheSite,
    who: TheCoordinator,
    association: Annotated[str, Query()] = "",
    state: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
) -> HTMLResponse:
    """One association's requests: those that wait, oldest first; or what was decided."""
    mine = own_association(who, association)
    undecided = state != "decided"
    with reading(site.engine) as connection:
        total = count_requests(connection, mine, undecided=undecided)
        waiting = count_requests(connection, mine, undecided=True)
        listed = requests_within(
            connection, mine, undecided=undecided, skip=(page - 1) * _PAGE, most=_PAGE
        )
    zone = site.books.associations[mine].time_zone
    return site.pages.show(
        "coordinator_requests.html",
        viewer=who,
        here="coordinator",
        association=mine,
        rows=[(one, say_request(one)) for one in listed],
        say_instant=lambda instant: say_instant(instant, zone),
        waiting=waiting,
        undecided=undecided,
        page=page,
        pages=max(1, -(-total // _PAGE)),
        link=lambda **more: f"/coordinator/requests?{urlencode({'association': mine, **more})}",
    )


@router.get("/coordinator/requests/{request_id}")
def show(
    site: TheSite, at: Instant, who: TheCoordinator, request_id: RowId, said: TheSaid
) -> HTMLResponse:
    """One request, with the form to decide it; or who has decided it, and how."""
    with reading(site.engine) as connection:
        request = _own(request_within(connection, request_id, who.coordinates))
        due_on = _due_on(connection, site, request, at)
    late = said.word == "late"
    return said.once(_show(site, who, request, decision_form(request), due_on, late=late))


@router.post("/coordinator/requests/{request_id}")
def decide(
    site: TheSite, at: Instant, who: TheCoordinator, request_id: RowId, typed: Typed
) -> Response:
    """Grant or decline, and tell the person; whoever comes second is told who was first."""

    def job(connection: Connection) -> Response | None:
        return _decide(connection, site, at, who, request_id, typed)

    answer = site.writer.run(job)
    if answer is None:
        raise HTTPException(404)
    return answer


def _decide(
    connection: Connection, site: Site, at: Instant, who: Viewer, request_id: int, typed: FormData
) -> Response | None:
    request = request_within(connection, request_id, who.coordinates)
    if request is None:
        return None
    page = f"/coordinator/requests/{request_id}"
    if not request.is_open:
        return go_and_say(site, page, "late")
    form, by = decision_form(request, typed), Stamp(who.email, at)
    standing = _extended(connection, site, request, at)
    due_on = standing.due_on if standing else None
    if text_of(typed, "decision") == "decline":
        word = read_refusal(form)
        done = bool(word) and decline(connection, request, answer=word or "", by=by)
        decided = Decided(None, word or "", who.name)
    else:
        given = read_grant(form, request, due_on, site.today(request.association, at))
        word = str(form.answer.data or "")
        done = given is not None and grant(
            connection, site.books, request, given, answer=word, by=by
        )
        cycle = standing.plan.cycle if standing else None
        decided = Decided(given, word, who.name, cycle.ends_on if cycle else None)
    if form.errors:
        return _show(site, who, request, form, due_on)
    if not done:
        return go_and_say(site, page, "late")
    tell_decision(site, connection, request, decided, at)
    return RedirectResponse(page, 303)


def _extended(connection: Connection, site: Site, request: Request, at: Instant) -> Standing | None:
    """Where the cycle stands that an extension is asked for; its due date is the one in force."""
    if request.kind != EXTENSION:
        return None
    one = endorsement_within(connection, request.endorsement_id, [request.association])
    for standing in read_standings(connection, site.books, [one] if one else [], at):
        cycle = standing.plan.cycle
        if cycle is not None and cycle.starts_on == request.starts_on:
            return standing
    return None


def _due_on(connection: Connection, site: Site, request: Request, at: Instant) -> date | None:
    standing = _extended(connection, site, request, at)
    return standing.due_on if standing else None


def _show(
    site: Site,
    who: Viewer,
    request: Request,
    form: DecisionForm,
    due_on: date | None,
    *,
    late: bool = False,
) -> HTMLResponse:
    problems = form.problems()
    zone = site.books.associations[request.association].time_zone
    by = [c.name for c in site.settings.coordinators if c.email == request.decided_by]
    return site.pages.show(
        "coordinator_request.html",
        status=422 if problems else 200,
        viewer=who,
        here="coordinator",
        request=request,
        said=say_request(request),
        say_instant=lambda instant: say_instant(instant, zone),
        due_on=due_on,
        form=form,
        problems=problems,
        decided_by=next(iter(by), request.decided_by),
        late=late,
    )


def _own(request: Request | None) -> Request:
    if request is None:
        raise HTTPException(404)
    return request
