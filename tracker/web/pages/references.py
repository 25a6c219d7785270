"""An applicant's references: whom they have named, and a form to name one more."""

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from tracker.db.applications import Application
from tracker.notifications.reference_mail import ask_referee
from tracker.rules.application.references import (
    find_reference_rule,
    format_role,
    format_slot,
    roles_for,
)
from tracker.rules.model import Rulebook
from tracker.rules.requirement import ReferenceRule
from tracker.services.context import Refused, ServiceContext
from tracker.services.references import (
    NamedReferee,
    can_name_more,
    find_own_application,
    find_referee_to_ask,
    list_named_referees,
    name_referee,
    withdraw_referee,
)
from tracker.web.forms.body import RowId, Typed, number_of
from tracker.web.forms.references import RefereeForm, referee_form
from tracker.web.page_request import PageRequest, PersonPage

router = APIRouter()
_NOTICES = {
    "asked": "We have sent them an email with a link to the form.",
    "removed": "Removed. Their link no longer works.",
}


@dataclass(frozen=True, slots=True)
class ReferencesPage:
    """What the page shows; ``rule`` is None if the rulebook requires no references."""

    application: Application
    rulebook: Rulebook
    rule: ReferenceRule | None
    source: str
    named: list[NamedReferee]

    def form(self, typed: FormData | None = None) -> RefereeForm:
        """The form to name a referee in one of the rule's roles."""
        roles = roles_for(self.rule) if self.rule else ()
        return referee_form({role: format_role(self.rulebook, role) for role in roles}, typed)


@router.get("/application/{application_id}/references")
def show_references(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """The referees, whether each reference was received (not what it says), and the form."""
    references = _read_references(page, application_id)
    return _render(page, references, references.form())


@router.post("/application/{application_id}/references")
def change_references(page: PersonPage, application_id: RowId, typed: Typed) -> Response:
    """Name a referee and ask them by mail; or, with the buttons of one, ask or remove them."""
    references = _read_references(page, application_id)
    form = references.form(typed)

    def save(context: ServiceContext) -> str:
        """The code of the notice."""
        if "remove" in typed:
            withdraw_referee(context, application_id, number_of(typed, "remove"))
            return "removed"
        if "ask" in typed:
            asked = find_referee_to_ask(context, application_id, number_of(typed, "ask"))
        else:
            asked = name_referee(context, application_id, form.parse())
        if asked is not None:
            ask_referee(page.site, context.session, asked, page.now)
        return "asked"

    try:
        notice = page.write(save)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render(page, references, form)
    return page.redirect(f"/application/{application_id}/references", notice)


def _read_references(page: PageRequest, application_id: int) -> ReferencesPage:
    rulebooks = page.site.rulebooks
    with page.reading() as session:
        application = find_own_application(session, page.person_id, application_id)
        if application is None or application.association not in rulebooks.associations:
            raise HTTPException(404)
        named = list_named_referees(session, application_id)
    rulebook = rulebooks.associations[application.association]
    today = page.site.today(rulebook.id, page.now)
    requirement = find_reference_rule(rulebook, application.category, today)
    rule, source = None, ""
    if requirement is not None:
        rule = requirement.references
        cited = requirement.values[-1].source
        source = f"{rulebook.documents[cited.document].title}, {cited.section}"
    return ReferencesPage(application, rulebook, rule, source, named)


def _render(page: PageRequest, references: ReferencesPage, form: RefereeForm) -> HTMLResponse:
    application, rule = references.application, references.rule
    can_name = (
        rule is not None and not application.is_decided and can_name_more(references.named, rule)
    )
    category = references.rulebook.categories.get(application.category)
    return page.render(
        "references.html",
        problems=form.problems(),
        notices=_NOTICES,
        application=application,
        category=category.name if category else application.category,
        association=references.rulebook.name,
        rule=rule,
        source=references.source,
        format_role=partial(format_role, references.rulebook),
        format_slot=partial(format_slot, references.rulebook),
        can_name=can_name,
        named=references.named,
        form=form,
    )
