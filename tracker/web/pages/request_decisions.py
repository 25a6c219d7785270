"""The pages on which coordinators decide requests for leave and later due dates."""

from datetime import date, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from wtforms import TextAreaField

from tracker.db.engine import reading
from tracker.notifications.request_mail import notify_decision
from tracker.services.context import Refused, ServiceContext
from tracker.services.time_requests import (
    LEAVE,
    DecidedRequest,
    RequestedDays,
    SubmittedRequest,
    count_requests,
    decline_request,
    find_extended_standing,
    get_request,
    grant_request,
    list_requests,
)
from tracker.web.dependencies import CoordinatorDep, NowDep, Site, SiteDep, Viewer
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, clean, text_of
from tracker.web.forms.period import format_day_fields
from tracker.web.pages.coordinator import own_association
from tracker.web.pages.time_requests import TimeRequestForm, summarize_request
from tracker.web.time_zones import format_instant

router = APIRouter()
_PAGE_SIZE = 50
_MAX_PAGE = 100_000


class DecisionForm(TimeRequestForm):
    """The days to grant, filled with those that were requested, and an answer."""

    answer = TextAreaField("Message to the endorsee", filters=[clean])

    def parse_days(self, submitted: SubmittedRequest, today: date) -> RequestedDays | None:
        """The days to grant; None if one is wrong, which its problem explains."""
        self.validate()
        if submitted.request.kind == LEAVE:
            days = self.parse_leave(today)
        else:
            days = self.parse_due_date(submitted.request.starts_on, today)
        return None if self.errors else days


@router.get("/coordinator/requests")
def show_requests(
    site: SiteDep,
    viewer: CoordinatorDep,
    association: Annotated[str, Query()] = "",
    state: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 1,
) -> HTMLResponse:
    """One association's pending requests, oldest first; or its decided ones, newest first."""
    association = own_association(viewer, association)
    undecided = state != "decided"
    with reading(site.engine) as session:
        total = count_requests(session, association, undecided=undecided)
        waiting = count_requests(session, association, undecided=True)
        requests = list_requests(
            session,
            association,
            undecided=undecided,
            skip=(page - 1) * _PAGE_SIZE,
            limit=_PAGE_SIZE,
        )
    zone = site.rulebooks.associations[association].time_zone
    here = {"association": association}
    return site.pages.render(
        "coordinator_requests.html",
        viewer=viewer,
        here="coordinator",
        association=association,
        requests=[(submitted, summarize_request(submitted)) for submitted in requests],
        format_instant=lambda instant: format_instant(instant, zone),
        waiting=waiting,
        undecided=undecided,
        page=page,
        pages=max(1, -(-total // _PAGE_SIZE)),
        link=lambda **query: f"/coordinator/requests?{urlencode({**here, **query})}",
    )


@router.get("/coordinator/requests/{request_id}")
def show_request(
    site: SiteDep, now: NowDep, viewer: CoordinatorDep, request_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """One request, with the form to decide it or the decision."""
    with reading(site.engine) as session:
        submitted = get_request(session, request_id, viewer.coordinates)
        due_on = _current_due_date(session, site, submitted, now)
    days = {
        **format_day_fields("starts", submitted.request.starts_on),
        **format_day_fields("ends", submitted.request.ends_on),
    }
    form = DecisionForm(data=days)
    is_late = flash.code == "late"
    return flash.clear(_render(site, viewer, submitted, form, due_on, is_late=is_late))


@router.post("/coordinator/requests/{request_id}")
def decide(
    site: SiteDep, now: NowDep, viewer: CoordinatorDep, request_id: RowId, typed: Typed
) -> Response:
    """Grant or decline, and send the endorsee an email.

    If someone else has decided meanwhile, the page shows that decision.
    """
    with reading(site.engine) as session:
        submitted = get_request(session, request_id, viewer.coordinates)
        due_on = _current_due_date(session, site, submitted, now)
    path = f"/coordinator/requests/{request_id}"
    if not submitted.is_pending:
        return redirect_with_flash(site, path, "late")
    form = DecisionForm(typed)
    answer = form.answer.data or ""
    days = None
    if text_of(typed, "decision") != "decline":
        days = form.parse_days(submitted, site.today(submitted.endorsement.association, now))
        if days is None:
            return _render(site, viewer, submitted, form, due_on)

    def save(context: ServiceContext) -> None:
        decided: DecidedRequest
        if days is None:
            decided = decline_request(context, request_id, answer)
        else:
            decided = grant_request(context, request_id, days, answer)
        notify_decision(site, context, decided, answered_by=viewer.name)

    try:
        site.write(viewer, now, save)
    except Refused as refused:
        if any(refusal.code == "request-decided" for refusal in refused.refusals):
            return redirect_with_flash(site, path, "late")
        form.add_refusals(refused)
        return _render(site, viewer, submitted, form, due_on)
    return RedirectResponse(path, 303)


def _current_due_date(
    session: Session, site: Site, submitted: SubmittedRequest, now: datetime
) -> date | None:
    standing = find_extended_standing(session, site.rulebooks, submitted, now)
    return standing.due_on if standing else None


def _render(
    site: Site,
    viewer: Viewer,
    submitted: SubmittedRequest,
    form: DecisionForm,
    due_on: date | None,
    *,
    is_late: bool = False,
) -> HTMLResponse:
    problems = form.problems()
    zone = site.rulebooks.associations[submitted.endorsement.association].time_zone
    names = {one.email: one.name for one in site.settings.coordinators}
    decided_by = submitted.request.decided_by
    return site.pages.render(
        "coordinator_request.html",
        status=422 if problems else 200,
        viewer=viewer,
        here="coordinator",
        submitted=submitted,
        summary=summarize_request(submitted),
        format_instant=lambda instant: format_instant(instant, zone),
        due_on=due_on,
        form=form,
        problems=problems,
        decided_by=names.get(decided_by or "", decided_by),
        is_late=is_late,
    )
