"""Removing a wrong row of a person's record, such as an endorsement that was somebody else's."""

from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tracker.formatting import format_date
from tracker.notifications.undo_mail import remove_with_letters
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.person_record import PersonRecord
from tracker.services.removals import RemovableRow, get_removable
from tracker.web.forms.body import RowId, Typed
from tracker.web.forms.desk_person import RemovalForm
from tracker.web.page_request import ChangePage, PageRequest, require
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.desk_person import person_path, read_record

router = APIRouter()
# What can be removed, by the word in its path: as people call it.
_NOUNS = {
    "endorsement": "endorsement",
    "membership": "membership",
    "vetting": "vetting",
    "leave": "leave",
    "waiver": "waiver",
    "extension": "later due date",
}
_LABELS = {
    "association": "Association",
    "category": "Category",
    "organization": "Organization",
    "requirement": "Requirement",
    "starts_on": "First day",
    "ends_on": "Last day",
    "cycle_starts_on": "Cycle from",
    "extended_due_on": "Due",
}
_NOTE = (
    "Remove only what should never have been recorded: what is over gets a last day instead. "
    "What belongs to it goes too. An email about it that has not left is dropped; if one has left, "
    "a correction follows."
)


@router.get("/coordinator/person/{person_id}/remove/{kind}/{row_id}")
def open_removal(page: ChangePage, person_id: RowId, kind: str, row_id: RowId) -> HTMLResponse:
    """What would be removed, and the field for the reason."""
    record, row = _read(page, person_id, kind, row_id)
    return show_form(page, _form_of(record, row, RemovalForm()))


@router.post("/coordinator/person/{person_id}/remove/{kind}/{row_id}")
def remove(page: ChangePage, person_id: RowId, kind: str, row_id: RowId, typed: Typed) -> Response:
    """Preview the removal, or remove the row."""
    record, row = _read(page, person_id, kind, row_id)
    form = RemovalForm(typed)
    shown = _form_of(record, row, form)
    plan = ChangePlan(
        association=shown.association,
        title=fit_title(f"{shown.title} of {record.person.name}"),
        person_ids=frozenset({person_id}),
        # Undoing the removal is what undoes the rest.
        tables=("removal",),
        work=lambda context: _remove(page, context, row, form),
        reason=form.reason.data,
    )
    return answer_form(page, shown, typed, plan)


def _remove(
    page: PageRequest, context: ServiceContext, row: RemovableRow, form: RemovalForm
) -> None:
    remove_with_letters(page.site, context, row, form.reason.data)


def _read(
    page: PageRequest, person_id: int, kind: str, row_id: int
) -> tuple[PersonRecord, RemovableRow]:
    """The record and the row; 404 if the row is not the viewer's to remove."""
    require(kind in _NOUNS)
    record = read_record(page, person_id)
    with page.reading() as session:
        return record, get_removable(page.context(session), kind, person_id, row_id)


def _stays(record: PersonRecord, row: RemovableRow) -> bool:
    """Whether the person still belongs to the viewer's associations once the row is removed."""
    reasons = len(record.endorsements) + len(record.vettings) + len(record.applications)
    return row.kind not in {"endorsement", "vetting"} or reasons > 1


def _form_of(record: PersonRecord, row: RemovableRow, form: RemovalForm) -> DeskForm:
    path = person_path(record.person.id)
    facts = []
    for name, label in _LABELS.items():
        value = row.values.get(name)
        if value is not None:
            facts.append((label, str(value) if isinstance(value, str) else format_date(value)))
    association = row.values.get("association") or record.associations[0]
    changes = f"/coordinator/changes?{urlencode({'association': association})}"
    return DeskForm(
        association=association,
        title=f"Remove the {_NOUNS[row.kind]}",
        action=f"{path}/remove/{row.kind}/{row.id}",
        back=path if _stays(record, row) else changes,
        back_name=record.person.name,
        form=form,
        facts=facts,
        note=_NOTE,
        removes=True,
    )
