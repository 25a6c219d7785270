"""The pages on which endorsees request leave or a later due date."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, RadioField, SelectChoice, TextAreaField
from wtforms.validators import InputRequired

from tracker.formatting import format_date
from tracker.refusal_text import format_refusal
from tracker.services.context import Refused
from tracker.services.time_requests import (
    EXTENSION,
    LEAVE,
    NewTimeRequest,
    RequestedDays,
    list_current_endorsements,
    list_extendable_renewals,
    list_own_requests,
    request_extension,
    request_leave,
    withdraw_request,
)
from tracker.web.forms.body import RowId, Typed, add_problem, clean, keep_form_key
from tracker.web.forms.days import PeriodForm
from tracker.web.page_request import PageRequest, PersonPage
from tracker.web.rendering import format_cycle
from tracker.web.time_zones import format_instant

router = APIRouter()


class RequestOption(NamedTuple):
    """An endorsement, or its renewal, as a choice; ``value`` is what the form sends.

    ``starts_on`` is the first day of the endorsement, or of the renewal's cycle.
    """

    value: str
    label: str
    endorsement_id: int
    starts_on: date


class TimeRequestForm(PeriodForm):
    """The days of a leave, or, in the fields of the last day, a due date."""

    def parse_days(self, kind: str, cycle_starts_on: date, today: date) -> RequestedDays | None:
        """The days of a leave, or the due date of a cycle; None if a day is wrong."""
        if kind == EXTENSION:
            due_on = self.parse_day("ends", today, name="new due date")
            return None if due_on is None else RequestedDays(cycle_starts_on, due_on)
        starts_on = self.parse_day("starts", today)
        # The last day of a leave may still be unknown.
        ends_on = None if self.is_blank("ends") else self.parse_day("ends", today)
        return None if self.errors or starts_on is None else RequestedDays(starts_on, ends_on)


class NewRequestForm(TimeRequestForm):
    """A request: the endorsement, the days, and the reason."""

    first_field = "subject"
    form_key = HiddenField(filters=[clean])
    subject = RadioField("Endorsement", validate_choice=False)
    reason = TextAreaField(
        "Reason",
        filters=[clean],
        validators=[InputRequired(format_refusal("reason-missing", {}))],
    )

    def parse_request(
        self, kind: str, options: Sequence[RequestOption], today: date
    ) -> NewTimeRequest | None:
        """The request as submitted; None if a field is wrong, which its problem explains."""
        self.validate()
        option = next((one for one in options if one.value == self.subject.data), None)
        if option is None:
            code = "endorsement-not-yours" if kind == LEAVE else "renewal-not-yours"
            add_problem(self.subject, format_refusal(code, {}))
        days = self.parse_days(kind, option.starts_on if option else today, today)
        if self.errors or option is None or days is None:
            return None
        return NewTimeRequest(option.endorsement_id, days, self.reason.data, self.form_key.data)


@router.get("/requests")
def show_requests(page: PersonPage) -> HTMLResponse:
    """A person's requests, and what became of them."""
    with page.reading() as session:
        requests = list_own_requests(session, page.person_id)
        zone = page.zone(session)
    return page.render(
        "requests.html",
        here="profile",
        requests=requests,
        format_instant=lambda instant: format_instant(instant, zone),
    )


@router.get("/requests/leave")
def open_leave(page: PersonPage) -> Response:
    """The empty form for leave."""
    return _handle_form(page, LEAVE)


@router.post("/requests/leave")
def submit_leave(page: PersonPage, typed: Typed) -> Response:
    """Send a request for leave to the coordinators, or show what is wrong."""
    return _handle_form(page, LEAVE, typed)


@router.get("/requests/extension")
def open_extension(page: PersonPage) -> Response:
    """The empty form for a later due date."""
    return _handle_form(page, EXTENSION)


@router.post("/requests/extension")
def submit_extension(page: PersonPage, typed: Typed) -> Response:
    """Send a request for a later due date to the coordinators, or show what is wrong."""
    return _handle_form(page, EXTENSION, typed)


@router.post("/requests/{request_id}/withdraw")
def withdraw(page: PersonPage, request_id: RowId) -> Response:
    """Withdraw a request that is not decided yet."""
    page.write(lambda context: withdraw_request(context, request_id))
    return page.redirect("/requests", "withdrawn")


def _handle_form(page: PageRequest, kind: str, typed: FormData | None = None) -> Response:
    """The form of a request; or, once it is ``typed`` and sent, the list of requests."""
    with page.reading() as session:
        options = _list_options(page, session, kind)
        today = page.today(session)
    values = {"subject": options[0].value} if typed is None and len(options) == 1 else None
    form = NewRequestForm(typed, data=values)
    form.form_key.data = keep_form_key(form.form_key.data)
    form.subject.choices = [SelectChoice(option.value, option.label) for option in options]
    if typed is not None and "today" in typed:
        form.fill_today(today)
    elif typed is not None and (new := form.parse_request(kind, options, today)) is not None:
        create = request_leave if kind == LEAVE else request_extension
        try:
            page.write(lambda context: create(context, new))
            return page.redirect("/requests", "submitted")
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return page.render("request_form.html", here="profile", kind=kind, form=form)


def _list_options(page: PageRequest, session: Session, kind: str) -> list[RequestOption]:
    rulebooks, options = page.rulebooks, []
    if kind == LEAVE:
        for one in list_current_endorsements(session, rulebooks, page.person_id, page.now):
            label = f"{one.association} {one.category}"
            options.append(RequestOption(str(one.id), label, one.id, one.starts_on))
    else:
        for renewal in list_extendable_renewals(session, rulebooks, page.person_id, page.now):
            one, starts_on = renewal.endorsement, renewal.cycle.starts_on
            label = (
                f"{one.association} {one.category}, {format_cycle(renewal.cycle)}: "
                f"due {format_date(renewal.due_on)}"
            )
            options.append(RequestOption(f"{one.id}:{starts_on}", label, one.id, starts_on))
    return options
