"""The coordinator's applicants: who is ready, what the others are missing, and the decision."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from wtforms import StringField

from tracker.clock import local_day
from tracker.db.applications import Application, Reference
from tracker.db.people import Person
from tracker.formatting import capitalize_first, format_list, format_short_date
from tracker.notifications.application_mail import (
    notify_declined,
    notify_endorsed,
    notify_sent_back,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.rules.application.wording import labels, missing_results, review_results, tally
from tracker.rules.model import Rulebook
from tracker.rules.standing import ApplicationStanding
from tracker.services.applications import (
    STATUSES,
    decline_application,
    endorse_applicant,
    find_applicant,
    get_application_standings,
    list_applicants,
)
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.endorsements import Own
from tracker.services.portfolio import find_terms, load_portfolio
from tracker.services.reference_submission import list_reference_reports
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
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    format_problems,
    require,
)
from tracker.web.pages.applications import (
    NO_RULES,
    ApplicationView,
    format_missing,
    view_application,
)
from tracker.web.pages.coordinator import choose_association
from tracker.web.pages.entry_view import view_entry
from tracker.web.pages.portfolio import view_job
from tracker.web.pages.year_data import read_year_data
from tracker.web.rendering import category_names

router = APIRouter()


class SendBackForm(OwnForm):
    """What the applicant should change."""

    answer = StringField("What should the applicant change?", filters=[clean])


_NAMED_REQUIREMENTS = 4
# What the buttons of a review send, and whether the reviewers accept then; None: a review goes.
_VERDICTS = {"accept": True, "refuse": False, "undo": None}
# As the page's address names it.
ApplicationDecision = Literal["endorse", "decline"]


@router.get("/coordinator/applicants")
def show_applicants(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    missing: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """An association's undecided applications, the nearest to a decision first."""
    association = choose_association(page.viewer, association)
    today = page.day_of(association)
    with page.reading() as session:
        standings = list_applicants(session, page.rulebooks, association, today)
    status = status if status in STATUSES else ""
    if not any(_matches(standing, "", missing) for standing in standings):
        missing = ""
    listed = [standing for standing in standings if _matches(standing, status, missing)]

    def link(**parts: object) -> str:
        chosen = {name: value for name, value in parts.items() if value}
        return f"/coordinator/applicants?{urlencode({'association': association, **chosen})}"

    return page.render(
        "applicants.html",
        here="coordinator",
        association=association,
        filters=_count_filters(standings, status, missing),
        chosen=status,
        missing=missing,
        rows=[_view_applicant(s) for s in listed[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]],
        number=len(listed),
        page=number,
        pages=count_pages(len(listed)),
        link=link,
    )


@router.get("/coordinator/applicants/{application_id}")
def show_applicant(page: CoordinatorPage, application_id: RowId) -> HTMLResponse:
    """One application's checklist, the whole portfolio, and the references."""
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
        # Referees were promised that no applicant reads what they write: coordinators included.
        reads = application.person_id != page.viewer.person_id
        view = view_application(session, page, application, for_association=reads)
        references = _view_references(session, page.rulebooks, application) if reads else []
        portfolio = _view_portfolio(session, page, application)
    return page.render(
        "applicant.html",
        here="coordinator",
        person=person,
        view=view,
        references=references,
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
    terms = find_terms(rulebook, application.category, page.day_of(rulebook.id))
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
    return page.render("send_back.html", here="coordinator", person=person, view=view, form=form)


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
    return page.render(
        "decide.html", here="coordinator", decision=decision, person=person, view=view, form=form
    )


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
            if decision == "endorse":
                return page.redirect(f"/coordinator/people/{page.write(endorse)}", "endorsed")
            page.write(decline)
            return RedirectResponse(f"/coordinator/applicants/{application_id}", 303)
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return page.render(
        "decide.html", here="coordinator", decision=decision, person=person, view=view, form=form
    )


def _read_applicant(page: PageRequest, application_id: int) -> tuple[Person, ApplicationView]:
    with page.reading() as session:
        applicant = find_applicant(session, application_id, page.viewer.coordinates)
        person, application = require(applicant)
        return person, view_application(session, page, application)


def _matches(standing: ApplicationStanding, status: str, missing: str) -> bool:
    """Whether a standing has the status and lacks the requirement; either may be empty."""
    if status and standing.status != status:
        return False
    lacking = {result.requirement.id for result in missing_results(standing)}
    return not missing or missing in lacking


def _count_filters(
    standings: Sequence[ApplicationStanding], status: str, missing: str
) -> dict[str, Any]:
    """How many applications each filter shows: by status, and by missing (requirement, label).

    Each count takes the other filter, as it is set, into account.
    """
    among = [standing for standing in standings if _matches(standing, "", missing)]
    by_status = Counter(standing.status for standing in among)
    counts: Counter[str] = Counter()
    names = {}
    for standing in standings:
        if _matches(standing, status, ""):
            for result in missing_results(standing):
                counts[result.requirement.id] += 1
                names[result.requirement.id] = capitalize_first(labels([result])[0])
    ordered = sorted(counts, key=lambda requirement_id: (-counts[requirement_id], requirement_id))
    return {
        "total": len(among),
        "statuses": [(status.value, by_status[status]) for status in STATUSES],
        "missing": [(each, names[each], counts[each]) for each in ordered],
    }


def _view_applicant(standing: ApplicationStanding) -> dict[str, Any]:
    """One application; ``missing`` and ``review`` name requirements, or are empty."""
    return {
        "id": standing.facts.subject_id,
        "name": standing.facts.name,
        "category": standing.plan.category,
        "opened_on": standing.facts.candidate.opened_on,
        "submitted_on": standing.facts.candidate.submitted_on,
        "status": standing.status.value,
        "done": f"{tally(standing)} done" if standing.plan.requirements else NO_RULES,
        "missing": format_missing(standing, most=_NAMED_REQUIREMENTS),
        "review": format_list(labels(review_results(standing))),
    }


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
        state, tone = _format_state(rulebook, reference)
        claimed = "No"
        if reference.endorsed_as:
            claimed = format_endorsement(reference.endorsed_by, reference.endorsed_as)
        view = {
            "reference": reference,
            "role": format_role(rulebook, reference.role),
            "state": state,
            "tone": tone,
            "claimed": claimed,
            "on_record": format_list([format_endorsement(*each) for each in report.endorsements]),
            "is_vetted": report.is_vetted,
        }
        views.append(view)
    return views


def _format_state(rulebook: Rulebook, reference: Reference) -> tuple[str, str]:
    """The state of a reference, and the style that shows it."""
    state, tone, instant = "Waiting, asked", "plain", reference.asked_at
    if reference.received_at:
        state, tone, instant = "Received", "good", reference.received_at
    elif reference.declined_at:
        state, tone, instant = "Declined", "warm", reference.declined_at
    if instant is None:
        return "Not asked yet", "plain"
    return f"{state} {format_short_date(local_day(instant, rulebook.time_zone))}", tone
