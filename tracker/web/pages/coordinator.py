"""The coordinator's pages: standings, worst first, and one endorsee's year to read."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from tracker.db.engine import reading
from tracker.formatting import capitalize_first
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.services.dashboard import (
    FILTERS,
    Listed,
    count_standings,
    list_standings,
    providers_to_confirm,
)
from tracker.services.endorsements import endorsement_within
from tracker.services.memberships import list_memberships
from tracker.services.time_requests import count_requests
from tracker.web.dependencies import CoordinatorDep, NowDep, SiteDep, Viewer
from tracker.web.flash import FlashDep
from tracker.web.forms.body import RowId
from tracker.web.pages.applications import list_outcomes
from tracker.web.pages.year_view import read_year
from tracker.web.text import format_cycle, format_missing, missing_of

router = APIRouter()
_PAGE = 50
_LAST_PAGE = 100_000
_WORDS = {"behind": "open, behind", "no rules": "no renewal rules"}


@router.get("/coordinator")
def show(
    site: SiteDep,
    at: NowDep,
    who: CoordinatorDep,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
) -> HTMLResponse:
    """One association's renewals and the providers whom its endorsees have named."""
    mine = own_association(who, association)
    today = site.today(mine, at)
    state = status if status in FILTERS else ""
    with reading(site.engine) as session:
        counts = count_standings(session, mine, today)
        listed = list_standings(
            session, mine, today, state=state, skip=(page - 1) * _PAGE, most=_PAGE
        )
        named = providers_to_confirm(session, mine, today)
        waiting = count_requests(session, mine, undecided=True)
    total = counts[state] if state else sum(counts.values())
    return site.pages.render(
        "coordinator.html",
        viewer=who,
        here="coordinator",
        association=mine,
        rows=[(one, _say(site.rulebooks, mine, one)) for one in listed],
        counts=counts,
        words=_WORDS,
        state=state,
        page=page,
        pages=max(1, -(-total // _PAGE)),
        link=lambda **parts: f"/coordinator?{urlencode({'association': mine, **parts})}",
        named=named,
        waiting=waiting,
    )


@router.get("/coordinator/people/{endorsement_id}")
def show_person(
    site: SiteDep, at: NowDep, who: CoordinatorDep, endorsement_id: RowId, flash: FlashDep
) -> HTMLResponse:
    """One endorsee's year, as far as the association goes, to read."""
    with reading(site.engine) as session:
        one = endorsement_within(session, endorsement_id, who.coordinates)
        if one is None:
            raise HTTPException(404)
        year = read_year(session, site.rulebooks, one.person_id, [one], at, is_own=False)
        accepted = site.rulebooks.accepted_by(one.association)
        terms = [t for t in list_memberships(session, one.person_id) if t.organization in accepted]
        asked = list_outcomes(session, one.person_id, one.association)
    cycles = [renewal.cycle for renewal in year.renewals if renewal.cycle]
    opened = " The first renewal cycle is open." if cycles else ""
    page = site.pages.render(
        "my_year.html",
        viewer=who,
        here="coordinator",
        year=year,
        applications=(),
        asked=asked,
        whose=one,
        terms=terms,
        contacts=site.settings.coordinators_by_association,
        notice=f"Endorsed.{opened}" if flash.code == "endorsed" else "",
    )
    return flash.clear(page)


def own_association(who: Viewer, association: str) -> str:
    """The association asked for, if it is one's own, else (none asked for) the first."""
    if association and association not in who.coordinates:
        raise HTTPException(404)
    return association or who.coordinates[0]


def _say(rulebooks: Rulebooks, association: str, one: Listed) -> tuple[str, str]:
    """What is missing, and the cycle's name; both may be empty."""
    rulebook = rulebooks.associations[association]
    asked = {r.id: r for r in rulebook.requirements_of(one.category)}
    missing = [missing_of(asked[i], short) for i, short in one.short.items() if i in asked]
    cycle = cycle_containing(rulebook.cycles, one.cycle_starts_on, one.cycle_starts_on)
    named = format_cycle(cycle) if cycle and one.due_on else ""
    return capitalize_first(format_missing(missing, membership="membership")), named
