"""The coordinator's pages: what needs attention, all renewals, and one endorsee's year."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from tracker.formatting import capitalize_first
from tracker.notifications.attention_text import (
    AttentionRow,
    attention_rows,
    describe_attention,
    format_attention_count,
    format_missing,
)
from tracker.rules.cycles import cycle_containing
from tracker.rules.model import Rulebook
from tracker.services.applications import find_undoable_decision, list_applications
from tracker.services.context import Refused, ServiceContext
from tracker.services.dashboard import (
    STATES,
    RenewalLine,
    count_renewals,
    list_attention,
    list_job_problems,
    list_named_providers,
    list_renewals,
)
from tracker.services.endings import list_endings
from tracker.services.endorsements import endorsement_within
from tracker.services.memberships import list_memberships
from tracker.services.reopening import reopen_cycle, settle_again
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.spreadsheet_csv import csv_lines
from tracker.web.dependencies import client_of
from tracker.web.forms.body import CycleStart, RowId, Typed, clean, text_of
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    count_pages,
    format_problems,
    require,
)
from tracker.web.pages.applications import format_outcome
from tracker.web.pages.desk import choose_association
from tracker.web.pages.my_year import read_year, show_cycle
from tracker.web.rendering import format_cycle

router = APIRouter()
_MOST_PROVIDERS = 200
_MOST_SHOWN = 12
_ATTENTION = "attention"


@router.get("/coordinator")
def show_association(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """What needs attention at one association, its renewals, and the providers to confirm."""
    association = choose_association(page.viewer, association)
    today = page.day_of(association)
    state = status if status in STATES or status == _ATTENTION else ""
    skip = (number - 1) * PAGE_SIZE
    renewals: Sequence[RenewalLine] = ()
    with page.reading() as session:
        counts = count_renewals(session, association, today)
        attention = list_attention(session, association, today)
        if state != _ATTENTION:
            renewals = list_renewals(
                session, association, today, state=state, skip=skip, most=PAGE_SIZE
            )
        providers = list_named_providers(session, association, today)
        problems = list_job_problems(session, association)
        endings = list_endings(session, page.rulebooks, association, page.day_of)
    shown = attention[:_MOST_SHOWN] if number == 1 and not state else []
    if state == _ATTENTION:
        shown = attention[skip : skip + PAGE_SIZE]
    totals = {"": sum(counts.values()), _ATTENTION: len(attention), **counts}
    rulebook = page.rulebooks.associations[association]
    return page.render(
        "coordinator.html",
        here="coordinator",
        association=association,
        job_problems=problems,
        attention=[(item, describe_attention(item, today)) for item in shown],
        attention_count=len(attention),
        headline=format_attention_count(len(attention)),
        renewals=[_view_renewal(rulebook, renewal) for renewal in renewals],
        counts=counts,
        state=state,
        page=number,
        pages=count_pages(totals.get(state, 0)),
        link=lambda **parts: f"/coordinator?{urlencode({'association': association, **parts})}",
        providers=providers[:_MOST_PROVIDERS],
        endings=[(ending, ending.has_ended(today)) for ending in endings[:_MOST_PROVIDERS]],
    )


@router.get("/coordinator/attention.csv")
def send_attention(
    page: CoordinatorPage, request: Request, association: Annotated[str, Query()] = ""
) -> StreamingResponse:
    """Send what needs attention at one association for a spreadsheet."""
    association = choose_association(page.viewer, association)
    rulebook = page.rulebooks.associations[association]
    with page.reading() as session:
        rows = attention_rows(session, rulebook, page.day_of, page.site.settings.base_url)
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda writing: record_event(writing, page.now, client, DOWNLOAD, DONE, person_id)
    )
    name = f"attention-{association.lower()}-{page.day_of(association).isoformat()}.csv"
    return StreamingResponse(
        csv_lines(AttentionRow._fields, rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@router.get("/coordinator/people/{endorsement_id}")
def show_person(page: CoordinatorPage, endorsement_id: RowId) -> HTMLResponse:
    """One endorsee's year, as far as the viewer's association may see it; nothing can be edited."""
    coordinated = page.viewer.coordinates
    with page.reading() as session:
        endorsement = require(endorsement_within(session, endorsement_id, coordinated))
        person_id, association = endorsement.person_id, endorsement.association
        year = read_year(session, page, whose=endorsement)
        accepted = page.rulebooks.accepted_by(association)
        memberships = list_memberships(session, person_id)
        applications = list_applications(session, person_id)
        own = [a.id for a in applications if a.association == association]
        undo = find_undoable_decision(session, own, page.now)
    return page.render(
        "my_year.html",
        here="coordinator",
        year=year,
        applications=(),
        asked=[(a, format_outcome(a)) for a in applications if a.association == association],
        whose=endorsement,
        undo=undo if undo and undo.reason == "endorsed" else None,
        terms=[term for term in memberships if term.organization in accepted],
        contacts=page.site.settings.coordinators_by_association,
    )


@router.post("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def change_settlement(
    page: CoordinatorPage, endorsement_id: RowId, cycle_starts_on: CycleStart, typed: Typed
) -> Response:
    """Reopen a settled cycle, with a reason, or settle it again."""
    path = f"/coordinator/people/{endorsement_id}/{cycle_starts_on}"
    reopens = text_of(typed, "action") == "reopen"

    def work(context: ServiceContext) -> None:
        if reopens:
            reason = clean(text_of(typed, "reason"))
            reopen_cycle(context, endorsement_id, cycle_starts_on, reason)
        else:
            settle_again(context, endorsement_id, cycle_starts_on)

    try:
        page.write(work)
    except Refused as refused:
        return show_cycle(page, endorsement_id, cycle_starts_on, format_problems(refused))
    return page.redirect(path, "reopened" if reopens else "settled")


def _view_renewal(rulebook: Rulebook, renewal: RenewalLine) -> tuple[RenewalLine, str, str]:
    """A renewal, what is missing, and its cycle's name (empty for a category without rules)."""
    starts_on = renewal.standing.cycle_starts_on
    cycle = cycle_containing(rulebook.cycles, starts_on, starts_on)
    name = format_cycle(cycle) if cycle and renewal.standing.due_on else ""
    return renewal, capitalize_first(format_missing(renewal.short)), name
