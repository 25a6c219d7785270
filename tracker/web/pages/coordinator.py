"""The coordinator's pages: what needs attention, all renewals, and one endorsee's year."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from tracker.db.engine import reading
from tracker.formatting import capitalize_first
from tracker.jobs.schedule import Job
from tracker.notifications.attention_text import describe_attention, format_attention_count
from tracker.notifications.missing_text import format_missing
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.services.applications import list_applications
from tracker.services.dashboard import (
    STATES,
    JobProblem,
    RenewalLine,
    count_renewals,
    list_attention,
    list_job_problems,
    list_named_providers,
    list_renewals,
)
from tracker.services.endorsements import endorsement_within
from tracker.services.memberships import list_memberships
from tracker.web.dependencies import CoordinatorDep, NowDep, SiteDep, Viewer
from tracker.web.flash import FlashDep
from tracker.web.forms.body import RowId
from tracker.web.pages.applications import format_outcome
from tracker.web.pages.year_view import read_year
from tracker.web.text import format_cycle

router = APIRouter()
_PAGE = 50
_LAST_PAGE = 100_000
_MOST_PROVIDERS = 200
_MOST_SHOWN = 12
_ATTENTION = "attention"
_STATE_LABELS = {"behind": "open, behind", "no rules": "no renewal rules"}
_PROBLEMS = {
    Job.EVALUATE: "The nightly evaluation failed",
    Job.NOTICES: "Notices could not be prepared",
    Job.REFERENCES: "Reminders could not be prepared",
    Job.DIGEST: "The weekly digest could not be prepared",
}


@router.get("/coordinator")
def show_association(
    site: SiteDep,
    now: NowDep,
    viewer: CoordinatorDep,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
) -> HTMLResponse:
    """What needs attention at one association, its renewals, and the providers to confirm."""
    association = choose_association(viewer, association)
    today = site.today(association, now)
    state = status if status in STATES or status == _ATTENTION else ""
    skip = (page - 1) * _PAGE
    with reading(site.engine) as session:
        counts = count_renewals(session, association, today)
        attention = list_attention(session, association, today)
        renewals = []
        if state != _ATTENTION:
            renewals = list_renewals(
                session, association, today, state=state, skip=skip, most=_PAGE
            )
        providers = list_named_providers(session, association, today)
        problems = list_job_problems(session, association)
    total = sum(counts.values())
    shown = attention[:_MOST_SHOWN] if page == 1 and not state else []
    if state == _ATTENTION:
        shown = attention[skip : skip + _PAGE]
    listed = {"": total, _ATTENTION: len(attention)}.get(state, counts.get(state, 0))
    return site.pages.render(
        "coordinator.html",
        viewer=viewer,
        here="coordinator",
        association=association,
        problems=[_format_problem(problem) for problem in problems],
        attention=[(item, describe_attention(item, today)) for item in shown],
        attention_count=len(attention),
        headline=format_attention_count(len(attention)),
        renewals=[
            (
                renewal,
                capitalize_first(format_missing(renewal.short)),
                _format_cycle(site.rulebooks, association, renewal),
            )
            for renewal in renewals
        ],
        counts=counts,
        labels=_STATE_LABELS,
        state=state,
        page=page,
        pages=max(1, -(-listed // _PAGE)),
        link=lambda **parts: f"/coordinator?{urlencode({'association': association, **parts})}",
        providers=providers[:_MOST_PROVIDERS],
    )


@router.get("/coordinator/people/{endorsement_id}")
def show_person(
    site: SiteDep, now: NowDep, viewer: CoordinatorDep, endorsement_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """One endorsee's year, as far as the viewer's association may see it; nothing can be edited."""
    with reading(site.engine) as session:
        endorsement = endorsement_within(session, endorsement_id, viewer.coordinates)
        if endorsement is None:
            raise HTTPException(404)
        person_id, association = endorsement.person_id, endorsement.association
        year = read_year(session, site.rulebooks, person_id, [endorsement], now, is_own=False)
        accepted = site.rulebooks.accepted_by(association)
        memberships = list_memberships(session, person_id)
        applications = list_applications(session, person_id)
    notice = ""
    if flash.code == "endorsed":
        has_cycle = any(renewal["cycle"] for renewal in year.renewals)
        notice = "Endorsed. The first renewal cycle is open." if has_cycle else "Endorsed."
    page = site.pages.render(
        "my_year.html",
        viewer=viewer,
        here="coordinator",
        year=year,
        applications=(),
        asked=[(a, format_outcome(a)) for a in applications if a.association == association],
        whose=endorsement,
        terms=[term for term in memberships if term.organization in accepted],
        contacts=site.settings.coordinators_by_association,
        notice=notice,
    )
    return flash.clear(page)


def choose_association(viewer: Viewer, association: str) -> str:
    """The association that the viewer chose, or else their first; 404 if it is not theirs."""
    if association and association not in viewer.coordinates:
        raise HTTPException(404)
    return association or viewer.coordinates[0]


def _format_problem(problem: JobProblem) -> str:
    text = _PROBLEMS[Job(problem.job)]
    return f"{text} for {problem.about}" if problem.about else text


def _format_cycle(rulebooks: Rulebooks, association: str, renewal: RenewalLine) -> str:
    """The cycle's name; empty for a category without rules."""
    cycles = rulebooks.associations[association].cycles
    cycle = cycle_containing(cycles, renewal.cycle_starts_on, renewal.cycle_starts_on)
    return format_cycle(cycle) if cycle and renewal.due_on else ""
