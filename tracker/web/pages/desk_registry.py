"""The public registry on the desk: how to put it on a website, and ending one person's listing."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from tracker.formatting import format_date
from tracker.rules.registry import describe_embedding
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.registry import count_listed
from tracker.services.registry_consent import ListingChoice, allow_listing, unlist_person
from tracker.web.forms.body import RowId, Typed
from tracker.web.forms.desk_person import ReasonForm, RemovalForm
from tracker.web.middleware import PREVIEW_POLICY
from tracker.web.page_request import ChangePage, CoordinatorPage, PageRequest, require
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.desk_person import person_path, read_record
from tracker.web.pages.registry import registry_path

router = APIRouter()
_REMOVAL_NOTE = (
    "The registry stops showing this person at once. They can't list themselves again until you "
    "allow it. No email is sent."
)
_ALLOWING_NOTE = (
    "The person can list themselves again on their profile. Until then the registry does not "
    "show them. No email is sent."
)


@router.get("/coordinator/registry")
def show_desk_registry(
    page: CoordinatorPage, association: Annotated[str, Query()] = ""
) -> HTMLResponse:
    """Where the registry is, how many are in it, and the lines that put it on a website."""
    association = choose_association(page.viewer, association)
    rulebook = page.rulebooks.associations[association]
    registry = require(rulebook.registry)
    with page.reading() as session:
        listed = count_listed(session, association)
    answer = page.render(
        "desk_registry.html",
        here="coordinator",
        desk="registry",
        association=association,
        rulebook=rulebook,
        registry=registry,
        embedding=describe_embedding(registry),
        is_open=registry.is_open(page.day_of(association)),
        listed=listed,
        path=registry_path(association),
        address=f"{page.site.settings.base_url}{registry_path(association)}",
    )
    answer.headers["content-security-policy"] = PREVIEW_POLICY
    return answer


@router.get("/coordinator/person/{person_id}/unlist/{association}")
def open_unlisting(page: ChangePage, person_id: RowId, association: str) -> HTMLResponse:
    """The form that ends a person's listing."""
    return show_form(page, _removal_form(page, person_id, association, RemovalForm()))


@router.post("/coordinator/person/{person_id}/unlist/{association}")
def save_unlisting(
    page: CoordinatorPage, person_id: RowId, association: str, typed: Typed
) -> Response:
    """Preview or save the end of a listing."""
    form = RemovalForm(typed)
    shown = _removal_form(page, person_id, association, form)

    def work(context: ServiceContext) -> None:
        unlist_person(context, person_id, association, form.reason.data or "")

    title = f"Remove {shown.back_name} from the public registry"
    return answer_form(page, shown, typed, _plan_of(shown, person_id, title, work))


@router.get("/coordinator/person/{person_id}/allow-listing/{association}")
def open_allowing(page: ChangePage, person_id: RowId, association: str) -> HTMLResponse:
    """The form that lets a person whose listing was ended choose again."""
    return show_form(page, _allowing_form(page, person_id, association, ReasonForm()))


@router.post("/coordinator/person/{person_id}/allow-listing/{association}")
def save_allowing(
    page: CoordinatorPage, person_id: RowId, association: str, typed: Typed
) -> Response:
    """Preview or save that a person may choose again."""
    shown = _allowing_form(page, person_id, association, ReasonForm(typed))

    def work(context: ServiceContext) -> None:
        allow_listing(context, person_id, association)

    title = f"Let {shown.back_name} be listed in the public registry again"
    return answer_form(page, shown, typed, _plan_of(shown, person_id, title, work))


def _plan_of(
    shown: DeskForm, person_id: int, title: str, work: Callable[[ServiceContext], None]
) -> ChangePlan:
    return ChangePlan(
        association=shown.association,
        title=fit_title(title),
        person_ids=frozenset({person_id}),
        tables=("registry_listing",),
        work=work,
        reason=shown.form.reason.data or "",
    )


def _removal_form(
    page: PageRequest, person_id: int, association: str, form: ReasonForm
) -> DeskForm:
    """The form; 404 if the registry of that association does not list the person."""
    name, listing = _find_listing(page, person_id, association)
    back = person_path(person_id)
    return DeskForm(
        association=association,
        title="Remove from the public registry",
        action=f"{back}/unlist/{association}",
        back=back,
        back_name=name,
        form=form,
        facts=[("Listed since", format_date(require(listing.listed_on)))],
        note=_REMOVAL_NOTE,
        removes=True,
        reason_hint="The person reads it on their profile.",
    )


def _allowing_form(
    page: PageRequest, person_id: int, association: str, form: ReasonForm
) -> DeskForm:
    """The form; 404 if no coordinator ended that listing."""
    name, listing = _find_listing(page, person_id, association)
    back = person_path(person_id)
    return DeskForm(
        association=association,
        title="Allow in the public registry again",
        action=f"{back}/allow-listing/{association}",
        back=back,
        back_name=name,
        form=form,
        facts=[
            ("Removed", format_date(require(listing.removed_on))),
            ("Reason", listing.removal_reason),
        ],
        note=_ALLOWING_NOTE,
    )


def _find_listing(page: PageRequest, person_id: int, association: str) -> tuple[str, ListingChoice]:
    """The person's name and what the registry has of them; 404 if they are not the viewer's."""
    record = read_record(page, person_id)
    listings = [each for each in record.listings if each.association == association]
    return record.person.name, require(listings[0] if listings else None)
