"""The pages on which coordinators decide requests for leave and later due dates."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from wtforms import TextAreaField

from tracker.notifications.request_mail import notify_decision
from tracker.rules.standing import Standing
from tracker.services.context import Refused, ServiceContext
from tracker.services.time_requests import (
    SubmittedRequest,
    count_requests,
    decline_request,
    find_extended_standing,
    get_request,
    grant_request,
    list_requests,
)
from tracker.web.forms.body import RowId, Typed, clean, text_of
from tracker.web.forms.fields import format_date_fields
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
)
from tracker.web.pages.coordinator import choose_association
from tracker.web.pages.time_requests import TimeRequestForm
from tracker.web.time_zones import format_instant

router = APIRouter()
_PATH = "/coordinator/requests"


class DecisionForm(TimeRequestForm):
    """The days to grant, filled with those that were requested, and an answer."""

    answer = TextAreaField("Message to the endorsee", filters=[clean])


@router.get(_PATH)
def show_requests(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    state: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """One association's pending requests, oldest first; or its decided ones, newest first."""
    association = choose_association(page.viewer, association)
    undecided = state != "decided"
    with page.reading() as session:
        total = count_requests(session, association, undecided=undecided)
        waiting = count_requests(session, association, undecided=True)
        skip = (number - 1) * PAGE_SIZE
        requests = list_requests(
            session, association, undecided=undecided, skip=skip, limit=PAGE_SIZE
        )
    zone = page.rulebooks.associations[association].time_zone
    return page.render(
        "coordinator_requests.html",
        here="coordinator",
        association=association,
        requests=requests,
        format_instant=lambda instant: format_instant(instant, zone),
        waiting=waiting,
        undecided=undecided,
        page=number,
        pages=count_pages(total),
        link=lambda **query: (
            f"/coordinator/requests?{urlencode({'association': association, **query})}"
        ),
    )


@router.get("/coordinator/requests/{request_id}")
def show_request(page: CoordinatorPage, request_id: RowId) -> HTMLResponse:
    """One request, with the form to decide it or the decision."""
    submitted, standing = _read_request(page, request_id)
    days = {
        **format_date_fields(submitted.request.starts_on, "starts_"),
        **format_date_fields(submitted.request.ends_on, "ends_"),
    }
    return _render(page, submitted, DecisionForm(data=days), standing)


@router.post("/coordinator/requests/{request_id}")
def decide(page: CoordinatorPage, request_id: RowId, typed: Typed) -> Response:
    """Grant or decline, and send the endorsee an email.

    If someone else has decided meanwhile, the page shows that decision.
    """
    submitted, standing = _read_request(page, request_id)
    path = f"/coordinator/requests/{request_id}"
    if not submitted.is_pending:
        return page.redirect(path, "late")
    form = DecisionForm(typed)
    answer = form.answer.data or ""
    days = None
    if text_of(typed, "decision") != "decline":
        today = page.day_of(submitted.endorsement.association)
        days = form.parse_days(submitted.request.kind, submitted.request.starts_on, today)
        if days is None:
            return _render(page, submitted, form, standing)

    def save(context: ServiceContext) -> None:
        if days is None:
            decided = decline_request(context, request_id, answer)
        else:
            decided = grant_request(context, request_id, days, answer)
        notify_decision(page.site, context, decided, answered_by=page.viewer.name)

    try:
        page.write(save)
    except Refused as refused:
        if any(refusal.code == "request-decided" for refusal in refused.refusals):
            return page.redirect(path, "late")
        form.add_refusals(refused.refusals)
        return _render(page, submitted, form, standing)
    return RedirectResponse(path, 303)


def _read_request(page: PageRequest, request_id: int) -> tuple[SubmittedRequest, Standing | None]:
    with page.reading() as session:
        submitted = get_request(session, request_id, page.viewer.coordinates)
        return submitted, find_extended_standing(session, page.rulebooks, submitted, page.now)


def _render(
    page: PageRequest, submitted: SubmittedRequest, form: DecisionForm, standing: Standing | None
) -> HTMLResponse:
    zone = page.rulebooks.associations[submitted.endorsement.association].time_zone
    names = {one.email: one.name for one in page.site.settings.coordinators}
    decided_by = submitted.request.decided_by
    return page.render(
        "coordinator_request.html",
        here="coordinator",
        submitted=submitted,
        format_instant=lambda instant: format_instant(instant, zone),
        due_on=standing and standing.due_on,
        form=form,
        decided_by=names.get(decided_by or "", decided_by),
    )
