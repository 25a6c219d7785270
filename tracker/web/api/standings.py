"""Standings, evaluated for each request as by `tracker standing --json`."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.exports.standing_json import standing_to_json
from tracker.services.api_entries import ListFilter, page_of_endorsements
from tracker.services.endorsements import endorsement_within
from tracker.services.evaluation import days_at, judge_all
from tracker.services.sign_in import normalize_email
from tracker.services.uncounted import with_uncounted
from tracker.web.api.models import LARGEST_ID, Line, PageQuery, StandingOut, StandingPage, next_page
from tracker.web.api.problems import Problem, ReadsStandings, documented
from tracker.web.dependencies import NowDep, Site, SiteDep

router = APIRouter(tags=["standings"])
# No cycle is calculated beyond these years.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_CYCLE = "A day of the cycle; without it, the current cycle."
EndorsementId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


class StandingQuery(PageQuery):
    """Which renewals to list."""

    cycle: date | None = Field(None, description=_CYCLE)
    email: Line = Field("", max_length=254, description="Only this person (first address).")
    category: Line = Field("", max_length=40, description="Only this category.")


@router.get("/standings", responses=documented(401, 403, 422))
def list_standings(
    site: SiteDep,
    now: NowDep,
    caller: ReadsStandings,
    request: Request,
    query: Annotated[StandingQuery, Query()],
) -> StandingPage:
    """Where each renewal of the association stands, by endorsement.

    A page may hold fewer than `limit`: an endorsement without a renewal in the cycle gives none.
    """
    wanted = ListFilter(caller.association, normalize_email(query.email))
    with reading(site.engine) as session:
        ids = page_of_endorsements(
            session, wanted, category=query.category, after=query.after, limit=query.limit + 1
        )
        items = _evaluate(session, site, ids[: query.limit], query.cycle, now)
    return StandingPage(items=items, next=next_page(request, query, ids))


@router.get("/standings/{endorsement_id}", responses=documented(401, 403, 404, 422))
def show_standing(
    site: SiteDep,
    now: NowDep,
    caller: ReadsStandings,
    endorsement_id: EndorsementId,
    cycle: Annotated[date | None, Query(description=_CYCLE)] = None,
) -> StandingOut:
    """Where one endorsement's renewal stands: what counts, what is missing, and why."""
    standings: list[StandingOut] = []
    with reading(site.engine) as session:
        if endorsement_within(session, endorsement_id, [caller.association]) is not None:
            standings = _evaluate(session, site, [endorsement_id], cycle, now)
    if not standings:
        raise Problem(404, "The association has no such endorsement with a renewal.")
    return standings[0]


def _evaluate(
    session: Session, site: Site, ids: list[int], cycle: date | None, now: datetime
) -> list[StandingOut]:
    day_of = days_at(site.rulebooks, now)
    if cycle and not _FIRST_YEAR <= cycle.year <= _LAST_YEAR:
        return []
    judged = judge_all(session, site.rulebooks, day_of, cycle_day=cycle, endorsement_ids=ids)
    standings = sorted(judged, key=lambda s: s.facts.subject_id)
    return [
        StandingOut(
            endorsement_id=standing.facts.subject_id,
            name=standing.facts.name,
            **standing_to_json(standing, uncounted),
        )
        for standing, uncounted in with_uncounted(session, standings, day_of)
    ]
