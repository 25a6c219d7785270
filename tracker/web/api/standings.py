"""Reads standings, judged anew for each request as `tracker standing --json` does."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlalchemy import Connection

from tracker.records.api.api_entries import Wanted, page_of_endorsements
from tracker.records.entries.uncounted import with_uncounted
from tracker.records.judging.endorsees import endorsement_within
from tracker.records.judging.evaluation import days_at, judge_all
from tracker.records.judging.facts import make_id_table
from tracker.records.sign_in.sign_in import normal_email
from tracker.records.store.engine import reading
from tracker.transfer.standing_json import as_json_object
from tracker.web.api.callers import ReadsStandings
from tracker.web.api.models import Line, StandingOut, StandingPage
from tracker.web.api.paging import LARGEST_ID, PageQuery, next_page
from tracker.web.frame.problems import Problem, documented
from tracker.web.frame.site import Instant, Site, TheSite

router = APIRouter(tags=["standings"])
# No cycle is reckoned beyond these: the calendar ends at 9999.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_CYCLE = "A day of the cycle asked for; else the current one."
EndorsementId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


class StandingQuery(PageQuery):
    """Which renewals."""

    cycle: date | None = Field(None, description=_CYCLE)
    email: Line = Field("", max_length=254, description="Only this person (first address).")
    category: Line = Field("", max_length=40, description="Only this category.")


@router.get("/standings", responses=documented(401, 403, 422))
def list_standings(
    site: TheSite,
    at: Instant,
    who: ReadsStandings,
    request: Request,
    query: Annotated[StandingQuery, Query()],
) -> StandingPage:
    """Where each renewal of the association stands, by endorsement.

    A page may hold fewer than `limit`: an endorsement without a renewal in the cycle gives none.
    """
    wanted = Wanted(who.association, normal_email(query.email))
    with reading(site.engine) as connection:
        ids = page_of_endorsements(
            connection, wanted, category=query.category, after=query.after, most=query.limit + 1
        )
        found = _standings(connection, site, ids[: query.limit], query.cycle, at)
    return StandingPage(items=found, next=next_page(request, query, ids))


@router.get("/standings/{endorsement_id}", responses=documented(401, 403, 404, 422))
def show_standing(
    site: TheSite,
    at: Instant,
    who: ReadsStandings,
    endorsement_id: EndorsementId,
    cycle: Annotated[date | None, Query(description=_CYCLE)] = None,
) -> StandingOut:
    """Where one endorsement's renewal stands: what counts, what is missing and why."""
    found: list[StandingOut] = []
    with reading(site.engine) as connection:
        if endorsement_within(connection, endorsement_id, [who.association]) is not None:
            found = _standings(connection, site, [endorsement_id], cycle, at)
    if not found:
        raise Problem(404, "The association has no such endorsement with a renewal to judge.")
    return found[0]


def _standings(
    connection: Connection, site: Site, ids: list[int], cycle: date | None, at: datetime
) -> list[StandingOut]:
    day_of = days_at(site.books, at)
    if cycle and not _FIRST_YEAR <= cycle.year <= _LAST_YEAR:
        return []
    make_id_table(connection, "wanted", ids)
    judged = judge_all(connection, site.books, day_of, cycle_day=cycle, only="wanted")
    standings = sorted(judged, key=lambda s: s.facts.subject_id)
    return [
        StandingOut(
            endorsement_id=standing.facts.subject_id,
            name=standing.facts.name,
            **as_json_object(standing, uncounted),
        )
        for standing, uncounted in with_uncounted(connection, site.books, standings, day_of)
    ]
