"""Forms of the desk that grant something for an endorsement: waivers, later due dates, and leave.

What was granted by mistake is removed as any other row is: see `desk_removals`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData
from wtforms import SelectChoice

from tracker.db.people import Leave
from tracker.formatting import (
    capitalize_first,
    format_alternatives,
    format_date,
    lowercase_first,
)
from tracker.notifications.grant_mail import notify_grants
from tracker.rules.absence_description import describe_for_coordinator
from tracker.rules.absence_rules import ABSENCE_NOUNS, KINDS, AbsenceKind, read_kind
from tracker.rules.plan import RenewalPlan
from tracker.services.absence_limits import is_ever_offered, read_absence
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.endorsements import Endorsed
from tracker.services.grants import add_leave, change_leave, grant_extension, grant_waiver
from tracker.services.person_record import Granted, PersonRecord
from tracker.services.time_requests import Grant
from tracker.web.forms.body import RowId, Typed, parse_cycle_start, parse_id
from tracker.web.forms.desk_person import (
    AbsenceForm,
    ExtensionForm,
    LeaveForm,
    ReasonForm,
    WaiverForm,
)
from tracker.web.forms.fields import format_date_fields
from tracker.web.page_request import ChangePage, PageRequest, require
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.desk_person import person_path, read_record
from tracker.web.rendering import format_cycle

router = APIRouter()
_MAILED = "An email tells the endorsee: you see it before you save."


async def _parse_endorsement(endorsement: Annotated[str, Query()] = "") -> int:
    """The endorsement that a form's address names; 0 if it names none."""
    return parse_id(endorsement)


async def _parse_cycle(cycle_starts_on: Annotated[str, Query()] = "") -> date:
    """The first day of the cycle that a form's address names; 404 if it names none."""
    return await parse_cycle_start(cycle_starts_on)


EndorsementId = Annotated[int, Depends(_parse_endorsement)]
CycleStart = Annotated[date, Depends(_parse_cycle)]


@dataclass(frozen=True, slots=True)
class _Renewal:
    """An endorsement in one of its cycles, and when that renewal is due at present."""

    record: PersonRecord
    endorsed: Endorsed
    plan: RenewalPlan
    cycle: str
    due_on: date

    @property
    def starts_on(self) -> date:
        """The first day of the cycle."""
        return require(self.plan.cycle).starts_on

    @property
    def query(self) -> str:
        """What a form's path says about the renewal."""
        return f"endorsement={self.endorsed.id}&cycle_starts_on={self.starts_on}"


@router.get("/coordinator/person/{person_id}/add/waiver")
def open_waiver(
    page: ChangePage,
    person_id: RowId,
    endorsement: EndorsementId,
    cycle_starts_on: CycleStart,
    requirement: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """The form that waives a requirement of a renewal."""
    renewal = _read_renewal(page, person_id, endorsement, cycle_starts_on)
    return show_form(page, _waiver_form_of(renewal, WaiverForm(data={"requirement": requirement})))


@router.post("/coordinator/person/{person_id}/add/waiver")
def save_waiver(
    page: ChangePage,
    person_id: RowId,
    endorsement: EndorsementId,
    cycle_starts_on: CycleStart,
    typed: Typed,
) -> Response:
    """Preview or save a waiver."""
    renewal = _read_renewal(page, person_id, endorsement, cycle_starts_on)
    form = WaiverForm(typed)
    shown = _waiver_form_of(renewal, form)
    requirement, name = form.requirement.data or "", renewal.record.person.name
    labels = dict(_list_requirements(renewal))
    plan = _plan(
        page,
        shown,
        renewal.record,
        f"Waive {lowercase_first(labels.get(requirement, 'a requirement'))} for {name}",
        "waiver",
        lambda context: grant_waiver(
            context, endorsement, cycle_starts_on, requirement, form.reason.data
        ),
    )
    return answer_form(page, shown, typed, plan)


@router.get("/coordinator/person/{person_id}/add/extension")
def open_extension(
    page: ChangePage, person_id: RowId, endorsement: EndorsementId, cycle_starts_on: CycleStart
) -> HTMLResponse:
    """The form that sets a later due date."""
    renewal = _read_renewal(page, person_id, endorsement, cycle_starts_on)
    return show_form(page, _extension_form_of(renewal, ExtensionForm()))


@router.post("/coordinator/person/{person_id}/add/extension")
def save_extension(
    page: ChangePage,
    person_id: RowId,
    endorsement: EndorsementId,
    cycle_starts_on: CycleStart,
    typed: Typed,
) -> Response:
    """Preview or save a later due date."""
    renewal = _read_renewal(page, person_id, endorsement, cycle_starts_on)
    form = ExtensionForm(typed)
    shown = _extension_form_of(renewal, form)
    due_on = form.parse_day("ends", page.day_of(shown.association), name="new due date")
    plan = None
    if due_on is not None:
        name = renewal.record.person.name
        plan = _plan(
            page,
            shown,
            renewal.record,
            f"Extend the due date of {name} to {format_date(due_on)}",
            "renewal",
            lambda context: grant_extension(
                context, endorsement, cycle_starts_on, due_on, form.reason.data
            ),
        )
    return answer_form(page, shown, typed, plan)


@router.get("/coordinator/person/{person_id}/add/leave")
def open_new_leave(page: ChangePage, person_id: RowId, endorsement: EndorsementId) -> HTMLResponse:
    """The empty form for leave."""
    record, endorsed = _read_endorsed(page, person_id, endorsement)
    form = _make_leave_form(page, endorsed, None)
    return show_form(page, _new_leave_form_of(page, record, endorsed, form))


@router.post("/coordinator/person/{person_id}/add/leave")
def save_new_leave(
    page: ChangePage, person_id: RowId, endorsement: EndorsementId, typed: Typed
) -> Response:
    """Preview or save leave, inactive or emeritus status."""
    record, endorsed = _read_endorsed(page, person_id, endorsement)
    form = _make_leave_form(page, endorsed, typed)
    kind = read_kind(form.what.data)
    shown = _new_leave_form_of(page, record, endorsed, form)
    days = form.parse_days(page.day_of(endorsed.association))
    plan = None
    if days is not None:
        plan = _plan(
            page,
            shown,
            record,
            f"Record {ABSENCE_NOUNS[kind]} of {record.person.name} "
            f"from {format_date(days.starts_on)}",
            "leave",
            lambda context: add_leave(context, endorsement, days, form.reason.data, kind),
        )
    return answer_form(page, shown, typed, plan)


@router.get("/coordinator/person/{person_id}/change/leave/{leave_id}")
def open_leave(page: ChangePage, person_id: RowId, leave_id: RowId) -> HTMLResponse:
    """The form with the days of a leave."""
    record, granted = _read_leave(page, person_id, leave_id)
    days = {
        **format_date_fields(granted.row.starts_on, "starts_"),
        **format_date_fields(granted.row.ends_on, "ends_"),
    }
    form = LeaveForm(data={**days, "reason": granted.row.reason})
    return show_form(page, _leave_form_of(record, granted, form))


@router.post("/coordinator/person/{person_id}/change/leave/{leave_id}")
def save_leave(page: ChangePage, person_id: RowId, leave_id: RowId, typed: Typed) -> Response:
    """Preview or save other days of a leave."""
    record, granted = _read_leave(page, person_id, leave_id)
    form = LeaveForm(typed)
    shown = _leave_form_of(record, granted, form)
    days = form.parse_days(page.day_of(granted.endorsement.association))
    plan = None
    if days is not None:
        plan = _plan(
            page,
            shown,
            record,
            f"Change the {ABSENCE_NOUNS[read_absence(granted.row).kind]} of {record.person.name}",
            "leave",
            lambda context: change_leave(context, leave_id, days, form.reason.data),
        )
    return answer_form(page, shown, typed, plan)


def _plan(
    page: PageRequest,
    shown: DeskForm,
    record: PersonRecord,
    title: str,
    table: str,
    grant: Callable[[ServiceContext], Grant],
) -> ChangePlan:
    def work(context: ServiceContext) -> None:
        notify_grants(page.site, context.session, [grant(context)], context.now)

    return ChangePlan(
        association=shown.association,
        title=fit_title(title),
        person_ids=frozenset({record.person.id}),
        tables=(table,),
        work=work,
        reason=shown.form.reason.data,
    )


def _read_endorsed(
    page: PageRequest, person_id: int, endorsement_id: int
) -> tuple[PersonRecord, Endorsed]:
    """A person's record and one of their endorsements; 404 if the viewer has no such one."""
    record = read_record(page, person_id)
    held = {each.id: each for each in record.endorsements}
    return record, require(held.get(endorsement_id))


def _read_renewal(
    page: PageRequest, person_id: int, endorsement_id: int, starts_on: date
) -> _Renewal:
    """A renewal of a person's; 404 if the endorsement has no cycle that begins on that day."""
    record, endorsed = _read_endorsed(page, person_id, endorsement_id)
    plan = require(page.rulebooks.plan(*endorsed.triple, starts_on))
    cycle = require(plan.cycle)
    require(cycle.starts_on == starts_on)
    due_on = cycle.due_on
    for row, held in record.extensions:
        if held.id == endorsed.id and row.cycle_starts_on == starts_on:
            due_on = row.extended_due_on
    return _Renewal(record, endorsed, plan, format_cycle(cycle), due_on)


def _read_leave(page: PageRequest, person_id: int, leave_id: int) -> tuple[PersonRecord, Granted]:
    """A person's record and one of their leaves; 404 if the viewer has no such one."""
    record = read_record(page, person_id)
    found: dict[int, Granted] = {granted.row.id: granted for granted in record.leaves}
    return record, require(found.get(leave_id))


def _list_requirements(renewal: _Renewal) -> list[tuple[str, str]]:
    """The requirements that can be waived, each its id and its name."""
    waived = {
        row.requirement
        for row, held in renewal.record.waivers
        if held.id == renewal.endorsed.id and row.cycle_starts_on == renewal.starts_on
    }
    return [(one.id, one.label) for one in renewal.plan.requirements if one.id not in waived]


def _waiver_form_of(renewal: _Renewal, form: WaiverForm) -> DeskForm:
    choices = _list_requirements(renewal)
    form.requirement.choices = [
        SelectChoice("", "Choose"),
        *(SelectChoice(value, capitalize_first(label)) for value, label in choices),
    ]
    note = f"It is waived for this cycle only. {_MAILED}"
    return _form_of(renewal, "waiver", "Waive a requirement", form, note)


def _extension_form_of(renewal: _Renewal, form: ExtensionForm) -> DeskForm:
    note = f"The whole day is included, and the grace period follows it. {_MAILED}"
    return _form_of(renewal, "extension", "Extend the due date", form, note)


def _form_of(renewal: _Renewal, kind: str, title: str, form: ReasonForm, note: str) -> DeskForm:
    path = person_path(renewal.record.person.id)
    return DeskForm(
        association=renewal.endorsed.association,
        title=title,
        action=f"{path}/add/{kind}?{renewal.query}",
        back=path,
        back_name=renewal.record.person.name,
        form=form,
        facts=[
            ("Renewal", f"{_name(renewal.endorsed)}, {renewal.cycle}"),
            ("Due now", format_date(renewal.due_on)),
        ],
        note=note,
    )


def _make_leave_form(page: PageRequest, endorsed: Endorsed, typed: FormData | None) -> LeaveForm:
    """The form for leave; with a choice where the rulebook has more than that."""
    kinds = _list_kinds(page, endorsed)
    if kinds == ["leave"]:
        return LeaveForm(typed)
    form = AbsenceForm(typed)
    form.what.choices = [
        SelectChoice(kind, capitalize_first(ABSENCE_NOUNS[kind])) for kind in kinds
    ]
    return form


def _list_kinds(page: PageRequest, endorsed: Endorsed) -> list[AbsenceKind]:
    """The kinds of days away that the form offers: leave, and what the rulebook has besides."""
    rulebook = page.rulebooks.associations.get(endorsed.association)
    today = page.day_of(endorsed.association)
    return [
        kind
        for kind in KINDS
        if kind == "leave" or (rulebook is not None and is_ever_offered(rulebook, kind, today))
    ]


def _new_leave_form_of(
    page: PageRequest, record: PersonRecord, endorsed: Endorsed, form: LeaveForm
) -> DeskForm:
    form.today = page.day_of(endorsed.association)
    path = person_path(record.person.id)
    plan = page.rulebooks.plan(*endorsed.triple, max(form.today, endorsed.starts_on))
    kinds = _list_kinds(page, endorsed)
    nouns = format_alternatives([ABSENCE_NOUNS[kind] for kind in kinds])
    excuses = " ".join(describe_for_coordinator(plan, kind) for kind in kinds)
    return DeskForm(
        association=endorsed.association,
        title=f"Add {nouns}",
        action=f"{path}/add/leave?endorsement={endorsed.id}",
        back=path,
        back_name=record.person.name,
        form=form,
        facts=[("Endorsement", _name(endorsed))],
        note=f"{excuses} {_MAILED}",
    )


def _leave_form_of(record: PersonRecord, granted: Granted, form: LeaveForm) -> DeskForm:
    leave: Leave = granted.row
    path = person_path(record.person.id)
    until = format_date(leave.ends_on) if leave.ends_on else "no last day yet"
    return DeskForm(
        association=granted.endorsement.association,
        title=f"Change or end {ABSENCE_NOUNS[read_absence(leave).kind]}",
        action=f"{path}/change/leave/{leave.id}",
        back=path,
        back_name=record.person.name,
        form=form,
        facts=[
            ("Endorsement", _name(granted.endorsement)),
            ("On record", f"{format_date(leave.starts_on)} to {until}"),
        ],
        note=_MAILED,
        links=[(f"{path}/remove/leave/{leave.id}", "Remove it instead, as a mistake")],
    )


def _name(endorsed: Endorsed) -> str:
    """``NCIMHA IFS``."""
    return f"{endorsed.association} {endorsed.category}"
