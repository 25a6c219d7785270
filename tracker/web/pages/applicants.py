"""The coordinator's applicants: who is ready, and what the others are missing."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from tracker.formatting import capitalize_first, format_list
from tracker.rules.application.wording import labels, missing_results, review_results, tally
from tracker.rules.standing import ApplicationStanding
from tracker.services.applications import (
    STATUSES,
    list_applicants,
)
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    count_pages,
)
from tracker.web.pages.applications import (
    NO_RULES,
    format_missing,
)
from tracker.web.pages.desk import choose_association

router = APIRouter()
_NAMED_REQUIREMENTS = 4


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
