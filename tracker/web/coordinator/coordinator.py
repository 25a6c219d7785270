"""The coordinator's pages: standings, worst first, and one endorsee's year to read."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from tracker.records.judging.endorsees import endorsement_within
from tracker.records.mailing.coordinating import (
    FILTERS,
    Listed,
    count_standings,
    list_standings,
    providers_to_confirm,
)
from tracker.records.profile.memberships import terms_of
from tracker.records.profile.time_requests import count_requests
from tracker.records.store.engine import reading
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.web.applying.applications import say_applications
from tracker.web.forms.typed import RowId
from tracker.web.frame.contacts import contacts_of
from tracker.web.frame.said_once import TheSaid
from tracker.web.frame.site import Instant, TheSite
from tracker.web.frame.viewer import TheCoordinator, Viewer
from tracker.web.frame.words import capital, missing_of, say_cycle, say_missing
from tracker.web.year.year import read_year

router = APIRouter()
_PAGE = 50
_LAST_PAGE = 100_000
_WORDS = {"behind": "open, behind", "no rules": "no renewal rules"}


@router.get("/coordinator")
def show(
    site: TheSite,
    at: Instant,
    who: TheCoordinator,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1,
) -> HTMLResponse:
    """One association's renewals and the providers whom its endorsees have named."""
    mine = own_association(who, association)
    today = site.today(mine, at)
    state = status if status in FILTERS else ""
    with reading(site.engine) as connection:
        counts = count_standings(connection, mine, today)
        listed = list_standings(
            connection, mine, today, state=state, skip=(page - 1) * _PAGE, most=_PAGE
        )
        named = providers_to_confirm(connection, mine, today)
        waiting = count_requests(connection, mine, undecided=True)
    total = counts[state] if state else sum(counts.values())
    return site.pages.show(
        "coordinator.html",
        viewer=who,
        here="coordinator",
        association=mine,
        rows=[(one, _say(site.books, mine, one)) for one in listed],
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
    site: TheSite, at: Instant, who: TheCoordinator, endorsement_id: RowId, said: TheSaid
) -> HTMLResponse:
    """One endorsee's year, as far as the association goes, to read."""
    with reading(site.engine) as connection:
        one = endorsement_within(connection, endorsement_id, who.coordinates)
        if one is None:
            raise HTTPException(404)
        year = read_year(connection, site.books, one.person_id, [one], at, own=False)
        accepted = site.books.accepted_by(one.association)
        terms = [t for t in terms_of(connection, one.person_id) if t.term.organization in accepted]
        asked = say_applications(connection, one.person_id, one.association)
    cycles = [renewal.cycle for renewal in year.renewals if renewal.cycle]
    opened = " The first renewal cycle is open." if cycles else ""
    page = site.pages.show(
        "my_year.html",
        viewer=who,
        here="coordinator",
        year=year,
        applications=(),
        asked=asked,
        whose=one,
        terms=terms,
        contacts=contacts_of(site),
        notice=f"Endorsed.{opened}" if said.word == "endorsed" else "",
    )
    return said.once(page)


def own_association(who: Viewer, association: str) -> str:
    """The association asked for, if it is one's own, else (none asked for) the first."""
    if association and association not in who.coordinates:
        raise HTTPException(404)
    return association or who.coordinates[0]


def _say(books: Rulebooks, association: str, one: Listed) -> tuple[str, str]:
    """What is missing, and the cycle's name; both may be empty."""
    book = books.associations[association]
    asked = {r.id: r for r in book.requirements_of(one.category)}
    missing = [missing_of(asked[i], short) for i, short in one.short.items() if i in asked]
    cycle = cycle_containing(book.cycles, one.cycle_starts_on, one.cycle_starts_on)
    named = say_cycle(cycle) if cycle and one.due_on else ""
    return capital(say_missing(missing, membership="membership")), named
