"""The coordinator's applicants: who is ready for a decision, and what the others lack."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from tracker.db.engine import reading
from tracker.formatting import capitalize_first, format_list
from tracker.rules.application.wording import labels, missing_results, review_results, tally
from tracker.rules.standing import Standing
from tracker.services.applications import STATUSES, applicant_within, applicants
from tracker.web.dependencies import CoordinatorDep, NowDep, SiteDep
from tracker.web.forms.body import RowId
from tracker.web.pages.applications import view_application
from tracker.web.pages.checklist import NO_RULES, STATUS_WORDS, format_missing
from tracker.web.pages.coordinator import own_association
from tracker.web.pages.reference_reports import read_references

router = APIRouter()
_PAGE = 50
_LAST_PAGE = 100_000
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One application in the list; ``missing`` and ``review`` in words, both may be empty."""

    id: int
    name: str
    category: str
    opened_on: date
    submitted_on: date | None
    status: str
    done: str
    missing: str
    review: str


@dataclass(frozen=True, slots=True)
class Filters:
    """How many applications each choice leaves: by status, and by what is missing (id, label)."""

    total: int
    statuses: Sequence[tuple[str, int]]
    missing: Sequence[tuple[str, str, int]]


@router.get("/coordinator/applicants")
def show(
    site: SiteDep,
    at: NowDep,
    who: CoordinatorDep,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    missing: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
) -> HTMLResponse:
    """An association's undecided applications, the ready first, then by how little is missing."""
    mine = own_association(who, association)
    with reading(site.engine) as session:
        everybody = applicants(session, site.rulebooks, mine, site.today(mine, at))
    status = status if status in STATUSES else ""
    missing = missing if any(missing in _lacks(s) for s in everybody) else ""
    listed = [s for s in everybody if _is_in(s, status) and _is_without(s, missing)]
    return site.pages.render(
        "applicants.html",
        viewer=who,
        here="coordinator",
        association=mine,
        filters=_filters(everybody, status, missing),
        words=STATUS_WORDS,
        chosen=status,
        missing=missing,
        rows=[_row(s) for s in listed[(page - 1) * _PAGE : page * _PAGE]],
        number=len(listed),
        page=page,
        pages=max(1, -(-len(listed) // _PAGE)),
        link=lambda **parts: f"/coordinator/applicants?{_query(mine, parts)}",
    )


@router.get("/coordinator/applicants/{application_id}")
def show_applicant(
    site: SiteDep, at: NowDep, who: CoordinatorDep, application_id: RowId
) -> HTMLResponse:
    """One application's checklist and references, to read, and what may be decided about it."""
    with reading(site.engine) as session:
        one = applicant_within(session, application_id, who.coordinates)
        if one is None:
            raise HTTPException(404)
        # A coordinator who applies is an applicant like any other: referees were promised so.
        reads = one.application.person_id != who.person_id
        view = view_application(session, site.rulebooks, one.application, at, judged=reads)
        references = read_references(session, site.rulebooks, one) if reads else []
    return site.pages.render(
        "applicant.html",
        viewer=who,
        here="coordinator",
        one=one,
        view=view,
        references=references,
    )


def _query(association: str, parts: dict[str, object]) -> str:
    given = {name: value for name, value in parts.items() if value}
    return urlencode({"association": association, **given})


def _filters(everybody: Sequence[Standing], status: str, missing: str) -> Filters:
    """Each choice counts what it would leave together with the other one's."""
    among = [s for s in everybody if _is_without(s, missing)]
    by_status = Counter(s.status for s in among)
    lacking = [r for s in everybody if _is_in(s, status) for r in missing_results(s)]
    counts = Counter(r.requirement.id for r in lacking)
    names = {r.requirement.id: capitalize_first(labels([r])[0]) for r in lacking}
    ordered = sorted(counts, key=lambda i: (-counts[i], i))
    return Filters(
        total=len(among),
        statuses=[(s.value, by_status[s]) for s in STATUSES],
        missing=[(i, names[i], counts[i]) for i in ordered],
    )


def _lacks(standing: Standing) -> set[str]:
    return {r.requirement.id for r in missing_results(standing)}


def _is_in(standing: Standing, status: str) -> bool:
    return not status or standing.status == status


def _is_without(standing: Standing, missing: str) -> bool:
    return not missing or missing in _lacks(standing)


def _row(standing: Standing) -> Row:
    candidate = standing.facts.candidate
    has_rules = standing.plan.cycle is not None
    return Row(
        id=standing.facts.subject_id,
        name=standing.facts.name,
        category=standing.plan.category,
        opened_on=standing.facts.starts_on,
        submitted_on=candidate.submitted_on if candidate else None,
        status=standing.status.value,
        done=f"{tally(standing)} done" if has_rules else NO_RULES,
        missing=capitalize_first(format_missing(standing, most=_MOST_NAMED)),
        review=capitalize_first(format_list(labels(review_results(standing)))),
    )
