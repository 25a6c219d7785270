"""Whom a person's RSC sessions name as the provider: linked to somebody on file, or corrected."""

from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from wtforms import SelectChoice, SelectField, StringField

from tracker.formatting import format_count, format_hours_with_unit
from tracker.notifications.provider_mail import notify_relinked
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.person_record import LoggedProvider, PersonRecord
from tracker.services.provider_links import (
    find_provider_by_email,
    list_link_choices,
    relink_sessions,
)
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import RowId, Typed, clean, parse_id
from tracker.web.forms.desk_person import ReasonForm
from tracker.web.page_request import ChangePage, PageRequest, require
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.desk_person import person_path, read_record

router = APIRouter()


class ProviderLinkForm(ReasonForm):
    """The right provider, chosen or by address."""

    parts = (("select", "provider"), ("email", "email"))
    first_field = "provider"
    hints: ClassVar = {"email": "Of somebody on file who is not in the list. Leave it empty if so."}
    provider = SelectField("Right provider", validate_choice=False)
    email = StringField("Or the provider's email address", filters=[clean])


@router.get("/coordinator/person/{person_id}/provider")
def open_link(
    page: ChangePage,
    person_id: RowId,
    number: Annotated[int, Query(alias="provider", ge=0)] = 0,
    name: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """The form that links the sessions with one provider to another one."""
    record = read_record(page, person_id)
    used = _find_use(record, number, name)
    return show_form(page, _form_of(page, record, used, ProviderLinkForm()))


@router.post("/coordinator/person/{person_id}/provider")
def save_link(
    page: ChangePage,
    person_id: RowId,
    typed: Typed,
    number: Annotated[int, Query(alias="provider", ge=0)] = 0,
    name: Annotated[str, Query()] = "",
) -> Response:
    """Preview or save the link."""
    record = read_record(page, person_id)
    used = _find_use(record, number, name)
    form = ProviderLinkForm(typed)
    shown = _form_of(page, record, used, form)
    sessions = format_count(used.sessions, "session")
    plan = ChangePlan(
        association=shown.association,
        title=fit_title(
            f"Link {sessions} of {record.person.name} with {used.name} to another provider"
        ),
        person_ids=frozenset({person_id}),
        tables=("entry",),
        work=lambda context: _relink(page, context, record, used, form),
        reason=form.reason.data,
    )
    return answer_form(page, shown, typed, plan)


def _relink(
    page: PageRequest,
    context: ServiceContext,
    record: PersonRecord,
    used: LoggedProvider,
    form: ProviderLinkForm,
) -> None:
    provider_id = parse_id(form.provider.data or "")
    if form.email.data:
        provider_id = find_provider_by_email(context, normalize_email(form.email.data))
    named = used.provider_id or used.name
    linked = relink_sessions(context, record.person.id, named, provider_id)
    notify_relinked(page.site, context, linked, used.name)


def _find_use(record: PersonRecord, number: int, name: str) -> LoggedProvider:
    """The provider whose sessions are linked anew; 404 if none of the person's has it."""
    for used in record.providers:
        is_meant = used.provider_id == number if number else used.name == name
        if is_meant and used.name and (number or used.provider_id is None):
            return used
    return require(None)


def _form_of(
    page: PageRequest, record: PersonRecord, used: LoggedProvider, form: ProviderLinkForm
) -> DeskForm:
    path = person_path(record.person.id)
    with page.reading() as session:
        choices = list_link_choices(page.context(session), record.person.id)
    options = [("", "Choose")]
    options += [(str(one.id), one.name) for one in choices if one.id != used.provider_id]
    form.provider.choices = [SelectChoice(*each) for each in options]
    query = {"provider": used.provider_id} if used.provider_id else {"name": used.name}
    hours = format_hours_with_unit(used.minutes)
    return DeskForm(
        association=record.associations[0],
        title="Change the RSC provider" if used.provider_id else "Link to a person on file",
        action=f"{path}/provider?{urlencode(query)}",
        back=path,
        back_name=record.person.name,
        form=form,
        facts=[
            ("Provider in the log", used.name),
            ("Sessions", f"{used.sessions}, {hours}"),
        ],
        note="All of these sessions change together. An email tells the endorsee.",
    )
