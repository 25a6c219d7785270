"""Submitting a renewal, and what a coordinator does about one that lacks something."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData
from wtforms import HiddenField, SelectMultipleField, StringField

from tracker.db.submissions import Submission
from tracker.formatting import format_cycle_span, format_measure, format_measure_number
from tracker.notifications.renewal_mail import acknowledge, announce
from tracker.rules.cycles import Cycle
from tracker.rules.plan import PlannedRequirement
from tracker.rules.stages import find_window
from tracker.rules.standing import CycleSettlement, Outcome, Result, SettledResult, Standing
from tracker.rules.transitions import Act, may
from tracker.services.context import Refused, ServiceContext
from tracker.services.dashboard import list_short
from tracker.services.desk_changes import ChangePlan
from tracker.services.endorsements import Endorsed, endorsements_of, standing_in
from tracker.services.facts import parse_settlement
from tracker.services.stages import WayRecords, read_ways
from tracker.services.submissions import (
    SubmissionInput,
    SubmissionNeedsConfirmation,
    SubmittedRenewal,
    accept_renewal,
    find_renewed_through,
    get_submission,
    list_last_submissions,
    return_renewal,
    submit_renewal,
)
from tracker.web.forms.body import (
    CycleStart,
    OwnForm,
    RowId,
    Typed,
    clean,
    keep_form_key,
    text_of,
)
from tracker.web.page_request import (
    CoordinatorPage,
    PageRequest,
    PersonPage,
    format_problems,
    require,
)
from tracker.web.pages.desk import answer_change
from tracker.web.pages.renewal_fees import list_renewal_fees
from tracker.web.pages.renewal_stage import view_stage
from tracker.web.pages.renewal_text import MISSING_STATES, format_headline
from tracker.web.rendering import category_name, format_cycle
from tracker.web.time_zones import format_instant

router = APIRouter()
# What an endorsee completes by submitting.
_DONE_HERE = {"signed", "submitted"}
# What a submission meets by itself.
_SUBMITTED = ("submitted", "signed")
_ACCEPT, _RETURN = "accept", "return"
# What a decision may touch, referred tables first.
_TABLES = ("waiver", "submission", "settled_cycle")


class SubmitForm(OwnForm):
    """What an endorsee signs."""

    first_field = "signed_name"

    form_key = HiddenField(filters=[keep_form_key])
    signed = SelectMultipleField("What do you sign?", validate_choice=False)
    signed_name = StringField("Type your name to sign", filters=[clean])


class ResultView(NamedTuple):
    """A requirement as the records show it: how much of how much, and a word for it."""

    label: str
    progress: str
    state: str
    tone: str


class StatementView(NamedTuple):
    """A statement to sign: its words, whether it must be signed, and what it stands for."""

    key: str
    words: str
    is_required: bool
    stands_for: Sequence[str]


@dataclass(frozen=True, slots=True)
class _OwnRenewal:
    """A renewal of the viewer's that is submitted, and its last submission."""

    endorsed: Endorsed
    standing: Standing
    last: Submission | None
    ways: WayRecords


@router.get("/my-year/{endorsement_id}/{cycle_starts_on}/submit")
def show_submission(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> HTMLResponse:
    """What the records show of a renewal, and what its endorsee signs."""
    renewal = _read_own(page, endorsement_id, cycle_starts_on)
    return _render_own(page, renewal, SubmitForm(data={"form_key": None}))


@router.post("/my-year/{endorsement_id}/{cycle_starts_on}/submit")
def submit(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart, typed: Typed
) -> Response:
    """Submit a renewal, or show what is wrong."""
    renewal, form = _read_own(page, endorsement_id, cycle_starts_on), SubmitForm(typed)
    sent = SubmissionInput(
        endorsement_id,
        cycle_starts_on,
        form.signed_name.data or "",
        frozenset(form.signed.data or ()),
        form.form_key.data,
        is_confirmed="anyway" in typed,
    )
    if "back" in typed:
        return _render_own(page, renewal, form)

    def work(context: ServiceContext) -> None:
        submission = submit_renewal(context, sent)
        association = {renewal.endorsed.association}
        submitted = get_submission(context.session, submission.id, association)
        if submission.accepted_at == context.now:
            announce(page.site, context.session, [submitted], context.now)
        elif submission.submitted_at == context.now:
            acknowledge(page.site, context.session, submitted, context.now)

    try:
        page.write(work)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render_own(page, renewal, form)
    except SubmissionNeedsConfirmation as lacking:
        return _ask_to_confirm(page, renewal, form, lacking.missing)
    return page.redirect(f"/my-year/{endorsement_id}/{cycle_starts_on}", "submitted")


def _read_own(page: PageRequest, endorsement_id: int, cycle_starts_on: date) -> _OwnRenewal:
    """A renewal of the viewer's; 404 for any other, and for one that is not submitted."""
    with page.reading() as session:
        own = {each.id: each for each in endorsements_of(session, require(page.viewer.person_id))}
        endorsed = require(own.get(endorsement_id))
        require(endorsed.association in page.rulebooks.associations)
        plan = require(page.rulebooks.plan(*endorsed.triple, cycle_starts_on))
        cycle = require(plan.cycle)
        require(cycle.starts_on == cycle_starts_on and plan.is_submitted)
        judged = standing_in(session, page.rulebooks, page.day_of, endorsement_id, cycle.starts_on)
        submissions = list_last_submissions(session, [endorsement_id])
        last = submissions.get((endorsement_id, cycle_starts_on))
        ways = read_ways(session, page.rulebooks, endorsement_ids=[endorsement_id])
    return _OwnRenewal(endorsed, require(judged), last, ways)


def _render_own(page: PageRequest, renewal: _OwnRenewal, form: SubmitForm) -> HTMLResponse:
    standing, endorsed = renewal.standing, renewal.endorsed
    cycle = require(standing.plan.cycle)
    today = page.day_of(endorsed.association)
    key = (endorsed.id, cycle.starts_on)
    submissions = {key: renewal.last} if renewal.last else {}
    stage = require(view_stage(standing, submissions, renewal.ways, today, is_own=True))
    payments = {key: standing.facts.payments}
    return page.render(
        "renewal_submit.html",
        form=form,
        problems=form.problems(),
        **_name_own(renewal, cycle),
        closes_on=find_window(cycle, standing.due_on or cycle.due_on).closes_on,
        fees=list_renewal_fees(standing, payments, today),
        headline=format_headline(standing, today),
        name_on_record=endorsed.name,
        stage=stage,
        rows=[
            _view_result(result)
            for result in standing.results
            if result.requirement.counts not in _DONE_HERE
        ],
        statements=_list_statements(standing),
    )


def _ask_to_confirm(
    page: PageRequest, renewal: _OwnRenewal, form: SubmitForm, missing: Sequence[Result]
) -> HTMLResponse:
    """What will be missing, and whether to submit all the same."""
    return page.render(
        "renewal_confirm.html",
        form=form,
        rows=[_view_result(result) for result in missing],
        only_fee={result.requirement.counts for result in missing} == {"paid"},
        **_name_own(renewal, require(renewal.standing.plan.cycle)),
    )


def _name_own(renewal: _OwnRenewal, cycle: Cycle) -> dict[str, Any]:
    """What every page about a renewal of the viewer's says at its top."""
    endorsed = renewal.endorsed
    return {
        "here": "my-year",
        "path": f"/my-year/{endorsed.id}/{cycle.starts_on}",
        "association": endorsed.association,
        "category": category_name(renewal.standing.plan.rulebook, endorsed.category),
        "cycle": format_cycle(cycle),
    }


def _list_statements(standing: Standing) -> list[StatementView]:
    """What the plan has to sign, in its order."""
    plan = standing.plan
    required = {key for each in plan.requirements for key in each.rule.signed}
    views = []
    for key in plan.statements:
        stands_for = [
            result.requirement.label
            for result in standing.results
            if result.requirement.rule.attested_by == key
            and result.can_attest
            and result.outcome is Outcome.SHORT
        ]
        words = plan.rulebook.attestations[key]
        views.append(StatementView(key, words, key in required, stands_for))
    return views


def _view_result(result: Result) -> ResultView:
    return _format_result(result.requirement.label, result.requirement, result)


def _format_result(
    label: str, requirement: PlannedRequirement | None, result: Result | SettledResult
) -> ResultView:
    """A result in words; ``requirement`` is None if the rulebook no longer has it."""
    progress, missing = "", "Missing"
    if requirement is not None and requirement.is_of_sessions:
        needed = format_measure(result.required, requirement.unit)
        progress = f"{format_measure_number(result.counted, requirement.unit)} of {needed}"
        missing = "Not complete"
    elif requirement is not None:
        missing = MISSING_STATES[requirement.counts]
    if result.outcome is Outcome.SHORT:
        return ResultView(label, progress, missing, "warm")
    state = "Done" if result.outcome is Outcome.MET else result.outcome.value.capitalize()
    return ResultView(label, progress, state, "good")


@router.get("/coordinator/renewals/{submission_id}")
def show_submitted(page: CoordinatorPage, submission_id: RowId) -> HTMLResponse:
    """A submitted renewal: what was signed, what the records showed, and what they show now."""
    with page.reading() as session:
        submitted = get_submission(session, submission_id, page.viewer.coordinates)
    return _render_submitted(page, submitted)


@router.post("/coordinator/renewals/{submission_id}")
def decide(page: CoordinatorPage, submission_id: RowId, typed: Typed) -> Response:
    """Accept a renewal although something is missing, or return it: previewed, then done."""
    with page.reading() as session:
        submitted = get_submission(session, submission_id, page.viewer.coordinates)
    action = text_of(typed, "action")
    if action not in (_ACCEPT, _RETURN):
        return page.redirect(f"/coordinator/renewals/{submission_id}", "")
    reason = clean(text_of(typed, f"{action}_reason"))
    person, association = submitted.person, submitted.endorsement.association
    cycle = _format_cycle(submitted)

    def work(context: ServiceContext) -> None:
        decided = accept_renewal if action == _ACCEPT else return_renewal
        decided(context, submission_id, reason)
        renewal = get_submission(context.session, submission_id, {association})
        announce(page.site, context.session, [renewal], context.now, by=page.viewer.name)

    titles = {
        _ACCEPT: f"Accept the {cycle} renewal of {person.name}",
        _RETURN: f"Return the {cycle} renewal to {person.name}",
    }
    plan = ChangePlan(association, titles[action], frozenset({person.id}), _TABLES, work, reason)
    path = f"/coordinator/renewals/{submission_id}"
    try:
        return answer_change(page, typed, plan, action=path, back=path)
    except Refused as refused:
        problems = [(f"{action}_reason", words) for _, words in format_problems(refused)]
        return _render_submitted(page, submitted, typed, problems)


def _format_cycle(submitted: SubmittedRenewal) -> str:
    submission = submitted.submission
    return format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)


def _render_submitted(
    page: PageRequest,
    submitted: SubmittedRenewal,
    typed: FormData | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    submission, person, endorsement = submitted[:3]
    rulebook = page.rulebooks.associations[endorsement.association]
    with page.reading() as session:
        plan = require(
            page.rulebooks.plan(
                endorsement.association,
                endorsement.category,
                endorsement.starts_on,
                submission.cycle_starts_on,
            )
        )
        cycle = require(plan.cycle)
        standing = standing_in(
            session, page.rulebooks, page.day_of, endorsement.id, cycle.starts_on
        )
    sent: Any = typed if typed is not None else {}
    now = [_view_result(result) for result in standing.results] if standing else []
    then = _view_snapshot(parse_settlement(submission.content), standing)
    return page.render(
        "desk_renewal.html",
        problems=problems,
        here="coordinator",
        desk="today",
        association=endorsement.association,
        submitted=submitted,
        cycle=_format_cycle(submitted),
        category=category_name(rulebook, endorsement.category),
        then=then if any(row not in now for row in then) else [],
        now=now,
        renewed_through=find_renewed_through(
            page.rulebooks, endorsement, submission.cycle_starts_on
        ),
        lacks_fee=any(item.counts == "paid" for item in list_short(submitted.requirements)),
        may_accept=may(Act.ACCEPT, submission.state),
        may_return=may(Act.RETURN, submission.state),
        action=text_of(typed, "action") if typed is not None else "",
        texts={name: str(text) for name, text in sent.items()},
        names=page.team_names | {person.email: person.name},
        format_instant=lambda instant: format_instant(instant, rulebook.time_zone),
    )


def _view_snapshot(outcome: CycleSettlement, standing: Standing | None) -> list[ResultView]:
    """What the records showed when the renewal was submitted.

    The submission is not in it, nor what was signed with it: the records were read before.
    """
    planned = {r.id: r for r in standing.plan.requirements} if standing else {}
    settled = {r.id for r in planned.values() if r.counts in _SUBMITTED}
    return [
        _format_result(kept.label, planned.get(kept.requirement_id), kept)
        for kept in outcome.results
        if kept.requirement_id not in settled
    ]
