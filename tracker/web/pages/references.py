"""An applicant's references: whom they have named, and a form to name one more."""

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.engine import reading, writing
from tracker.notifications.reference_mail import ask_referee
from tracker.rules.application.references import (
    find_reference_rule,
    format_role,
    format_slot,
    max_referees,
    roles_for,
)
from tracker.rules.model import Rulebook
from tracker.rules.requirement import ReferenceRule, Requirement
from tracker.services.context import Author
from tracker.services.references import (
    Applied,
    NamedReferee,
    NamingRefused,
    has_room,
    name_referee,
    named_referees,
    own_application,
    withdraw_referee,
)
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import RowId, Typed, add_problem, text_of
from tracker.web.forms.references import NamingForm, naming_form, read_naming

router = APIRouter()
_LARGEST_ID = 2**31 - 1
_NOTICES = {
    "asked": "We have sent them a mail with a link to the form.",
    "removed": "They are no longer asked, and their link opens nothing any more.",
}


@dataclass(frozen=True, slots=True)
class _Page:
    """What the page is about; ``rule`` is None where the rulebook asks for no references."""

    application: Applied
    rulebook: Rulebook
    rule: Requirement | None

    @property
    def terms(self) -> ReferenceRule | None:
        """What the rule asks."""
        return self.rule.references if self.rule else None

    @property
    def source(self) -> str:
        """Where the rule is written."""
        if self.rule is None:
            return ""
        found = self.rule.values[-1].source
        return f"{self.rulebook.documents[found.document].title}, {found.section}"

    @property
    def roles(self) -> dict[str, str]:
        """The roles that may be named, with their words."""
        terms = self.terms
        return {r: format_role(self.rulebook, r) for r in roles_for(terms)} if terms else {}


@router.get("/application/{application_id}/references")
def show(
    site: SiteDep, at: NowDep, who: PersonDep, application_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """Whom one has named, whether it has come (never what it says), and the form."""
    with reading(site.engine) as session:
        page = _page(site, at, own_application(session, who.id, application_id))
        named = named_referees(session, application_id)
    notice = _NOTICES.get(flash.code, "")
    return flash.clear(_show(site, who, page, named, naming_form(page.roles), notice=notice))


@router.post("/application/{application_id}/references")
def change(
    site: SiteDep, at: NowDep, who: PersonDep, application_id: RowId, typed: Typed
) -> Response:
    """Name somebody and ask them by mail; or, by the buttons beside one, ask or remove that one."""
    author = Author(who.id, who.viewer.email, at)
    with writing(site.engine) as session:
        mine = own_application(session, who.id, application_id, for_writing=True)
        page = _page(site, at, mine)
        if "remove" in typed:
            if withdraw_referee(session, author, page.application, _number(typed, "remove")):
                return _done(site, application_id, "removed")
            raise HTTPException(404)
        if "ask" in typed:
            _ask_again(site, session, at, page, _number(typed, "ask"))
            return _done(site, application_id, "asked")
        form = naming_form(page.roles, typed)
        if _name(site, session, author, page, form=form, whose=who.viewer.name):
            return _done(site, application_id, "asked")
        named = named_referees(session, application_id)
    return _show(site, who, page, named, form)


def _page(site: Site, at: NowDep, mine: Applied | None) -> _Page:
    if mine is None or mine.association not in site.rulebooks.associations:
        raise HTTPException(404)
    rulebook = site.rulebooks.associations[mine.association]
    return _Page(
        mine, rulebook, find_reference_rule(rulebook, mine.category, site.today(rulebook.id, at))
    )


def _name(
    site: Site,
    session: Session,
    author: Author,
    page: _Page,
    *,
    form: NamingForm,
    whose: str,
) -> bool:
    """Store and ask whom the form names; False with the form's problems."""
    naming = read_naming(form, whose)
    if naming is None or page.terms is None:
        return False
    try:
        new = name_referee(session, author, page.application, naming, max_referees(page.terms))
    except NamingRefused as refused:
        add_problem(form[refused.field], str(refused))
        return False
    if new is None:
        # The same tap once more; or somebody who came by an import and was never asked.
        named = named_referees(session, page.application.id)
        new = next((n.id for n in named if n.email == naming.email and not n.asked), None)
    if new is not None:
        ask_referee(site, session, new, author.at)
    return True


def _ask_again(site: Site, session: Session, at: NowDep, page: _Page, reference_id: int) -> None:
    """PlannedRequirement somebody who was named, by an import, and never asked."""
    named = named_referees(session, page.application.id)
    one = next((n for n in named if n.id == reference_id and n.state == "waiting"), None)
    if one is None or not page.application.is_open:
        raise HTTPException(404)
    if not one.asked:
        ask_referee(site, session, one.id, at)


def _show(
    site: Site,
    who: Person,
    page: _Page,
    named: list[NamedReferee],
    form: NamingForm,
    *,
    notice: str = "",
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.render(
        "references.html",
        status=422 if problems else 200,
        viewer=who.viewer,
        application=page.application,
        category=page.rulebook.categories.get(page.application.category),
        rulebook=page.rulebook,
        source=page.source,
        terms=page.terms,
        say=lambda role: format_role(page.rulebook, role),
        format_slot=lambda roles: format_slot(page.rulebook, roles),
        may_name=page.application.is_open
        and page.terms is not None
        and has_room(named, max_referees(page.terms)),
        named=named,
        form=form,
        problems=problems,
        notice=notice,
    )


def _done(site: Site, application_id: int, what: str) -> Response:
    return redirect_with_flash(site, f"/application/{application_id}/references", what)


def _number(typed: FormData, name: str) -> int:
    text = text_of(typed, name)
    if not (text.isascii() and text.isdigit()) or int(text[:11]) > _LARGEST_ID:
        raise HTTPException(404)
    return int(text)
