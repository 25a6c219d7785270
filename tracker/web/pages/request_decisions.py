"""The coordinator's requests for time: the list, oldest first, and the decision about one."""

from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.audit import Stamp
from tracker.db.engine import reading
from tracker.notifications.request_mail import Decided, notify_decision
from tracker.rules.standing import Standing
from tracker.services.endorsements import endorsement_within
from tracker.services.time_requests import (
    EXTENSION,
    Request,
    count_requests,
    decline,
    grant,
    request_within,
    requests_within,
)
from tracker.web.dependencies import CoordinatorDep, NowDep, Site, SiteDep, Viewer
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, text_of
from tracker.web.pages.coordinator import own_association
from tracker.web.pages.time_requests import (
    DecisionForm,
    decision_form,
    format_request,
    read_grant,
    read_refusal,
)
from tracker.web.pages.year_data import read_standings
from tracker.web.time_zones import format_instant

router = APIRouter()
_PAGE = 50
_LAST_PAGE = 100_000


@router.get("/coordinator/requests")
def show_list(
    site: SiteDep,
    who: CoordinatorDep,
    association: Annotated[str, Query()] = "",
    state: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
) -> HTMLResponse:
    """One association's requests: those that wait, oldest first; or what was decided."""
    mine = own_association(who, association)
    undecided = state != "decided"
    with reading(site.engine) as session:
        total = count_requests(session, mine, undecided=undecided)
        waiting = count_requests(session, mine, undecided=True)
        listed = requests_within(
            session, mine, undecided=undecided, skip=(page - 1) * _PAGE, most=_PAGE
        )
    zone = site.rulebooks.associations[mine].time_zone
    return site.pages.render(
        "coordinator_requests.html",
        viewer=who,
        here="coordinator",
        association=mine,
        rows=[(one, format_request(one)) for one in listed],
        format_instant=lambda instant: format_instant(instant, zone),
        waiting=waiting,
        undecided=undecided,
        page=page,
        pages=max(1, -(-total // _PAGE)),
        link=lambda **more: f"/coordinator/requests?{urlencode({'association': mine, **more})}",
    )


@router.get("/coordinator/requests/{request_id}")
def show(
    site: SiteDep, at: NowDep, who: CoordinatorDep, request_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """One request, with the form to decide it; or who has decided it, and how."""
    with reading(site.engine) as session:
        request = _own(request_within(session, request_id, who.coordinates))
        due_on = _due_on(session, site, request, at)
    late = flash.code == "late"
    return flash.clear(_show(site, who, request, decision_form(request), due_on, late=late))


@router.post("/coordinator/requests/{request_id}")
def decide(
    site: SiteDep, at: NowDep, who: CoordinatorDep, request_id: RowId, typed: Typed
) -> Response:
    """Grant or decline, and tell the person; whoever comes second is told who was first."""

    def job(session: Session) -> Response | None:
        return _decide(session, site, at, who, request_id, typed)

    answer = site.writer.run(job)
    if answer is None:
        raise HTTPException(404)
    return answer


def _decide(
    session: Session, site: Site, at: NowDep, who: Viewer, request_id: int, typed: FormData
) -> Response | None:
    request = request_within(session, request_id, who.coordinates)
    if request is None:
        return None
    page = f"/coordinator/requests/{request_id}"
    if not request.is_open:
        return redirect_with_flash(site, page, "late")
    form, by = decision_form(request, typed), Stamp(who.email, at)
    standing = _extended(session, site, request, at)
    due_on = standing.due_on if standing else None
    if text_of(typed, "decision") == "decline":
        word = read_refusal(form)
        done = bool(word) and decline(session, request, answer=word or "", by=by)
        decided = Decided(None, word or "", who.name)
    else:
        given = read_grant(form, request, due_on, site.today(request.association, at))
        word = str(form.answer.data or "")
        done = given is not None and grant(
            session, site.rulebooks, request, given, answer=word, by=by
        )
        cycle = standing.plan.cycle if standing else None
        decided = Decided(given, word, who.name, cycle.ends_on if cycle else None)
    if form.errors:
        return _show(site, who, request, form, due_on)
    if not done:
        return redirect_with_flash(site, page, "late")
    notify_decision(site, session, request, decided, at)
    return RedirectResponse(page, 303)


def _extended(session: Session, site: Site, request: Request, at: NowDep) -> Standing | None:
    """Where the cycle stands that an extension is asked for; its due date is the one in force."""
    if request.kind != EXTENSION:
        return None
    one = endorsement_within(session, request.endorsement_id, [request.association])
    for standing in read_standings(session, site.rulebooks, [one] if one else [], at):
        cycle = standing.plan.cycle
        if cycle is not None and cycle.starts_on == request.starts_on:
            return standing
    return None


def _due_on(session: Session, site: Site, request: Request, at: NowDep) -> date | None:
    standing = _extended(session, site, request, at)
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
    zone = site.rulebooks.associations[request.association].time_zone
    by = [c.name for c in site.settings.coordinators if c.email == request.decided_by]
    return site.pages.render(
        "coordinator_request.html",
        status=422 if problems else 200,
        viewer=who,
        here="coordinator",
        request=request,
        said=format_request(request),
        format_instant=lambda instant: format_instant(instant, zone),
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
