"""What qualifies an RSC provider: the coordinator records vetting or an endorsement elsewhere."""

from collections.abc import Callable
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from tracker.db.people import Person
from tracker.db.providers import OutsideEndorsement
from tracker.services.context import Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.provider_credentials import (
    NewCredential,
    accepts_vetting_elsewhere,
    add_credential,
    change_outside_endorsement,
    list_categories,
    remove_outside_endorsement,
)
from tracker.services.provider_overview import is_provider_of
from tracker.web.forms.body import RowId, Typed, text_of
from tracker.web.forms.provider_answer import VETTED_ELSEWHERE, CredentialForm
from tracker.web.page_request import ChangePage, PageRequest, require
from tracker.web.pages.desk import answer_change, choose_association
from tracker.web.rendering import category_names

router = APIRouter()
_CREDENTIAL = "/coordinator/providers/{person_id}/credential"
_ELSEWHERE = "/coordinator/providers/elsewhere/{outside_id}"
_OUTSIDE = str(OutsideEndorsement.__tablename__)


class CredentialChoices(NamedTuple):
    """The names of associations, and the categories with their labels."""

    organizations: list[str]
    categories: list[tuple[str, str]]


class _Recorded(NamedTuple):
    """An endorsement elsewhere, and the name of the provider."""

    outside: OutsideEndorsement
    name: str

    @property
    def what(self) -> str:
        """``IMHM-C endorsement``, or ``vetting``."""
        return f"{self.outside.category} endorsement" if self.outside.category else "vetting"


@router.get(_CREDENTIAL)
def open_credential(
    page: ChangePage, person_id: RowId, association: Annotated[str, Query()] = ""
) -> HTMLResponse:
    """The form for what qualifies a provider."""
    association = choose_association(page.viewer, association)
    return _render_credential(page, association, person_id, CredentialForm())


@router.post(_CREDENTIAL)
def record_credential(page: ChangePage, person_id: RowId, typed: Typed) -> Response:
    """Show whose hours would count, and then save it."""
    association = text_of(typed, "association")
    require(association in page.viewer.coordinates)
    name = _find_name(page, association, person_id)
    form = CredentialForm(typed)
    form.validate()
    new = form.parse_credential(page.rulebooks, page.day_of(association))
    if new is not None:
        plan = ChangePlan(
            association,
            f"Record {_describe(association, new)} for {name}",
            frozenset([person_id]),
            ("vetting", _OUTSIDE),
            lambda context: add_credential(context, association, person_id, new),
        )
        try:
            action = _CREDENTIAL.format(person_id=person_id)
            return answer_change(
                page, typed, plan, action=action, back=_provider_path(association, person_id)
            )
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return _render_credential(page, association, person_id, form)


@router.get(_ELSEWHERE)
def open_elsewhere(page: ChangePage, outside_id: RowId) -> HTMLResponse:
    """An endorsement elsewhere, to change its last day or to remove it."""
    recorded = _read_recorded(page, outside_id)
    form, ends_on = CredentialForm(), recorded.outside.ends_on
    if ends_on is not None:
        form.ends_day.data, form.ends_year.data = str(ends_on.day), str(ends_on.year)
        form.ends_month.data = str(ends_on.month)
    return _render_elsewhere(page, recorded, form)


@router.post(_ELSEWHERE)
def change_elsewhere(page: ChangePage, outside_id: RowId, typed: Typed) -> Response:
    """Show what another last day does, and then save it."""
    recorded = _read_recorded(page, outside_id)
    form = CredentialForm(typed)
    form.validate()
    ends_on = form.parse_last_day(page.day_of(recorded.outside.known_to))
    if not form.errors:

        def work(context: ServiceContext) -> None:
            change_outside_endorsement(context, outside_id, ends_on)

        plan = _plan_elsewhere(recorded, "Change the last day of", work)
        try:
            return _answer_elsewhere(page, typed, recorded, plan, "")
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return _render_elsewhere(page, recorded, form)


@router.post(_ELSEWHERE + "/remove")
def remove_elsewhere(page: ChangePage, outside_id: RowId, typed: Typed) -> Response:
    """Show which hours would no longer count, and then remove the endorsement."""
    recorded = _read_recorded(page, outside_id)

    def work(context: ServiceContext) -> None:
        remove_outside_endorsement(context, outside_id)

    plan = _plan_elsewhere(recorded, "Remove", work)
    try:
        return _answer_elsewhere(page, typed, recorded, plan, "/remove")
    except Refused as refused:
        form = CredentialForm()
        form.add_refusals(refused.refusals)
        return _render_elsewhere(page, recorded, form)


def list_credential_choices(page: PageRequest, association: str) -> CredentialChoices:
    """What the form for a credential offers."""
    rulebooks = page.rulebooks
    labels = category_names(rulebooks, rulebooks.associations[association])
    known = rulebooks.organizations.values()
    categories = [
        (each, labels.get(each, each)) for each in list_categories(rulebooks, association)
    ]
    if accepts_vetting_elsewhere(rulebooks, association):
        categories.append((VETTED_ELSEWHERE, "Vetted, without an endorsement"))
    organizations = [each.name for each in known if each.infant_mental_health]
    return CredentialChoices(organizations, categories)


def _plan_elsewhere(
    recorded: _Recorded, verb: str, work: Callable[[ServiceContext], None]
) -> ChangePlan:
    outside = recorded.outside
    return ChangePlan(
        outside.known_to,
        f"{verb} the {recorded.what} by {outside.association} of {recorded.name}",
        frozenset([outside.person_id]),
        (_OUTSIDE,),
        work,
    )


def _answer_elsewhere(
    page: PageRequest, typed: Typed, recorded: _Recorded, plan: ChangePlan, suffix: str
) -> Response:
    outside = recorded.outside
    action = _ELSEWHERE.format(outside_id=outside.id) + suffix
    back = _provider_path(outside.known_to, outside.person_id)
    return answer_change(page, typed, plan, action=action, back=back)


def _provider_path(association: str, person_id: int) -> str:
    return f"/coordinator/providers/{person_id}?{urlencode({'association': association})}"


def _describe(association: str, new: NewCredential) -> str:
    if new.association and not new.category:
        return f"vetting by {new.association}"
    if new.association:
        return f"an endorsement as {new.category} by {new.association}"
    return f"vetting by {association}"


def _find_name(page: PageRequest, association: str, person_id: int) -> str:
    """The name of a provider; 404 for anybody else."""
    with page.reading() as session:
        today = page.day_of(association)
        require(is_provider_of(session, page.rulebooks, association, today, person_id))
        return session.get_one(Person, person_id).name


def _read_recorded(page: PageRequest, outside_id: int) -> _Recorded:
    """An endorsement that one of the viewer's associations recorded; 404 for any other."""
    with page.reading() as session:
        outside = require(session.get(OutsideEndorsement, outside_id))
        require(outside.known_to in page.viewer.coordinates)
        return _Recorded(outside, session.get_one(Person, outside.person_id).name)


def _render_credential(
    page: PageRequest, association: str, person_id: int, form: CredentialForm
) -> HTMLResponse:
    form.today = page.day_of(association)
    return page.render(
        "desk_provider_credential.html",
        form=form,
        here="coordinator",
        desk="providers",
        association=association,
        person_id=person_id,
        name=_find_name(page, association, person_id),
        choices=list_credential_choices(page, association),
    )


def _render_elsewhere(page: PageRequest, recorded: _Recorded, form: CredentialForm) -> HTMLResponse:
    outside = recorded.outside
    return page.render(
        "desk_provider_elsewhere.html",
        form=form,
        here="coordinator",
        desk="providers",
        association=outside.known_to,
        person_id=outside.person_id,
        name=recorded.name,
        outside=outside,
        what=recorded.what,
        path=_ELSEWHERE.format(outside_id=outside.id),
    )
