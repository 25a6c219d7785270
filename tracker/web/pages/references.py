"""An applicant's references: whom they have named, and a form to name one more."""

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData
from wtforms import RadioField, SelectChoice, StringField

from tracker.db.applications import Application
from tracker.db.corrections import Removal
from tracker.notifications.reference_mail import ask_referee
from tracker.notifications.undo_mail import ask_again
from tracker.rules.application.references import (
    find_reference_rule,
    format_role,
    format_slot,
    roles_for,
)
from tracker.rules.model import Rulebook
from tracker.rules.requirement import ReferenceRule
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.references import (
    NamedReferee,
    RefereeInput,
    can_name_more,
    find_own_application,
    find_referee_to_ask,
    list_named_referees,
    name_referee,
    restore_referee,
    withdraw_referee,
)
from tracker.services.removals import find_own_deletion
from tracker.web.forms.body import OwnForm, RowId, Typed, clean, number_of
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.rendering import category_name

router = APIRouter()
_LONGEST_SHOWN = 1000


class RefereeForm(OwnForm):
    """Whom an applicant names."""

    name = StringField("Their name", filters=[clean])
    email = StringField("Their email address", filters=[clean])
    role = RadioField("Who are they to you?", validate_choice=False)

    def parse(self) -> RefereeInput:
        """The referee as entered; `name_referee` checks it."""
        email = (self.email.data or "")[:_LONGEST_SHOWN].lower()
        return RefereeInput(email, self.name.data or "", self.role.data or "")


@dataclass(frozen=True, slots=True)
class ReferencesPage:
    """What the page shows; ``rule`` is None if the rulebook requires no references.

    ``removed`` is the referee whom the applicant removed last, if they can be brought back.
    """

    application: Application
    rulebook: Rulebook
    rule: ReferenceRule | None
    source: str
    named: list[NamedReferee]
    removed: Removal | None

    def form(self, typed: FormData | None = None) -> RefereeForm:
        """The form to name a referee in one of the rule's roles."""
        form = RefereeForm(typed)
        form.role.choices = []
        for role in roles_for(self.rule) if self.rule else ():
            form.role.choices.append(SelectChoice(role, format_role(self.rulebook, role)))
        return form


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
        if "undo" in typed:
            restore_referee(context, application_id, number_of(typed, "undo"))
            ask_again(page.site, context, application_id)
            return "restored"
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
    except NotFound:
        if "undo" not in typed:
            raise
        notice = "stays-removed"
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render(page, references, form)
    return page.redirect(f"/application/{application_id}/references", notice)


def _read_references(page: PageRequest, application_id: int) -> ReferencesPage:
    with page.reading() as session:
        application = require(find_own_application(session, page.person_id, application_id))
        rulebook = require(page.rulebooks.associations.get(application.association))
        named = list_named_referees(session, application_id, rulebook.time_zone)
        removed = find_own_deletion(
            session, page.person_id, "reference", page.now, subject_id=application_id
        )
    today = page.day_of(rulebook.id)
    requirement = find_reference_rule(
        rulebook, application.category, today, application.plan_purpose
    )
    rule, source = None, ""
    if requirement is not None:
        rule = requirement.references
        cited = requirement.values[-1].source
        source = f"{rulebook.documents[cited.document].title}, {cited.section}"
    return ReferencesPage(application, rulebook, rule, source, named, removed)


def _render(page: PageRequest, references: ReferencesPage, form: RefereeForm) -> HTMLResponse:
    application, rule = references.application, references.rule
    can_name = (
        rule is not None and not application.is_decided and can_name_more(references.named, rule)
    )
    return page.render(
        "references.html",
        application=application,
        category=category_name(references.rulebook, application.category),
        association=references.rulebook.name,
        rule=rule,
        source=references.source,
        format_role=partial(format_role, references.rulebook),
        format_slot=partial(format_slot, references.rulebook),
        can_name=can_name,
        named=references.named,
        removed=references.removed,
        form=form,
    )
