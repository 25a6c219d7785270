"""Leave and later due dates: endorsees request them, and coordinators decide."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, RadioField, SelectChoice, TextAreaField
from wtforms.validators import InputRequired

from tracker.formatting import format_date
from tracker.notifications.request_mail import notify_coordinators, notify_decision
from tracker.notifications.undo_mail import undo_decision
from tracker.refusal_text import format_refusal
from tracker.rules.absence_description import (
    describe_excuse,
    describe_for_coordinator,
    excuses_everything,
)
from tracker.rules.standing import Standing
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.endorsements import Endorsed
from tracker.services.time_requests import (
    EXTENSION,
    INACTIVE,
    LEAVE,
    NewTimeRequest,
    RequestedDays,
    SubmittedRequest,
    absence_kind,
    count_requests,
    decline_request,
    find_extended_standing,
    find_undoable_decision,
    get_request,
    grant_request,
    list_current_endorsements,
    list_extendable_renewals,
    list_own_requests,
    list_requests,
    list_with_inactive_status,
    request_extension,
    request_leave,
    withdraw_request,
)
from tracker.web.forms.body import (
    RowId,
    Typed,
    add_problem,
    clean,
    keep_form_key,
    number_of,
    text_of,
)
from tracker.web.forms.days import PeriodForm
from tracker.web.forms.fields import format_date_fields
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    PersonPage,
    count_pages,
    format_problems,
)
from tracker.web.pages.applicant import UNDONE_MESSAGES
from tracker.web.pages.desk import choose_association
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
        starts_on = self.parse_first_day(today)
        # The last day of a leave may still be unknown.
        ends_on = None if self.is_blank("ends") else self.parse_day("ends", today)
        return None if self.errors or starts_on is None else RequestedDays(starts_on, ends_on)


class NewRequestForm(TimeRequestForm):
    """A request: the endorsement, the days, and the reason."""

    page_order = ("subject",)
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
            code = "renewal-not-yours" if kind == EXTENSION else "endorsement-not-yours"
            add_problem(self.subject, format_refusal(code, {}))
        days = self.parse_days(kind, option.starts_on if option else today, today)
        if self.errors or option is None or days is None:
            return None
        return NewTimeRequest(option.endorsement_id, days, self.reason.data, self.form_key.data)


class DecisionForm(TimeRequestForm):
    """The days to grant, filled with those that were requested, and an answer."""

    first_field = "answer"

    answer = TextAreaField("Message to the endorsee", filters=[clean])


@router.get("/requests")
def show_requests(page: PersonPage) -> HTMLResponse:
    """A person's requests, and what became of them."""
    with page.reading() as session:
        requests = list_own_requests(session, page.person_id)
        zone = page.zone(session)
        held = (session, page.rulebooks, page.person_id, page.now)
        excuses = _list_unusual_excuses(page, list_current_endorsements(*held))
        offers_inactive = bool(list_with_inactive_status(*held))
    return page.render(
        "requests.html",
        here="profile",
        requests=requests,
        excuses=excuses,
        offers_inactive=offers_inactive,
        format_instant=lambda instant: format_instant(instant, zone),
    )


def _list_unusual_excuses(page: PageRequest, held: Sequence[Endorsed]) -> list[str]:
    """What leave excuses of each endorsement; empty if of all of them everything."""
    sentences, is_unusual = [], False
    for one in held:
        today = max(page.day_of(one.association), one.starts_on)
        plan = page.rulebooks.plan(*one.triple, today)
        is_unusual |= not excuses_everything(plan, "leave")
        sentences.append(describe_excuse(plan, f"{one.association} {one.category}", "leave"))
    return sentences if is_unusual else []


@router.get("/requests/leave")
def open_leave(page: PersonPage) -> Response:
    """The empty form for leave."""
    return _handle_form(page, LEAVE)


@router.post("/requests/leave")
def submit_leave(page: PersonPage, typed: Typed) -> Response:
    """Send a request for leave to the coordinators, or show what is wrong."""
    return _handle_form(page, LEAVE, typed)


@router.get("/requests/inactive")
def open_inactive(page: PersonPage) -> Response:
    """The empty form for inactive status."""
    return _handle_form(page, INACTIVE)


@router.post("/requests/inactive")
def submit_inactive(page: PersonPage, typed: Typed) -> Response:
    """Send a request for inactive status to the coordinators, or show what is wrong."""
    return _handle_form(page, INACTIVE, typed)


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
    form.today = today
    if typed is not None and (new := form.parse_request(kind, options, today)) is not None:

        def save(context: ServiceContext) -> None:
            if kind == EXTENSION:
                request_id = request_extension(context, new)
            else:
                request_id = request_leave(context, new, absence_kind(kind))
            notify_coordinators(page.site, context, request_id)

        try:
            page.write(save)
            return page.redirect("/requests", "submitted")
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return page.render("request_form.html", here="profile", kind=kind, form=form)


def _list_options(page: PageRequest, session: Session, kind: str) -> list[RequestOption]:
    rulebooks, options = page.rulebooks, []
    if kind != EXTENSION:
        list_held = list_current_endorsements if kind == LEAVE else list_with_inactive_status
        for one in list_held(session, rulebooks, page.person_id, page.now):
            label = f"{one.association} {one.category}"
            options.append(RequestOption(str(one.id), label, one.id, one.starts_on))
    else:
        renewals = list_extendable_renewals(session, rulebooks, page.person_id, page.now)
        for standing, cycle, due_on in renewals:
            plan, number = standing.plan, standing.facts.subject_id
            label = (
                f"{plan.association} {plan.category}, {format_cycle(cycle)}: "
                f"due {format_date(due_on)}"
            )
            value = f"{number}:{cycle.starts_on}"
            options.append(RequestOption(value, label, number, cycle.starts_on))
    return options


@router.get("/coordinator/requests")
def show_association_requests(
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
    return _render_decision(page, submitted, DecisionForm(data=days), standing)


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
            return _render_decision(page, submitted, form, standing)

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
        return _render_decision(page, submitted, form, standing)
    return RedirectResponse(path, 303)


@router.post("/coordinator/requests/{request_id}/undo")
def undo(page: CoordinatorPage, request_id: RowId, typed: Typed) -> Response:
    """Undo a decision, with its letter; or show why that can't be done."""
    submitted, standing = _read_request(page, request_id)
    number = number_of(typed, "decision")

    def work(context: ServiceContext) -> bool | None:
        return undo_decision(page.site, context, number, request_id)

    problems = format_problems(Refused(Refusal("undo", "undo-too-late")))
    try:
        has_left = page.write(work)
    except NotFound:
        return _render_decision(page, submitted, DecisionForm(), standing, problems)
    except Refused as refused:
        problems = format_problems(refused)
        return _render_decision(page, submitted, DecisionForm(), standing, problems)
    message = UNDONE_MESSAGES[has_left]
    return page.redirect(f"/coordinator/requests/{request_id}", message)


def _read_request(page: PageRequest, request_id: int) -> tuple[SubmittedRequest, Standing | None]:
    with page.reading() as session:
        submitted = get_request(session, request_id, page.viewer.coordinates)
        return submitted, find_extended_standing(session, page.rulebooks, submitted, page.now)


def _render_decision(
    page: PageRequest,
    submitted: SubmittedRequest,
    form: DecisionForm,
    standing: Standing | None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    with page.reading() as session:
        undo = find_undoable_decision(session, submitted, page.now)
    endorsement, kind = submitted.endorsement, absence_kind(submitted.request.kind)
    zone = page.rulebooks.associations[endorsement.association].time_zone
    triple = (endorsement.association, endorsement.category, endorsement.starts_on)
    plan = page.rulebooks.plan(*triple, max(submitted.request.starts_on, endorsement.starts_on))
    names = page.team_names
    decided_by = submitted.request.decided_by
    return page.render(
        "coordinator_request.html",
        here="coordinator",
        only_looks=not page.viewer.may_change(endorsement.association),
        submitted=submitted,
        format_instant=lambda instant: format_instant(instant, zone),
        due_on=standing and standing.due_on,
        excuses_everything=excuses_everything(plan, kind),
        excuse=describe_for_coordinator(plan, kind),
        form=form,
        problems=problems,
        undo=undo,
        decided_by=names.get(decided_by or "", decided_by),
    )
