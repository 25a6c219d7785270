"""The form of the desk that removes an endorsement some time after it lapsed."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tracker.formatting import format_date
from tracker.notifications.removal_mail import notify_removed
from tracker.services.context import NotFound, ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.lapse_removals import LapsedEndorsement, find_lapsed, remove_lapsed
from tracker.services.person_record import PersonRecord
from tracker.web.forms.body import RowId, Typed
from tracker.web.forms.desk_person import RemovalForm
from tracker.web.page_request import ChangePage, PageRequest
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.desk_person import person_path, read_record

router = APIRouter()
_NOTE = (
    "Yesterday becomes the last day of the endorsement. The hours, renewals, and letters stay on "
    "record, and the endorsee gets an email."
)


@router.get("/coordinator/person/{person_id}/remove-lapsed/{endorsement_id}")
def open_lapse_removal(page: ChangePage, person_id: RowId, endorsement_id: RowId) -> HTMLResponse:
    """What lapsed when, and the field for the reason."""
    record, lapsed = _read(page, person_id, endorsement_id)
    return show_form(page, _form_of(page, record, lapsed, RemovalForm()))


@router.post("/coordinator/person/{person_id}/remove-lapsed/{endorsement_id}")
def remove_after_lapse(
    page: ChangePage, person_id: RowId, endorsement_id: RowId, typed: Typed
) -> Response:
    """Preview the removal, or remove the endorsement and mail its holder."""
    record, lapsed = _read(page, person_id, endorsement_id)
    form = RemovalForm(typed)
    shown = _form_of(page, record, lapsed, form)

    def work(context: ServiceContext) -> None:
        removed = remove_lapsed(context, endorsement_id)
        notify_removed(page.site, context.session, removed, context.now)

    name = f"{lapsed.endorsement.association} {lapsed.endorsement.category}"
    plan = ChangePlan(
        association=shown.association,
        title=fit_title(f"Remove the lapsed endorsement {name} of {record.person.name}"),
        person_ids=frozenset({person_id}),
        tables=("endorsement",),
        work=work,
        reason=form.reason.data,
    )
    return answer_form(page, shown, typed, plan)


def _read(
    page: PageRequest, person_id: int, endorsement_id: int
) -> tuple[PersonRecord, LapsedEndorsement]:
    record = read_record(page, person_id)
    with page.reading() as session:
        lapsed = find_lapsed(page.context(session), endorsement_id)
    if lapsed.endorsement.person_id != person_id:
        raise NotFound
    return record, lapsed


def _form_of(
    page: PageRequest, record: PersonRecord, lapsed: LapsedEndorsement, form: RemovalForm
) -> DeskForm:
    endorsement, path = lapsed.endorsement, person_path(record.person.id)
    rulebook = page.rulebooks.associations[endorsement.association]
    category = rulebook.categories.get(endorsement.category)
    name = category.name if category else endorsement.category
    facts = [
        ("Endorsement", f"{endorsement.association} {endorsement.category}: {name}"),
        ("Renewal was due", format_date(lapsed.due_on)),
        ("Grace period ended", format_date(lapsed.grace_ends_on)),
        ("Removal due", format_date(lapsed.removal_on)),
    ]
    return DeskForm(
        association=endorsement.association,
        title="Remove the lapsed endorsement",
        action=f"{path}/remove-lapsed/{endorsement.id}",
        back=path,
        back_name=record.person.name,
        form=form,
        facts=facts,
        note=_NOTE,
        removes=True,
        links=[(f"{path}/change/endorsement/{endorsement.id}", "Enter another last day instead")],
    )
