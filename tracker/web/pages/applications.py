"""An applicant's own page: the checklist in words, or the decision about the application."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from tracker.db.applications import Application
from tracker.formatting import (
    capitalize_first,
    format_date,
    format_list,
    lowercase_first,
)
from tracker.rules.application.readiness import hide_reference_judgments
from tracker.rules.application.wording import (
    NO_INITIAL_RULES,
    format_progress,
    format_short,
    labels,
    missing_results,
    review_results,
    tally,
)
from tracker.rules.standing import (
    ApplicationStanding,
    Outcome,
    Status,
)
from tracker.services.applications import (
    get_application,
    get_application_standings,
    list_applications,
)
from tracker.services.own_applications import can_reopen
from tracker.services.reinstatements import list_ways_back
from tracker.services.reviews import list_reviews
from tracker.services.uncounted import list_counted_training, with_uncounted
from tracker.web.forms.body import RowId
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.pages.application_tasks import (
    find_way_to_act,
    list_counted,
    list_terms,
    list_tips,
    list_warnings,
    view_task,
)
from tracker.web.rendering import category_name

router = APIRouter()
NO_RULES = f"{capitalize_first(NO_INITIAL_RULES)}."
_DECIDED = {"endorsed": "Endorsed from", "declined": "Declined on", "withdrawn": "Withdrawn on"}


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """An application as its page, or a card on another page, shows it.

    ``checklist`` is None if it is decided, not opened yet, or at an association without a
    rulebook.
    """

    application: Application
    category_name: str
    headline: str
    lead: str
    status: str
    checklist: dict[str, Any] | None


@router.get("/application/{application_id}")
def show_application(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """Your application: what is done, what is missing and why, and what you can do."""
    with page.reading() as session:
        application = require(get_application(session, application_id))
        require(application.person_id == page.person_id)
        view = view_application(session, page, application)
        latest_on = _find_latest_day(session, page, application)
    association = application.association
    knows_day = association in page.rulebooks.associations
    reopens = knows_day and can_reopen(application, page.day_of(association))
    return page.render("application.html", view=view, can_reopen=reopens, latest_on=latest_on)


def _find_latest_day(session: Session, page: PageRequest, application: Application) -> date | None:
    """The last day to submit an open reinstatement; one that was sent back has none."""
    if not application.is_reinstatement or application.state != "open" or application.answer:
        return None
    ways = list_ways_back(session, page.rulebooks, page.day_of, page.person_id)
    return next((way.latest_on for way in ways if way.application_id == application.id), None)


def read_applications(session: Session, page: PageRequest) -> list[ApplicationView]:
    """All of the viewer's applications, the undecided first, then the newest."""
    applications = list_applications(session, page.person_id)
    return [view_application(session, page, each) for each in applications]


def view_application(
    session: Session, page: PageRequest, application: Application, *, for_association: bool = False
) -> ApplicationView:
    """One application; ``for_association`` is as in `read_checklist`."""
    rulebook = page.rulebooks.associations.get(application.association)
    name = category_name(rulebook, application.category)
    checklist = None
    if rulebook and not application.is_decided:
        checklist = read_checklist(session, page, application, for_association=for_association)
    if checklist is not None:
        lead = f"{checklist['lead']} {checklist['step']}".strip()
        return ApplicationView(
            application, name, checklist["headline"], lead, checklist["status"], checklist
        )
    if application.is_decided:
        headline, lead = format_outcome(application), _format_next(page, application)
    elif rulebook is None:
        headline = "We have no rulebook for this association."
        lead = "So we can't show what your application needs."
    else:
        headline = f"Opens on {format_date(application.opened_on)}."
        lead = "You will see your checklist here from that day on."
    return ApplicationView(application, name, headline, lead, application.state, None)


def format_outcome(application: Application) -> str:
    """Whether and when the application was decided, as a sentence."""
    if application.decided_on is None:
        return f"opened on {format_date(application.opened_on)}, not decided yet."
    verb = _DECIDED[application.state]
    if application.is_reinstatement and application.state == "endorsed":
        verb = "Reinstated from"
    return f"{verb} {format_date(application.decided_on)}."


def _format_next(page: PageRequest, application: Application) -> str:
    """What a decision means for the applicant."""
    if application.state == "withdrawn":
        again = "ask" if application.is_reinstatement else "apply"
        return f"Your logged hours, degrees, and jobs are kept. You can {again} again."
    if application.state != "endorsed" or application.decided_on is None:
        return "Your logged hours are kept. Your association can tell you more."
    if application.association not in page.rulebooks.associations:
        return "Congratulations."
    today = page.day_of(application.association)
    first = "new" if application.is_reinstatement else "first"
    plan = page.rulebooks.plan(
        application.association,
        application.category,
        application.decided_on,
        max(application.decided_on, today),
    )
    if plan is None or plan.cycle is None:
        return f"Congratulations. We don't track its renewal yet; ask {application.association}."
    if application.decided_on > today:
        return f"Congratulations. Your {first} renewal cycle starts on that day."
    return f"Congratulations. Your {first} renewal cycle has started, and hours count toward it."


def read_checklist(
    session: Session, page: PageRequest, application: Application, *, for_association: bool = False
) -> dict[str, Any] | None:
    """An undecided application's checklist; None before the day on which it opens.

    ``step`` is what the applicant does next, ``effect`` the progress of the hours; ``tips`` are
    those that belong to none of its requirements.

    Only ``for_association`` does it show which references fill a requirement: that depends on
    what referees wrote, and they were promised that the applicant does not learn it. Reviewers
    also see what is counted: positions and how they were paid, sessions, and training by title.
    """
    rulebooks, day_of = page.rulebooks, page.day_of
    standings = get_application_standings(session, rulebooks, day_of, [application.id])
    standing = standings.get(application.id)
    if standing is None:
        return None
    ((_, uncounted),) = with_uncounted(session, [standing], day_of)
    training = {}
    if for_association:
        training = list_counted_training(session, standing, day_of(application.association))
    else:
        standing = hide_reference_judgments(standing)
    rulebook = rulebooks.associations[application.association]
    reviews = list_reviews(session, application.id)
    readings = {each.id: each.taken for each in rulebook.interpretations}
    tips = list_tips(rulebook, application.category)
    tasks = []
    for result in standing.results:
        task = view_task(standing, result, for_association=for_association)
        task["warnings"] = list_warnings(result, uncounted)
        items = training.get(result.requirement.id, result.counted_items)
        task["counted"] = list_counted(result, items) if for_association else []
        task["tips"] = tips.pop(result.requirement.id, [])
        task["terms"] = list_terms(rulebook, result.requirement.rule)
        task["review"] = reviews.get(result.requirement.id)
        task["act"] = find_way_to_act(result, application, is_open=task["is_open"])
        task["reading"] = readings.get(result.requirement.rule.interpretation or "", "")
        tasks.append(task)
    return {
        "status": standing.status.value,
        "headline": format_headline(standing),
        "lead": format_lead(standing),
        "step": _format_step(standing, application.submitted_on),
        "effect": _format_effect(standing),
        "tasks": tasks,
        "tips": [tip for of_one in tips.values() for tip in of_one],
    }


def format_headline(standing: ApplicationStanding) -> str:
    """Where the application stands, in one sentence: status, how much is done, what is next."""
    count = tally(standing)
    if standing.status is Status.NO_RULES:
        return NO_RULES
    if standing.status is Status.READY:
        return f"Ready: all {count.of} are done."
    if standing.status is Status.NEEDS_REVIEW:
        rest = "1 is" if count.review == 1 else f"{count.review} are"
        return f"Needs review: {count} done, {rest} for the reviewers."
    # A window that closes comes first, else the rulebook's order.
    missing = missing_results(standing)
    following = min(missing, key=lambda result: result.closes_on or date.max)
    return f"Not ready: {count} done, {lowercase_first(following.requirement.label)} next."


def format_lead(standing: ApplicationStanding) -> str:
    """What is missing, and what the reviewers decide; empty if the headline says it all."""
    if standing.status is Status.NO_RULES:
        return (
            "We have no application requirements on file for this category. "
            "Your logged hours are kept."
        )
    sentences = []
    if missing := missing_results(standing):
        sentences.append(f"Missing: {format_missing(standing, most=len(missing))}.")
    if review := review_results(standing):
        sentences.append(f"For the reviewers: {format_list(labels(review))}.")
    return " ".join(sentences)


def format_missing(standing: ApplicationStanding, *, most: int) -> str:
    """What is short, with at most ``most`` names: "6 hours of training and 1 reference"."""
    parts = []
    for result in missing_results(standing):
        # All references can have come and yet not be enough: then there is no number to give.
        label = lowercase_first(result.requirement.label)
        parts.append(format_short(result) if result.short else label)
    rest = len(parts) - most
    return format_list([*parts[:most], f"{rest} more"] if rest > 0 else parts)


def _format_step(standing: ApplicationStanding, submitted_on: date | None) -> str:
    """What happens next, for the applicant; empty while something is missing."""
    if submitted_on:
        return f"Submitted on {format_date(submitted_on)}. Your association decides next."
    if missing_results(standing) or standing.status is Status.NO_RULES:
        return ""
    return "Submit it, and your association decides."


def _format_effect(standing: ApplicationStanding) -> str:
    """``Training 12 of 30 hours; Reflective supervision done``."""
    parts = []
    for result in standing.results:
        if result.requirement.unit == "hours":
            is_met = result.outcome is Outcome.MET
            progress = "done" if is_met else format_progress(result)
            parts.append(f"{result.requirement.label} {progress}")
    return "; ".join(parts)
