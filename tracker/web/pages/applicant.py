"""One applicant as reviewers see them: the whole portfolio, what they record, and the decision."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import StringField

from tracker.clock import local_day
from tracker.db.applications import Application
from tracker.db.people import Person
from tracker.formatting import format_list
from tracker.notifications.application_mail import (
    notify_declined,
    notify_endorsed,
    notify_sent_back,
)
from tracker.notifications.undo_mail import undo_decision
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.services.applications import (
    decline_application,
    endorse_applicant,
    find_applicant,
    find_undoable_decision,
    get_application_standings,
)
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.desk_changes import ChangePlan
from tracker.services.endorsements import Own
from tracker.services.portfolio_terms import find_terms, load_portfolio
from tracker.services.reference_submission import (
    list_reference_reports,
    parse_ratings,
    progress_of,
)
from tracker.services.reviews import (
    ReviewDecision,
    confirm_degree,
    record_review,
    send_back_application,
)
from tracker.web.forms.body import OwnForm, RowId, Typed, clean, number_of, text_of
from tracker.web.forms.days import ApplicationDecisionForm
from tracker.web.forms.fields import format_date_fields
from tracker.web.forms.portfolio import format_level
from tracker.web.page_request import (
    CoordinatorPage,
    PageRequest,
    format_problems,
    require,
)
from tracker.web.pages.applications import (
    ApplicationView,
    view_application,
)
from tracker.web.pages.desk import answer_change
from tracker.web.pages.desk_forms import fit_title
from tracker.web.pages.entry_view import view_entry
from tracker.web.pages.portfolio import view_job
from tracker.web.pages.year_data import read_year_data
from tracker.web.rendering import category_names

router = APIRouter()
# What the buttons of a review send, and whether the reviewers accept then; None: a review goes.
_VERDICTS = {"accept": True, "refuse": False, "undo": None}
# By what `undo_decision` returns; `templates/web/undo.html` has the sentences.
UNDONE_MESSAGES = {True: "undone-corrected", False: "undone", None: "undone-before"}
# As the page's address names it.
ApplicationDecision = Literal["endorse", "decline"]


_NOT_READY = (
    "Some requirements are not met. Reinstate only if your association has decided to do so anyway."
)


class SendBackForm(OwnForm):
    """What the applicant should change."""

    first_field = "answer"

    answer = StringField("What should the applicant change?", filters=[clean])


@router.get("/coordinator/applicants/{application_id}")
def show_applicant(page: CoordinatorPage, application_id: RowId) -> HTMLResponse:
    """One application's checklist, portfolio, and references; its decision can be undone."""
    return _render_applicant(page, application_id, [])


@router.post("/coordinator/applicants/{application_id}")
def review_applicant(page: CoordinatorPage, application_id: RowId, typed: Typed) -> Response:
    """Record what the reviewers decided about a requirement, or confirm a degree."""
    requirement_id = text_of(typed, "requirement")

    def work(context: ServiceContext) -> None:
        if "degree" in typed:
            official = text_of(typed, "transcript") == "official"
            degree_id = number_of(typed, "degree")
            confirm_degree(context, application_id, degree_id, official=official)
            return
        verdict = text_of(typed, "decision")
        if verdict not in _VERDICTS:
            raise Refused(Refusal("note", "choice-unknown"))
        accepted, decision = _VERDICTS[verdict], None
        if accepted is not None:
            decision = ReviewDecision(accepted, clean(text_of(typed, "note")))
        record_review(context, application_id, requirement_id, decision)

    try:
        page.write(work)
    except Refused as refused:
        field = f"note-{requirement_id}".replace(".", "-")
        problems = [(field, words) for _, words in format_problems(refused)]
        return _render_applicant(page, application_id, problems, text_of(typed, "note"))
    return page.redirect(f"/coordinator/applicants/{application_id}", "reviewed")


def _render_applicant(
    page: PageRequest,
    application_id: int,
    problems: Sequence[tuple[str, str]],
    typed_note: str = "",
) -> HTMLResponse:
    with page.reading() as session:
        applicant = find_applicant(session, application_id, page.viewer.coordinates)
        person, application = require(applicant)
        undo = find_undoable_decision(session, [application_id], page.now)
        # Referees were promised that no applicant reads what they write: coordinators included.
        reads = application.person_id != page.viewer.person_id
        view = view_application(session, page, application, for_association=reads)
        references = _view_references(session, page.rulebooks, application) if reads else []
        portfolio = _view_portfolio(session, page, application)
    return page.render(
        "applicant.html",
        here="coordinator",
        branding=page.site.brandings.of(application.association),
        person=person,
        view=view,
        references=references,
        undo=undo,
        portfolio=portfolio,
        reviews=reads and application.state == "submitted",
        problems=problems,
        typed_note=typed_note,
        format_level=format_level,
        contacts=page.site.settings.coordinators_by_association,
    )


def _view_portfolio(
    session: Session, page: PageRequest, application: Application
) -> dict[str, Any] | None:
    """All that the reviewers read besides the references.

    None for a decided application, or at an association without rules.
    """
    rulebook = page.rulebooks.associations.get(application.association)
    if rulebook is None or application.is_decided:
        return None
    day = page.day_of(rulebook.id)
    terms = find_terms(rulebook, application.category, day, application.plan_purpose)
    portfolio = load_portfolio(session, application)
    standings = get_application_standings(session, page.rulebooks, page.day_of, [application.id])
    standing = standings.get(application.id)
    # What the entries count for in the applicant's renewals is not this association's to see.
    own = Own(None, has_applied=True, endorsements=[], extended={})
    data = read_year_data(session, page, application.person_id, own, [application])
    windows = access_windows(session, application.person_id, [application.association])
    entries = [
        view_entry(data, entry) for entry in data.entries if sees_entry(windows, entry.held_on)
    ]
    return {
        "degrees": portfolio.degrees,
        "jobs": [view_job(terms, one, standing) for one in portfolio.positions],
        "signed": [
            (terms.rulebook.attestations.get(one.what, one.what), one)
            for one in portfolio.attestations.values()
        ],
        "exams": portfolio.exams,
        "entries": entries,
    }


@router.get("/coordinator/applicants/{application_id}/send-back")
def ask_to_send_back(page: CoordinatorPage, application_id: RowId) -> HTMLResponse:
    """Ask what the applicant should change."""
    return _render_send_back(page, application_id, SendBackForm())


@router.post("/coordinator/applicants/{application_id}/send-back")
def send_back(page: CoordinatorPage, application_id: RowId, typed: Typed) -> Response:
    """Return the application so that the applicant can change it, with a letter."""
    form = SendBackForm(typed)

    def work(context: ServiceContext) -> None:
        send_back_application(context, application_id, form.answer.data or "")
        notify_sent_back(page.site, context, application_id, page.viewer.name)

    try:
        page.write(work)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render_send_back(page, application_id, form)
    return page.redirect(f"/coordinator/applicants/{application_id}", "sent-back")


def _render_send_back(page: PageRequest, application_id: int, form: SendBackForm) -> HTMLResponse:
    person, view = _read_applicant(page, application_id)
    return page.render(
        "send_back.html",
        here="coordinator",
        branding=page.site.brandings.of(view.application.association),
        person=person,
        view=view,
        form=form,
    )


@router.post("/coordinator/applicants/{application_id}/undo")
def undo(page: CoordinatorPage, application_id: RowId, typed: Typed) -> Response:
    """Undo a decision, with its letter; or show why that can't be done."""
    with page.reading() as session:
        require(find_applicant(session, application_id, page.viewer.coordinates))
    number = number_of(typed, "decision")

    def work(context: ServiceContext) -> bool | None:
        return undo_decision(page.site, context, number, application_id)

    try:
        has_left = page.write(work)
    except Refused as refused:
        return _render_applicant(page, application_id, format_problems(refused))
    except NotFound:
        late = Refused(Refusal("undo", "undo-too-late"))
        return _render_applicant(page, application_id, format_problems(late))
    message = UNDONE_MESSAGES[has_left]
    return page.redirect(f"/coordinator/applicants/{application_id}", message)


@router.get("/coordinator/applicants/{application_id}/{decision}")
def show_form(
    page: CoordinatorPage, application_id: RowId, decision: ApplicationDecision
) -> Response:
    """Ask for the day of the decision."""
    person, view = _read_applicant(page, application_id)
    if view.application.is_decided:
        return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
    form = ApplicationDecisionForm(
        data=format_date_fields(page.day_of(view.application.association))
    )
    return _render_decision(page, decision, person, view, form)


@router.post("/coordinator/applicants/{application_id}/{decision}")
def decide(
    page: CoordinatorPage, application_id: RowId, decision: ApplicationDecision, typed: Typed
) -> Response:
    """Endorse, and open the first renewal cycle; or decline; or show what is wrong.

    The applicant gets a letter.
    """
    person, view = _read_applicant(page, application_id)
    form = ApplicationDecisionForm(typed)
    day = form.parse_past_day(page.day_of(view.application.association), named="decision")
    if day is not None:

        def endorse(context: ServiceContext) -> int:
            new_id = endorse_applicant(context, application_id, day)
            notify_endorsed(page.site, context, application_id, new_id, page.viewer.name)
            return new_id

        def decline(context: ServiceContext) -> None:
            decline_application(context, application_id, day, form.answer.data or "")
            notify_declined(page.site, context, application_id, page.viewer.name)

        try:
            if decision == "endorse" and view.application.is_reinstatement:
                return _reinstate(page, typed, person, view, endorse)
            if decision == "endorse":
                return page.redirect(f"/coordinator/people/{page.write(endorse)}", "endorsed")
            page.write(decline)
            return page.redirect(f"/coordinator/applicants/{application_id}", "declined")
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return _render_decision(page, decision, person, view, form)


def _reinstate(
    page: PageRequest,
    typed: FormData,
    person: Person,
    view: ApplicationView,
    endorse: Callable[[ServiceContext], int],
) -> Response:
    """Grant a reinstatement: previewed, then done; undone on the applicant's page, or as a change.

    Raises Refused if the work refuses.
    """
    application = view.application

    def work(context: ServiceContext) -> None:
        endorse(context)

    name = f"{application.association} {application.category}"
    title = fit_title(f"Reinstate the endorsement {name} of {person.name}")
    people = frozenset({person.id})
    tables = ("endorsement", "application")
    plan = ChangePlan(application.association, title, people, tables, work)
    note = _NOT_READY if view.status == "not ready" else ""
    path = f"/coordinator/applicants/{application.id}"
    return answer_change(page, typed, plan, action=f"{path}/endorse", back=path, note=note)


def _render_decision(
    page: PageRequest,
    decision: ApplicationDecision,
    person: Person,
    view: ApplicationView,
    form: ApplicationDecisionForm,
) -> HTMLResponse:
    association, category = view.application.association, view.application.category
    rulebook = page.rulebooks.associations.get(association)
    return page.render(
        "decide.html",
        here="coordinator",
        branding=page.site.brandings.of(association),
        decision=decision,
        person=person,
        view=view,
        form=form,
        has_renewal=rulebook is not None and bool(rulebook.requirements_of(category)),
    )


def _read_applicant(page: PageRequest, application_id: int) -> tuple[Person, ApplicationView]:
    with page.reading() as session:
        applicant = find_applicant(session, application_id, page.viewer.coordinates)
        person, application = require(applicant)
        return person, view_application(session, page, application)


def _view_references(
    session: Session, rulebooks: Rulebooks, application: Application
) -> list[dict[str, Any]]:
    """The references of an application at one of the coordinator's own associations.

    ``claimed`` is the referee's endorsement by their own word, ``on_record`` by ours.
    """
    rulebook = rulebooks.associations.get(application.association)
    if rulebook is None:
        return []
    names = category_names(rulebooks, rulebook)

    def format_endorsement(association: str | None, category: str) -> str:
        by = "an association not named"
        if association is not None:
            organization = rulebooks.organizations.get(association)
            by = organization.name if organization else association
        return f"{names.get(category, category)}, by {by}"

    views = []
    for report in list_reference_reports(session, application, rulebook):
        reference = report.reference
        progress = progress_of(reference, rulebook.time_zone)
        claimed = "No"
        if reference.endorsed_as:
            claimed = format_endorsement(reference.endorsed_by, reference.endorsed_as)
        view = {
            "reference": reference,
            "role": format_role(rulebook, reference.role),
            "progress": progress,
            "ratings": parse_ratings(reference),
            "declined_on": reference.declined_at
            and local_day(reference.declined_at, rulebook.time_zone),
            "claimed": claimed,
            "on_record": format_list([format_endorsement(*each) for each in report.endorsements]),
            "is_vetted": report.is_vetted,
        }
        views.append(view)
    return views
