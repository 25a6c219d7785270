"""The coordinator's applicants: who is ready, what the others are missing, and the decision."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.applications import Application
from tracker.db.people import Person
from tracker.formatting import capitalize_first, format_list
from tracker.notifications.application_mail import notify_declined, notify_endorsed
from tracker.notifications.undo_mail import undo_decision
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.rules.application.wording import labels, missing_results, review_results, tally
from tracker.rules.standing import ApplicationStanding
from tracker.services.applications import (
    STATUSES,
    decline_application,
    endorse_applicant,
    find_applicant,
    list_applicants,
)
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.reference_submission import (
    list_reference_reports,
    parse_ratings,
    progress_of,
)
from tracker.services.undo import find_undoable
from tracker.web.forms.body import RowId, Typed, number_of
from tracker.web.forms.days import ApplicationDecisionForm
from tracker.web.forms.fields import format_date_fields
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
from tracker.web.rendering import category_names

router = APIRouter()
_NAMED_REQUIREMENTS = 4
# By what `undo_decision` returns; `templates/web/undo.html` has the sentences.
UNDONE_MESSAGES = {True: "undone-corrected", False: "undone", None: "undone-before"}
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
    """One application's checklist and references; for a day, its decision can be undone."""
    return _render_applicant(page, application_id)


def _render_applicant(
    page: PageRequest, application_id: int, problems: Sequence[tuple[str, str]] = ()
) -> HTMLResponse:
    with page.reading() as session:
        applicant = find_applicant(session, application_id, page.viewer.coordinates)
        person, application = require(applicant)
        undo = find_undoable(session, "application", [application_id], page.now)
        # Referees were promised that no applicant reads what they write: coordinators included.
        reads = application.person_id != page.viewer.person_id
        view = view_application(session, page, application, for_association=reads)
        references = _view_references(session, page.rulebooks, application) if reads else []
    return page.render(
        "applicant.html",
        here="coordinator",
        person=person,
        view=view,
        references=references,
        undo=undo,
        problems=problems,
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
            return page.redirect(f"/coordinator/applicants/{application_id}", "declined")
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
