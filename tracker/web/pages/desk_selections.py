"""What a coordinator does for the chosen rows of the list of people: a form, a preview, done."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from tracker.formatting import (
    capitalize_first,
    format_count,
    format_date,
    format_short_date,
    lowercase_first,
)
from tracker.notifications.grant_mail import notify_grants
from tracker.notifications.people_text import format_status
from tracker.refusal_text import format_refusal
from tracker.rules.requirement import INDIVIDUAL
from tracker.services.bulk_changes import (
    BulkChange,
    BulkOutcome,
    RowChange,
    add_membership,
    extend,
    list_requirements,
    mark,
    waive,
)
from tracker.services.context import Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.memberships import list_recordable_organizations
from tracker.services.people_filter import parse_query
from tracker.services.selections import SelectedPeople, get_selection
from tracker.web.forms.body import OwnForm, RowId, Typed, text_of
from tracker.web.forms.selection import BulkExtensionForm, BulkWaiverForm, MarkForm
from tracker.web.page_request import ChangePage, PageRequest, format_problems, require
from tracker.web.pages.desk import STATE, answer_change
from tracker.web.pages.desk_people import EXTEND, MARK, MEMBERSHIP, PATH, WAIVE
from tracker.web.pages.memberships import MembershipForm, organization_choices

router = APIRouter()
_OUTCOMES = "outcomes"
_MOST_SHOWN = 100


class _Wanted(NamedTuple):
    """What was chosen in a form: the change of a row, what it is called, and why it is done.

    ``result`` says what happens to a row. ``table`` is the one in which it changes rows; ``once``:
    one row a person is enough.
    """

    change: RowChange
    title: str
    result: str
    table: str
    reason: str = ""
    once: bool = False


class _Action(NamedTuple):
    """One thing to do: its title for some people, its form for a selection, and how it is read.

    Reading gives None if something in the form is wrong.
    """

    title: str
    build: Callable[[PageRequest, SelectedPeople, FormData | None], OwnForm]
    read: Callable[[PageRequest, SelectedPeople, Any], _Wanted | None]


class _Line(NamedTuple):
    """What happens to a row: its name, how it stands, how it stood when chosen, and why not."""

    name: str
    state: str
    former_state: str
    refusal: str


@dataclass(frozen=True, slots=True)
class _OutcomesView:
    """The outcomes of the last run in words; templates print them after the preview has run."""

    bulk: BulkChange
    result: str

    @property
    def able(self) -> int:
        """How many rows are changed."""
        return len(self.bulk.changed)

    @property
    def skipped(self) -> int:
        """How many rows are left as they are."""
        return len(self.bulk.outcomes) - self.able

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why rows are left as they are, the most frequent reason first, with how many."""
        texts = (_format_refusal(one) for one in self.bulk.outcomes if one.refusal)
        return Counter(texts).most_common()

    @property
    def lines(self) -> list[_Line]:
        """The rows that changed since they were chosen, those that can't, and then the others."""
        ordered = sorted(self.bulk.outcomes, key=lambda one: (not one.has_moved, one.is_done))
        return [
            _Line(
                one.row.name,
                _format_state(one.now_status, one.now_due_on),
                _format_state(one.row.status, one.row.due_on) if one.has_moved else "",
                _format_refusal(one) if one.refusal else "",
            )
            for one in ordered[:_MOST_SHOWN]
        ]

    @property
    def more(self) -> int:
        """How many rows `lines` leaves out."""
        return max(0, len(self.bulk.outcomes) - _MOST_SHOWN)

    @property
    def digest(self) -> str:
        """What the form sends, so that nothing else than what is shown is done."""
        return self.bulk.digest


def _format_refusal(outcome: BulkOutcome) -> str:
    refusal = outcome.refusal
    return format_refusal(refusal.code, refusal.facts) if refusal else ""


def _format_state(status: str, due_on: date | None) -> str:
    words = format_status(status) if status else "No renewal"
    return f"{words}, due {format_short_date(due_on)}" if due_on else words


@router.get("/coordinator/selections/{selection_id}/{action}")
def show_action(page: ChangePage, selection_id: RowId, action: str) -> HTMLResponse:
    """The form of one thing to do for the chosen rows."""
    selected = _get_selected(page, selection_id)
    form = require(_ACTIONS.get(action)).build(page, selected, None)
    return _render_form(page, selected, action, form)


@router.post("/coordinator/selections/{selection_id}/{action}")
def do_action(page: ChangePage, selection_id: RowId, action: str, typed: Typed) -> Response:
    """Show what would happen to each row; do it, once that was confirmed."""
    selected = _get_selected(page, selection_id)
    chosen = require(_ACTIONS.get(action))
    form = chosen.build(page, selected, typed)
    wanted = chosen.read(page, selected, form)
    if wanted is None:
        return _render_form(page, selected, action, form)
    bulk = BulkChange(selected, wanted.change, wanted.once, text_of(typed, _OUTCOMES))

    def work(context: ServiceContext) -> None:
        grants = bulk.run(context)
        notify_grants(page.site, context.session, grants, context.now)

    plan = ChangePlan(
        association=selected.association,
        title=wanted.title,
        person_ids=frozenset(selected.person_ids),
        tables=(wanted.table,),
        work=work,
        reason=wanted.reason,
    )
    # The outcomes say more than the state of the rows that are changed: see `BulkChange.run`.
    replaced = {_OUTCOMES, STATE}
    kept = [(name, value) for name, value in typed.multi_items() if name not in replaced]
    try:
        return answer_change(
            page,
            FormData(kept),
            plan,
            action=f"/coordinator/selections/{selection_id}/{action}",
            back=_list_path(selected),
            template="desk_bulk_preview.html",
            outcomes=_OutcomesView(bulk, wanted.result),
        )
    except Refused as refused:
        return _render_form(page, selected, action, form, format_problems(refused))


def _get_selected(page: PageRequest, selection_id: int) -> SelectedPeople:
    with page.reading() as session:
        return get_selection(session, page.viewer.actor, selection_id, page.now)


def _list_path(selected: SelectedPeople) -> str:
    """The list as it was filtered when the rows were chosen."""
    query = f"&{selected.query}" if selected.query else ""
    return f"{PATH}?{urlencode({'association': selected.association})}{query}"


def _render_form(
    page: PageRequest,
    selected: SelectedPeople,
    action: str,
    form: OwnForm,
    problems: list[tuple[str, str]] | None = None,
) -> HTMLResponse:
    return page.render(
        "desk_selection.html",
        form=form,
        problems=problems or (),
        here="coordinator",
        desk="people",
        association=selected.association,
        selected=selected,
        audience=describe_selection(selected),
        action=action,
        title=_ACTIONS[action].title.format(_count(selected)),
        back=_list_path(selected),
        today=page.day_of(selected.association),
    )


def describe_selection(selected: SelectedPeople) -> str:
    """Whom a coordinator chose: everyone in the list, all who match its filter, or some."""
    if not selected.is_whole:
        return "Checked in the list"
    is_everyone = parse_query(selected.query).is_empty
    return "Everyone in the list" if is_everyone else "All who match the filter"


def _count(selected: SelectedPeople) -> str:
    return format_count(len(selected.person_ids), "person", "people")


def _build_waiver(
    page: PageRequest, selected: SelectedPeople, typed: FormData | None
) -> BulkWaiverForm:
    with page.reading() as session:
        labels = list_requirements(session, selected)
    form = BulkWaiverForm(typed)
    form.offer(labels)
    return form


def _read_waiver(
    _page: PageRequest, selected: SelectedPeople, form: BulkWaiverForm
) -> _Wanted | None:
    parsed = form.parse()
    if parsed is None:
        return None
    requirement, reason = parsed
    label = lowercase_first(form.labels[requirement])
    title = f"Waive {label} ({_count(selected)} selected)"
    result = f"{form.labels[requirement]} is waived"
    return _Wanted(waive(requirement, reason), title, capitalize_first(result), "waiver", reason)


def _build_extension(
    _page: PageRequest, _selected: SelectedPeople, typed: FormData | None
) -> BulkExtensionForm:
    return BulkExtensionForm(typed)


def _read_extension(
    page: PageRequest, selected: SelectedPeople, form: BulkExtensionForm
) -> _Wanted | None:
    parsed = form.parse(page.day_of(selected.association))
    if parsed is None:
        return None
    due_on, reason = parsed
    title = f"Extend the due date to {format_date(due_on)} ({_count(selected)} selected)"
    result = f"Due {format_short_date(due_on)}"
    return _Wanted(extend(due_on, reason), title, result, "renewal", reason)


def _build_membership(
    page: PageRequest, _selected: SelectedPeople, typed: FormData | None
) -> MembershipForm:
    with page.reading() as session:
        organizations = require(list_recordable_organizations(page.context(session)))
    form = MembershipForm(typed, data={"length": "year", "organization": organizations[0]})
    form.organization.choices = organization_choices(page.rulebooks, organizations)
    return form


def _read_membership(
    page: PageRequest, selected: SelectedPeople, form: MembershipForm
) -> _Wanted | None:
    term = form.parse_term(page.day_of(selected.association))
    if term is None:
        return None
    kind = "" if term.kind == INDIVIDUAL else f"{term.kind} "
    title = f"Add a {term.organization} {kind}membership ({_count(selected)} selected)"
    result = f"{term.organization} {kind}membership is added"
    return _Wanted(add_membership(term), title, result, "membership", once=True)


def _build_mark(_page: PageRequest, _selected: SelectedPeople, typed: FormData | None) -> MarkForm:
    return MarkForm(typed)


def _read_mark(_page: PageRequest, selected: SelectedPeople, form: MarkForm) -> _Wanted | None:
    label = form.parse()
    if label is None:
        return None
    title = f"Mark as “{label}” ({_count(selected)} selected)"
    change, result = mark(selected.association, label), f"Marked “{label}”"
    return _Wanted(change, title, result, "person_mark", once=True)


_ACTIONS = {
    WAIVE: _Action("Waive a requirement for {}", _build_waiver, _read_waiver),
    EXTEND: _Action("Extend the due date for {}", _build_extension, _read_extension),
    MEMBERSHIP: _Action("Add a membership for {}", _build_membership, _read_membership),
    MARK: _Action("Mark {}", _build_mark, _read_mark),
}
