"""The desk's own pages: the preview of a change, what was changed, and undoing it.

`answer_change` is how every form of the desk saves: it shows first what the change would do to
standings and emails, then does it, and offers to undo it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.desk import DeskChange
from tracker.formatting import capitalize_first, format_cycle_span
from tracker.importer.plan_records import find_import_of
from tracker.notifications.attention_text import format_missing
from tracker.notifications.renewal_mail import announce
from tracker.notifications.undo_mail import undo_change_with_letters
from tracker.rules.cycles import cycle_containing
from tracker.rules.stages import Stage
from tracker.services.context import Refused, ServiceContext
from tracker.services.dashboard import ShortRequirement
from tracker.services.desk_changes import (
    MAY_UNDO_FOR,
    REVERSED,
    ChangePlan,
    apply_difference,
    are_all_kept,
    count_changes,
    find_change,
    find_saved,
    list_changes,
    list_made_within,
    list_people_of,
    may_undo,
)
from tracker.services.desk_previews import (
    ChangePreview,
    DecidedRenewal,
    StandingChange,
    StoredStanding,
    preview_change,
)
from tracker.services.evaluation import immediate_evaluation
from tracker.services.fees import CHANGED_BY_PAYMENTS
from tracker.services.submissions import list_unannounced
from tracker.services.team import Area
from tracker.web.dependencies import FEES_PATH, Viewer
from tracker.web.forms.body import RowId
from tracker.web.import_work import undo_import
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    format_problems,
    require,
)
from tracker.web.rendering import format_cycle

router = APIRouter()
# What a preview's form sends besides what was typed.
_CONFIRMED, STATE = "confirmed", "state"
_MOST_SHOWN, _MOST_MESSAGES = 100, 20
_CONFLICT = "changed-since-preview"
_SAVED, _UNCHANGED = "saved-change-", "unchanged"
# What a new status means for emails.
_FOLLOWS = {
    "met": "Reminders stop.",
    "excused": "Reminders stop.",
    "lapsed": "An email about the lapse follows with the next reminders.",
    "overdue": "Reminders follow.",
    "open": "Reminders follow as the due date comes near.",
}


def choose_association(viewer: Viewer, association: str) -> str:
    """The association that the viewer chose, or else their first; 404 if it is not theirs."""
    association = association or viewer.coordinates[0]
    require(association in viewer.coordinates)
    return association


class PreviewLine(NamedTuple):
    """A renewal whose standing moves: whose it is, and its status and what is missing."""

    name: str
    renewal: str
    before: str
    after: str
    follows: str


def answer_change(
    page: PageRequest,
    typed: FormData,
    plan: ChangePlan,
    *,
    action: str,
    back: str,
    template: str = "desk_preview.html",
    **more: Any,  # noqa: ANN401 - what a template prints
) -> Response:
    """Show what a change would do, or do it if the form comes from that preview.

    ``action`` is the path that the form is sent to, ``back`` the path of the page to return to.
    ``template`` extends that of the preview, and shows ``more`` of it.
    Raises Refused if the work refuses what was typed.
    """
    conflict: Refused | None = None
    plan = _announcing(page, plan)
    if _CONFIRMED in typed:
        state = str(typed.get(STATE, ""))
        plan = replace(plan, form=digest_form(action, typed))
        try:
            return page.redirect(back, page.write(lambda context: _apply(context, plan, state)))
        except Refused as refused:
            if [one.code for one in refused.refusals] != [_CONFLICT]:
                raise
            conflict = refused
    preview = page.write(lambda context: preview_change(context, plan))
    kept = [
        (name, str(text)) for name, text in typed.multi_items() if name not in {_CONFIRMED, STATE}
    ]
    return page.render(
        template,
        here="coordinator",
        association=plan.association,
        title=plan.title,
        reason=plan.reason,
        lines=list(_format_lines(page, preview.standings[:_MOST_SHOWN])),
        more=max(0, len(preview.standings) - _MOST_SHOWN),
        messages=preview.messages[:_MOST_MESSAGES],
        more_messages=max(0, len(preview.messages) - _MOST_MESSAGES),
        row_count=preview.row_count,
        decided=[_describe_decided(each) for each in preview.decided],
        action=action,
        back=back,
        kept=[*kept, (STATE, preview.state)],
        problems=[("save", words) for _, words in format_problems(conflict)] if conflict else (),
        **more,
    )


def digest_form(action: str, typed: FormData) -> str:
    """The same for a form that is sent again, as by a double click, and for no other."""
    sent = [(name, str(text)) for name, text in typed.multi_items()]
    return hashlib.sha256(json.dumps([action, sent]).encode()).hexdigest()


def _announcing(page: PageRequest, plan: ChangePlan) -> ChangePlan:
    """The plan with the emails about the submitted renewals that it completes, or returns."""
    if plan.association not in page.rulebooks.submitting:
        return plan

    def work(context: ServiceContext) -> Collection[int] | None:
        session, association = context.session, plan.association
        waiting = {
            (one.submission.id, one.submission.state)
            for one in list_unannounced(session, association)
        }
        with immediate_evaluation(session):
            people = plan.work(context)
        session.flush()
        for one in list_unannounced(session, association):
            if (one.submission.id, one.submission.state) not in waiting:
                announce(page.site, session, [one], context.now)
        return people

    return replace(plan, work=work)


def _describe_decided(renewal: DecidedRenewal) -> str:
    """What becomes of a submitted renewal."""
    cycle = format_cycle_span(renewal.cycle_starts_on, renewal.cycle_ends_on)
    whose = f"the {cycle} renewal of {renewal.name}"
    if renewal.state == Stage.RETURNED:
        revoked = " Its certificate is no longer valid." if renewal.has_certificate else ""
        return f"Returns {whose}.{revoked}"
    if renewal.state != Stage.ACCEPTED:
        return f"Takes back the decision about {whose}."
    return f"Accepts {whose}{' and issues its certificate' if renewal.has_certificate else ''}."


def save_change(page: PageRequest, plan: ChangePlan, *, back: str) -> Response:
    """Do a change that moves no standing, without a preview, and offer to undo it.

    Raises Refused if the work refuses.
    """
    return page.redirect(back, page.write(lambda context: _apply(context, plan)))


def _apply(context: ServiceContext, plan: ChangePlan, state: str = "") -> str:
    """Do a change; returns the code of what the next page says."""
    change = apply_difference(context, plan, state)
    return f"{_SAVED}{change.id}" if change else _UNCHANGED


def answer_again(page: PageRequest, association: str, form: str, *, back: str) -> Response | None:
    """The answer to a form that has been saved already; None if it comes for the first time."""
    with page.reading() as session:
        saved = find_saved(page.context(session), association, form)
    return None if saved is None else page.redirect(back, f"{_SAVED}{saved.id}")


def save_announced(
    page: PageRequest,
    plan: ChangePlan,
    is_announced: Callable[[ChangePreview], bool],
    *,
    back: str,
) -> Response | None:
    """Do a change whose form says what it does; None, and nothing is done, if it does other things.

    Raises Refused if the work refuses.
    """
    announced = _announcing(page, plan)

    def work(context: ServiceContext) -> str | None:
        preview = preview_change(context, announced)
        return _apply(context, announced, preview.state) if is_announced(preview) else None

    saved = page.write(work)
    return None if saved is None else page.redirect(back, saved)


@router.get("/coordinator/changes")
def show_changes(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """What was changed on an association's desk, newest first."""
    association = choose_association(page.viewer, association)
    with page.reading() as session:
        skip = (number - 1) * PAGE_SIZE
        changes = list_changes(session, [association], skip=skip, limit=PAGE_SIZE)
        pages = count_pages(count_changes(session, [association]))
        undo_paths = find_undo_paths(page, session, changes)
    return page.render(
        "desk_changes.html",
        here="coordinator",
        association=association,
        changes=[(change, undo_paths.get(change.id)) for change in changes],
        days=MAY_UNDO_FOR.days,
        page=number,
        pages=pages,
    )


@router.get("/coordinator/changes/{change_id}")
def show_change(page: CoordinatorPage, change_id: RowId, number: PageNumber = 1) -> HTMLResponse:
    """One change: whom it touched, and what undoing it did."""
    return _render_change(page, change_id, (), number)


@router.post("/coordinator/changes/{change_id}/undo")
def undo(page: CoordinatorPage, change_id: RowId) -> Response:
    """Undo a change; its page says for each person what happened. An import has its own page."""
    with page.reading() as session:
        plan_id = find_import_of(session, page.viewer.actor, change_id)
    if plan_id is not None:
        return undo_import(page, plan_id)
    return _undo(page, change_id)


@router.post(f"{FEES_PATH}/changes/{{change_id}}/undo")
def undo_payment(page: CoordinatorPage, change_id: RowId) -> Response:
    """Undo what the viewer did with payments, for those who may change nothing else."""
    with page.reading() as session:
        change = require(find_change(session, page.viewer.coordinates, change_id))
        require(list_made_within(session, [change], page.viewer.email, CHANGED_BY_PAYMENTS))
    return _undo(page, change_id)


def find_undo_paths(
    page: PageRequest, session: Session, changes: Sequence[DeskChange]
) -> dict[int, str]:
    """Where the form to undo each of these changes goes; only for those the viewer may undo."""
    recent = [change for change in changes if may_undo(change, page.now)]
    paths = {
        change.id: f"/coordinator/changes/{change.id}/undo"
        for change in recent
        if page.viewer.may_change(change.association)
    }
    payments = [
        change
        for change in recent
        if change.id not in paths and page.viewer.may_change(change.association, Area.FEES)
    ]
    if payments:
        own = list_made_within(session, payments, page.viewer.email, CHANGED_BY_PAYMENTS)
        paths |= {number: f"{FEES_PATH}/changes/{number}/undo" for number in own}
    return paths


def _undo(page: PageRequest, change_id: int) -> Response:
    def work(context: ServiceContext) -> str:
        records = undo_change_with_letters(page.site, context, change_id)
        return "all-kept" if are_all_kept(records) else "undone"

    try:
        message = page.write(work)
    except Refused as refused:
        return _render_change(page, change_id, format_problems(refused))
    return page.redirect(f"/coordinator/changes/{change_id}", message)


def _render_change(
    page: PageRequest, change_id: int, problems: Sequence[tuple[str, str]], number: int = 1
) -> HTMLResponse:
    """A page of the people, those whose records were kept first."""
    with page.reading() as session:
        change = find_change(session, page.viewer.coordinates, change_id)
        if change is None:
            raise HTTPException(404)
        records = list_people_of(session, change_id)
        undo_path = find_undo_paths(page, session, [change]).get(change_id)
    records.sort(key=lambda record: record.outcome in {"", REVERSED})
    pages = count_pages(len(records))
    number = min(number, pages)
    first = (number - 1) * PAGE_SIZE
    return page.render(
        "desk_change.html",
        here="coordinator",
        association=change.association,
        change=change,
        records=records[first : first + PAGE_SIZE],
        page=number,
        pages=pages,
        undo_path=undo_path,
        days=MAY_UNDO_FOR.days,
        problems=problems,
    )


def _format_lines(page: PageRequest, changes: Sequence[StandingChange]) -> Iterator[PreviewLine]:
    for change in changes:
        cycles = page.rulebooks.associations[change.association].cycles
        cycle = cycle_containing(cycles, change.cycle_starts_on, change.cycle_starts_on)
        renewal = " · ".join([change.category, *([format_cycle(cycle)] if cycle else [])])
        before, after = (
            _format_standing(standing, is_removed=is_removed)
            for standing, is_removed in zip(
                (change.before, change.after), change.removed, strict=True
            )
        )
        yield PreviewLine(change.name, renewal, before, after, _describe_follows(change))


def _format_standing(standing: StoredStanding | None, *, is_removed: bool) -> str:
    if standing is None:
        return "Removed" if is_removed else "Not tracked"
    short = [ShortRequirement.of_stored(one) for one in standing.short]
    missing = f", {format_missing(short)} missing" if short else ""
    return f"{capitalize_first(standing.status)}{missing}"


def _describe_follows(change: StandingChange) -> str:
    """What the new status means for emails."""
    before = change.before.status if change.before else ""
    after = change.after.status if change.after else ""
    if after == before:
        return ""
    return _FOLLOWS.get(after, "")
