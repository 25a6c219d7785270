"""An applicant starts, submits, takes back, or withdraws an application."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from wtforms import RadioField, StringField

from tracker.db.applications import UNDECIDED
from tracker.notifications.application_mail import notify_submitted
from tracker.rules.model import Rulebook
from tracker.rules.plan import PlannedRequirement
from tracker.services.applications import (
    submit_application,
    withdraw_application,
)
from tracker.services.context import Refused, ServiceContext
from tracker.services.own_applications import (
    list_offered_categories,
    register_applicant,
    reopen_application,
    start_application,
)
from tracker.services.references import find_own_application
from tracker.services.reinstatements import require_in_time
from tracker.services.reviews import take_back_application
from tracker.web.forms.body import OwnForm, RowId, Typed, clean
from tracker.web.page_request import PageRequest, PersonPage, ViewerPage, format_problems, require
from tracker.web.pages.applications import view_application
from tracker.web.rendering import category_name

router = APIRouter()
ApplicationChange = Literal["submit", "take-back", "withdraw", "reopen"]
# In which state an application can be changed so.
_STATES = {
    "submit": ("open",),
    "take-back": ("submitted",),
    "withdraw": UNDECIDED,
    "reopen": ("withdrawn",),
}


class StartForm(OwnForm):
    """Which endorsement someone applies for (``<association>/<category>``), and who is new."""

    refusal_fields: ClassVar = {"day": "category"}
    page_order = ("name",)

    name = StringField("Your full name", filters=[clean])
    category = RadioField("Which endorsement?", validate_choice=False)


@dataclass(frozen=True, slots=True)
class OfferedCategory:
    """A category that someone can apply for, and what it requires."""

    key: str
    name: str
    requirements: tuple[PlannedRequirement, ...]


@router.get("/application/new")
def open_start(page: ViewerPage) -> HTMLResponse:
    """What someone can apply for, and what each endorsement requires."""
    return _render_start(page, StartForm())


@router.post("/application/new")
def start(page: ViewerPage, typed: Typed) -> Response:
    """Start an application, and go to its checklist; or show what is wrong.

    Someone who is new becomes a person in the database with it.
    """
    form = StartForm(typed)
    association, _, category = (form.category.data or "").partition("/")

    def work(context: ServiceContext) -> int:
        if page.viewer.person_id is None:
            name = form.name.data or ""
            applicant = register_applicant(
                context, page.viewer.email, name, (association, category)
            )
            context = replace(context, actor=replace(context.actor, person_id=applicant))
        return start_application(context, association, category)

    try:
        own = page.write(work)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render_start(page, form)
    return page.redirect(f"/application/{own}", "started")


def _render_start(page: PageRequest, form: StartForm) -> HTMLResponse:
    offers: dict[str, tuple[Rulebook, list[OfferedCategory]]] = {}
    for rulebook, category in list_offered_categories(page.rulebooks, page.day_of):
        plan = page.rulebooks.application_plan(rulebook.id, category, page.day_of(rulebook.id))
        offer = OfferedCategory(
            f"{rulebook.id}/{category}", category_name(rulebook, category), plan.requirements
        )
        offers.setdefault(rulebook.id, (rulebook, []))[1].append(offer)
    is_new = page.viewer.person_id is None
    return page.render("apply.html", form=form, offers=list(offers.values()), is_new=is_new)


@router.get("/application/{application_id}/status/{change}")
def confirm_change(page: PersonPage, application_id: RowId, change: ApplicationChange) -> Response:
    """Ask before an application is submitted, taken back, withdrawn, or opened again."""
    with page.reading() as session:
        own = require(find_own_application(session, page.person_id, application_id))
    if own.state not in _STATES[change]:
        return RedirectResponse(f"/application/{application_id}", 303)
    return _render_change(page, application_id, change, None)


@router.post("/application/{application_id}/status/{change}")
def change_application(
    page: PersonPage, application_id: RowId, change: ApplicationChange
) -> Response:
    """Submit an application, and tell its coordinators; or take it back, withdraw, or reopen it."""
    with page.reading() as session:
        own = require(find_own_application(session, page.person_id, application_id))
    today = page.day_of(own.association)

    def work(context: ServiceContext) -> None:
        if change == "submit":
            require_in_time(context, application_id, today)
            submit_application(context, application_id, today)
            notify_submitted(page.site, context, application_id)
        elif change == "take-back":
            take_back_application(context, application_id)
        elif change == "reopen":
            reopen_application(context, application_id)
        else:
            withdraw_application(context, application_id, today)

    if change == "submit" and own.state == "submitted":
        # Pressed twice.
        return RedirectResponse(f"/application/{application_id}", 303)
    try:
        page.write(work)
    except Refused as refused:
        return _render_change(page, application_id, change, refused)
    return page.redirect(f"/application/{application_id}", change)


def _render_change(
    page: PageRequest, application_id: int, change: str, refused: Refused | None
) -> HTMLResponse:
    with page.reading() as session:
        own = require(find_own_application(session, page.person_id, application_id))
        view = view_application(session, page, own)
    problems = [("main", words) for _, words in format_problems(refused)] if refused else []
    return page.render("submit.html", view=view, change=change, problems=problems)
