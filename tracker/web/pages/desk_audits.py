"""Audits on the desk: draws that anyone can redo, and the decision about each drawn renewal."""

from collections.abc import Callable, Sequence
from shlex import quote
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData
from wtforms import SelectChoice

from tracker.db.audits import AuditDraw
from tracker.exports.audit_file import REDO, audit_file_name, pack_audit, start_audit_file
from tracker.formatting import format_cycle_span, format_date
from tracker.notifications.audit_mail import announce_audit
from tracker.rules.stages import Stage
from tracker.rules.transitions import Act, may, may_decide
from tracker.services.audit_decisions import (
    ask_for_documents,
    decide_audit,
    extend_audit,
    record_verdicts,
)
from tracker.services.audit_draws import (
    discard_draw,
    draw_renewals,
    freeze_frame,
    get_draw,
    list_cycle_ends,
    list_drawn_elsewhere,
    list_draws,
    parse_strata,
)
from tracker.services.audits import (
    AuditedRenewal,
    get_case,
    list_attested,
    list_audited_entries,
    list_cases,
)
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.evidence import list_entry_files, list_requirement_files
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.web.dependencies import client_of
from tracker.web.forms.audit import AuditDueForm, DrawForm, TypedVerdicts, parse_verdicts
from tracker.web.forms.body import RowId, Typed, clean, text_of
from tracker.web.page_request import (
    ChangePage,
    CoordinatorPage,
    PageRequest,
    format_problems,
)
from tracker.web.pages.desk import answer_change, choose_association, save_change
from tracker.web.pages.desk_work import WORK_PATH
from tracker.web.rendering import category_name
from tracker.web.time_zones import format_instant

router = APIRouter()
_PATH = "/coordinator/audits"
# The outcome "passed" with what is missing waived.
_WAIVES = "waives"
# What a decision may touch, referred tables first.
_TABLES = (
    "entry_decision",
    "waiver",
    "submission",
    "settled_cycle",
    "audit_case",
    "audit_item",
    "audit_hours",
)
# Where an audit is, in words.
_STATES = {
    Stage.DRAWN: "Not asked yet",
    Stage.ASKED: "Asked",
    Stage.SENT: "Documents sent",
    Stage.PASSED: "Passed",
    Stage.NOT_PASSED: "Not passed",
    Stage.APPEALED: "Appealed",
}


@router.get(_PATH)
def show_audits(page: CoordinatorPage, association: Annotated[str, Query()] = "") -> HTMLResponse:
    """The draws of an association, and the form for a new one."""
    association = choose_association(page.viewer, association)
    return _render_audits(page, DrawForm(data={"association": association}))


@router.post(_PATH)
def fix_draw(page: ChangePage, typed: Typed) -> Response:
    """Fix the frame and the seed of a draw; nobody is drawn yet."""
    form = DrawForm(typed)
    choose_association(page.viewer, form.association.data or "-")
    try:
        draw_id = page.write(lambda context: freeze_frame(context, form.parse()).id)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render_audits(page, form)
    return page.redirect(f"{_PATH}/{draw_id}", "fixed")


def _render_audits(page: PageRequest, form: DrawForm) -> HTMLResponse:
    association = form.association.data
    rulebook = page.rulebooks.associations[association]
    with page.reading() as session:
        ends = list_cycle_ends(session, association)
        draws = list_draws(session, association)
    days = [SelectChoice(day.isoformat(), format_date(day)) for day in ends]
    form.ends_from.choices = form.ends_through.choices = days
    if days and not form.ends_from.data:
        form.ends_from.data = form.ends_through.data = days[-1].value
    names = [SelectChoice(key, category_name(rulebook, key)) for key in rulebook.categories]
    form.category.choices = [SelectChoice("", "Each category by itself"), *names]
    return page.render(
        "desk_audits.html",
        form=form,
        here="coordinator",
        desk="audits",
        association=association,
        draws=draws,
        format_instant=lambda instant: format_instant(instant, rulebook.time_zone),
    )


@router.get(_PATH + "/{draw_id}.zip")
def send_audit_file(page: CoordinatorPage, request: Request, draw_id: RowId) -> Response:
    """The audit file: everything that it takes to redo the draw, and the verdicts.

    One of a large draw is prepared first, and the page of that work has it.
    """
    try:
        task_id = page.write(lambda context: start_audit_file(context, draw_id))
    except Refused:
        return page.redirect(f"{_PATH}/{draw_id}", "too-many-files")
    if task_id is not None:
        return page.redirect(f"{WORK_PATH}/{task_id}", "")
    with page.reading() as session:
        fixed = get_draw(session, draw_id, page.viewer.coordinates)
        packed = pack_audit(session, fixed, page.now)
    client = client_of(request)

    def record(context: ServiceContext) -> None:
        record_event(context.session, page.now, client, DOWNLOAD, DONE, None)

    page.write(record)
    headers = {"content-disposition": f'attachment; filename="{audit_file_name(fixed)}"'}
    return Response(packed, media_type="application/zip", headers=headers)


@router.get(_PATH + "/{draw_id}")
def show_draw(page: CoordinatorPage, draw_id: RowId) -> HTMLResponse:
    """What is fixed of a draw and how to redo it, and whom it has drawn."""
    with page.reading() as session:
        fixed = get_draw(session, draw_id, page.viewer.coordinates)
    return _render_draw(page, fixed, AuditDueForm())


@router.post(_PATH + "/{draw_id}")
def act_on_draw(page: ChangePage, draw_id: RowId, typed: Typed) -> Response:
    """Draw from the fixed frame, or ask those who were drawn for documents."""
    with page.reading() as session:
        fixed = get_draw(session, draw_id, page.viewer.coordinates)
    path = f"{_PATH}/{draw_id}"
    form = AuditDueForm(typed)
    action = text_of(typed, "action")
    try:
        if action != "ask":
            page.write(lambda context: draw_renewals(context, draw_id))
            return page.redirect(path, "drawn")
        return _ask(page, typed, fixed, form)
    except Refused as refused:
        form.add_refusals([one for one in refused.refusals if one.field != "draw"])
        return _render_draw(page, fixed, form)


@router.post(_PATH + "/{draw_id}/discard")
def give_up_draw(page: ChangePage, draw_id: RowId, typed: Typed) -> Response:
    """Discard a draw for a reason, which stays on record."""
    with page.reading() as session:
        fixed = get_draw(session, draw_id, page.viewer.coordinates)
    reason = clean(text_of(typed, "discard_reason"))
    try:
        page.write(lambda context: discard_draw(context, draw_id, reason))
    except Refused as refused:
        problems = [("discard_reason", words) for _, words in format_problems(refused)]
        return _render_draw(page, fixed, AuditDueForm(), problems, reason)
    return page.redirect(f"{_PATH}/{draw_id}", "discarded")


def _ask(page: PageRequest, typed: FormData, fixed: AuditDraw, form: AuditDueForm) -> Response:
    """Preview that those who were drawn are asked for documents, or do it."""
    due_on = form.parse_due(page.day_of(fixed.association))
    if due_on is None:
        return _render_draw(page, fixed, form)

    def work(context: ServiceContext) -> None:
        for audited in ask_for_documents(context, fixed.id, due_on):
            announce_audit(page.site, context.session, audited, page.now, by=page.viewer.name)

    with page.reading() as session:
        cases = list_cases(session, fixed.id)
    title = f"Ask for documents by {format_date(due_on)}"
    people = frozenset(one.person.id for one in cases if may(Act.ASK, one.case.state))
    plan = ChangePlan(fixed.association, title, people, ("audit_case",), work)
    path = f"{_PATH}/{fixed.id}"
    return answer_change(page, typed, plan, action=path, back=path)


def _render_draw(
    page: PageRequest,
    fixed: AuditDraw,
    form: AuditDueForm,
    problems: Sequence[tuple[str, str]] = (),
    discard_reason: str = "",
) -> HTMLResponse:
    rulebook = page.rulebooks.associations[fixed.association]
    with page.reading() as session:
        cases = list_cases(session, fixed.id)
        elsewhere = list_drawn_elsewhere(session, fixed)
    strata = parse_strata(fixed)
    return page.render(
        "desk_audit.html",
        form=form,
        problems=problems,
        discard_reason=discard_reason,
        elsewhere=elsewhere,
        commands=[
            f"python redo.py {quote(fixed.seed)} {quote(one.category)} {one.to_draw}"
            for one in strata
        ],
        here="coordinator",
        desk="audits",
        association=fixed.association,
        fixed=fixed,
        strata=strata,
        names={key: category_name(rulebook, key) for key in rulebook.categories},
        cases=cases,
        states=_STATES,
        to_ask=sum(1 for one in cases if may(Act.ASK, one.case.state)),
        today=page.day_of(fixed.association),
        redo=REDO,
        format_cycle=_format_cycle,
        format_instant=lambda instant: format_instant(instant, rulebook.time_zone),
    )


@router.get(_PATH + "/cases/{case_id}")
def show_case(page: CoordinatorPage, case_id: RowId) -> HTMLResponse:
    """One audited renewal: its sessions with their documents, and the verdicts."""
    with page.reading() as session:
        audited = get_case(session, case_id, page.viewer.coordinates)
    return _render_case(page, audited)


@router.post(_PATH + "/cases/{case_id}")
def act_on_case(page: ChangePage, case_id: RowId, typed: Typed) -> Response:
    """Save the verdicts, allow more time, or decide: the latter two are previewed."""
    with page.reading() as session:
        audited = get_case(session, case_id, page.viewer.coordinates)
    action = text_of(typed, "action")
    path = f"{_PATH}/cases/{case_id}"
    due = AuditDueForm(typed)
    try:
        if action == "verdicts":
            return save_change(page, _plan_verdicts(page, audited, typed), back=path)
        if action == "extend":
            plan = _plan_extension(page, audited, due)
            if plan is None:
                return _render_case(page, audited, typed, due)
        else:
            plan = _plan_decision(page, audited, typed)
        return answer_change(page, typed, plan, action=path, back=path)
    except Refused as refused:
        if action == "extend":
            due.add_refusals(refused.refusals)
            return _render_case(page, audited, typed, due)
        return _render_case(page, audited, typed, problems=format_problems(refused))


def _parse_verdicts(page: PageRequest, audited: AuditedRenewal, typed: FormData) -> TypedVerdicts:
    with page.reading() as session:
        entries = [entry for entry, _ in list_audited_entries(session, audited)]
        attested = list_attested(session, page.rulebooks, audited, page.now)
    return parse_verdicts(typed, entries, attested)


def _plan_verdicts(page: PageRequest, audited: AuditedRenewal, typed: FormData) -> ChangePlan:
    found = _parse_verdicts(page, audited, typed)

    def work(context: ServiceContext) -> None:
        record_verdicts(context, audited.case.id, *found)

    return _plan(audited, f"Judge the sessions of {audited.person.name}", work)


def _plan_extension(
    page: PageRequest, audited: AuditedRenewal, form: AuditDueForm
) -> ChangePlan | None:
    due_on = form.parse_due(page.day_of(audited.endorsement.association))
    if due_on is None:
        return None
    day, reason = due_on, form.reason.data or ""

    def work(context: ServiceContext) -> None:
        extend_audit(context, audited.case.id, day, reason)
        _announce(page, context, audited)

    title = f"Let {audited.person.name} send documents through {format_date(day)}"
    return _plan(audited, title, work, reason)


def _plan_decision(page: PageRequest, audited: AuditedRenewal, typed: FormData) -> ChangePlan:
    found, outcome = _parse_verdicts(page, audited, typed), text_of(typed, "outcome")
    if outcome not in (Stage.PASSED, Stage.NOT_PASSED, _WAIVES):
        raise Refused(Refusal("outcome", "audit-outcome-missing"))
    passed, waives = outcome != Stage.NOT_PASSED, outcome == _WAIVES
    reason = clean(text_of(typed, "reason"))

    def work(context: ServiceContext) -> None:
        record_verdicts(context, audited.case.id, *found)
        decide_audit(context, audited.case.id, passed=passed, reason=reason, waives=waives)
        _announce(page, context, audited)

    words = "passed" if passed else "did not pass"
    title = f"{audited.person.name} {words} the audit of {_format_cycle(audited)}"
    return _plan(audited, title, work, reason)


def _announce(page: PageRequest, context: ServiceContext, audited: AuditedRenewal) -> None:
    now = get_case(context.session, audited.case.id, context.associations)
    announce_audit(page.site, context.session, now, page.now, by=page.viewer.name)


def _plan(
    audited: AuditedRenewal,
    title: str,
    work: Callable[[ServiceContext], None],
    reason: str = "",
) -> ChangePlan:
    people = frozenset({audited.person.id})
    return ChangePlan(audited.endorsement.association, title, people, _TABLES, work, reason)


def _format_cycle(audited: AuditedRenewal) -> str:
    submission = audited.submission
    return format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)


def _render_case(
    page: PageRequest,
    audited: AuditedRenewal,
    typed: FormData | None = None,
    due: AuditDueForm | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    association = audited.endorsement.association
    rulebook = page.rulebooks.associations[association]
    with page.reading() as session:
        entries = list_audited_entries(session, audited)
        files = list_entry_files(session, audited.person.id)
        attested = list_attested(session, page.rulebooks, audited, page.now)
        unlogged_files = list_requirement_files(session, audited.case.id)
    case, today = audited.case, page.day_of(association)
    sent = {name: str(text) for name, text in typed.items()} if typed is not None else {}
    return page.render(
        "desk_audit_case.html",
        form=due or AuditDueForm(),
        problems=problems,
        here="coordinator",
        desk="audits",
        association=association,
        audited=audited,
        entries=entries,
        files=files,
        attested=attested,
        unlogged_files=unlogged_files,
        cycle=_format_cycle(audited),
        category=category_name(rulebook, audited.endorsement.category),
        may_extend=may(Act.EXTEND_AUDIT, case.state),
        may_decide=may_decide(case.state, case.due_on, today),
        sent=sent,
        states=_STATES,
        names=page.team_names | {audited.person.email: audited.person.name},
        format_instant=lambda instant: format_instant(instant, rulebook.time_zone),
    )
