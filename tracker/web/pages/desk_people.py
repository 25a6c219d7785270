"""The list of everyone at an association: filters, saved filters, export, and what to act on."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.clock import local_day
from tracker.db.lists import SavedFilter
from tracker.exports import pdf_files
from tracker.exports.certificate_bundles import start_certificates
from tracker.exports.workbooks import XLSX, ExportTable, table_csv, table_workbook
from tracker.formatting import format_date
from tracker.mail.refusals import describe_refusal
from tracker.notifications.people_text import format_option, format_row_missing, format_status
from tracker.notifications.stage_text import format_stage
from tracker.rules.stages import Stage
from tracker.services.context import Refused, ServiceContext
from tracker.services.people_filter import (
    DueSpan,
    Facet,
    FilteredPeople,
    PeopleFilter,
    Sort,
    apply_filter,
    list_rows_of_only_match,
    parse_filter,
)
from tracker.services.people_list import STATUSES, People, PeopleRow, RowKey, RowKind, list_people
from tracker.services.saved_filters import list_saved_filters
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.services.selections import create_selection, get_selection
from tracker.web.dependencies import client_of
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    format_problems,
)
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_work import WORK_PATH
from tracker.web.pages.people_table import tabulate_people

router = APIRouter()
PATH = "/coordinator/people"
_WARM = ("lapsed", "overdue", "behind")
# Enough for those who supervise most; the search finds the others.
_MOST_PROVIDERS = 30
_TITLES = {
    Facet.STAGE: "Stage",
    Facet.STATUS: "Status",
    Facet.MISSING: "Still needs",
    Facet.DUE: "Due",
    Facet.CATEGORY: "Category",
    Facet.FLAG: "Email and sign-in",
    Facet.MARK: "Mark",
    Facet.PROVIDER: "RSC provider",
}
_SORTS = {
    Sort.NAME: "Name",
    Sort.CATEGORY: "Category",
    Sort.URGENCY: "Status",
    Sort.DUE: "Due",
    Sort.MISSING: "Still needs",
}
MAIL, WAIVE, EXTEND, MEMBERSHIP, MARK = "mail", "waive", "extend", "membership", "mark"
_CERTIFICATES = "certificates"
# The buttons, for "all 4" or "checked".
ACTIONS = {
    MAIL: "Email {}",
    WAIVE: "Waive for {}",
    EXTEND: "Extend for {}",
    MEMBERSHIP: "Add membership for {}",
    MARK: "Mark {}",
    # Short, so that all buttons are in one line.
    _CERTIFICATES: "Certificates",
}


class OptionView(NamedTuple):
    """One option of a filter: how many rows it would show, and the address that toggles it."""

    label: str
    rows: int
    path: str
    is_chosen: bool


class FacetView(NamedTuple):
    """A filter with its options."""

    name: str
    title: str
    options: list[OptionView]


class RowView(NamedTuple):
    """A row as the page shows it; ``tone`` is that of the status.

    ``stage`` is empty if it says no more than the status, or nobody submits renewals. ``bounced``
    says since when and why the first address does not work, and is empty if it does.
    """

    key: str
    row: PeopleRow
    path: str
    status: str
    tone: str
    missing: str
    stage: str
    bounced: str


class Shown(NamedTuple):
    """The list at one association as its address has it."""

    association: str
    chosen: PeopleFilter
    people: People
    filtered: FilteredPeople
    has_providers: bool = False

    def link(self, chosen: PeopleFilter, path: str = PATH, **more: object) -> str:
        """The address of the list with another filter."""
        pairs = [("association", self.association), *chosen.pairs()]
        if self.has_providers:
            pairs.append(("providers", "1"))
        return (
            f"{path}?{urlencode([*pairs, *((name, str(value)) for name, value in more.items())])}"
        )


@router.get("/coordinator/people")
def show_people(
    page: CoordinatorPage,
    request: Request,
    association: Annotated[str, Query()] = "",
    providers: Annotated[str, Query()] = "",
    only: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> Response:
    """Everyone of an association, as far as the filter in the address shows them.

    ``only`` comes from a search form: if one person matches, their page is opened.
    """
    shown = read_people(page, request, association, has_providers=bool(providers))
    if only and (rows := list_rows_of_only_match(shown.filtered.rows, shown.chosen.text)):
        # Their own page rather than that of an application.
        row = min(rows, key=lambda row: row.kind is RowKind.APPLICATION)
        return RedirectResponse(_path_of(row), 303)
    return render_people(page, shown, number)


@router.get("/coordinator/people.csv")
def send_csv(
    page: CoordinatorPage, request: Request, association: Annotated[str, Query()] = ""
) -> Response:
    """Send exactly the rows that the filter shows, for a spreadsheet."""
    table, name = _tabulate(page, request, association)
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    # Whole, because a streamed answer changes threads for each line.
    content = b"".join(table_csv(table))
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/coordinator/people.xlsx")
def send_workbook(
    page: CoordinatorPage, request: Request, association: Annotated[str, Query()] = ""
) -> Response:
    """Send exactly the rows that the filter shows, as a workbook."""
    table, name = _tabulate(page, request, association)
    with table_workbook(table, name) as file:
        headers = {"content-disposition": f'attachment; filename="{name}.xlsx"'}
        return Response(file.read(), media_type=XLSX, headers=headers)


@router.post("/coordinator/people")
def select_people(
    page: CoordinatorPage,
    request: Request,
    typed: Typed,
    association: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> Response:
    """Keep the checked rows, or all that match if none is, and go on to what to do with them."""
    shown = read_people(page, request, association)
    checked = {str(key) for key in typed.getlist("row")}
    rows = shown.filtered.rows
    if checked:
        rows = [row for row in rows if format_key(row.key) in checked]

    action = text_of(typed, "action")
    action = action if action in _list_actions(page, shown.association) else MARK

    def keep(context: ServiceContext) -> str:
        query = shown.chosen.query()
        of = (shown.association, rows, query)
        selection_id = create_selection(context, *of, is_whole=not checked)
        if action == _CERTIFICATES:
            selected = get_selection(context.session, context.actor, selection_id, page.now)
            return f"{WORK_PATH}/{start_certificates(context, selected)}"
        if action == MAIL:
            return f"/coordinator/mail/new?selection={selection_id}"
        return f"/coordinator/selections/{selection_id}/{action}"

    try:
        return RedirectResponse(page.write(keep), 303)
    except Refused as refused:
        return render_people(page, shown, number, format_problems(refused))


def _list_actions(page: PageRequest, association: str) -> dict[str, str]:
    """What can be done for chosen rows at an association, with the buttons' words."""
    rulebooks = page.rulebooks
    actions = dict(ACTIONS)
    if association not in rulebooks.certificate_issuers or not pdf_files.AVAILABLE:
        del actions[_CERTIFICATES]
    if not any(map(rulebooks.accepted_by, page.viewer.coordinates)):
        del actions[MEMBERSHIP]
    return actions


def read_people(
    page: PageRequest,
    request: Request,
    association: str,
    *,
    has_providers: bool = False,
    has_stages: bool = False,
) -> Shown:
    """The list as the address of a request has it; 404 for somebody else's association.

    RSC providers and stages take long to read. Unless asked for, they are there only if the address
    names some; stages also where they say more than statuses.
    """
    association = choose_association(page.viewer, association)
    chosen = parse_filter(
        (name, clean(value)) for name, value in request.query_params.multi_items()
    )
    has_providers = has_providers or Facet.PROVIDER in chosen.chosen
    wants = (lambda _key, _name: True) if has_providers else chosen.wants_provider
    today = page.day_of(association)
    rulebook = page.rulebooks.associations[association]
    has_stages = (
        has_stages
        or association in page.rulebooks.submitting
        or bool(rulebook.removals)
        or Facet.STAGE in chosen.chosen
    )
    rulebooks = page.rulebooks if has_stages else None
    with page.reading() as session:
        people = list_people(session, association, page.now, today, wants, rulebooks=rulebooks)
    return Shown(association, chosen, people, apply_filter(people, chosen, today), has_providers)


def format_key(key: RowKey) -> str:
    """A row's key as forms send it: ``renewal-12-2026-01-01``."""
    cycle = f"-{key.cycle_starts_on.isoformat()}" if key.cycle_starts_on else ""
    return f"{key.kind}-{key.id}{cycle}"


def render_people(
    page: PageRequest,
    shown: Shown,
    number: int = 1,
    problems: Sequence[tuple[str, str]] = (),
    saved_name: str = "",
) -> HTMLResponse:
    """The page of the list, with what is wrong with what was sent."""
    rows, association = shown.filtered.rows, shown.association
    rulebook = page.rulebooks.associations[association]
    pages = count_pages(len(rows))
    number = min(number, pages)
    people = len({row.person_id for row in rows})
    everybody = "this person" if people == 1 else f"all {people}"
    has_stages = _has_stages(page, shown)
    with page.reading() as session:
        saved = list_saved_filters(session, page.viewer.email, association)
    return page.render(
        "desk_people.html",
        problems=problems,
        here="coordinator",
        desk="people",
        association=association,
        shown=shown,
        chosen=shown.chosen,
        rows=[
            _view_row(row, rulebook.time_zone, has_stages=has_stages)
            for row in rows[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        ],
        total=len(rows),
        people=people,
        everyone=len(shown.people.rows),
        facets=_view_facets(shown, list(rulebook.categories), has_stages=has_stages),
        sorts=_SORTS,
        actions=[
            (action, label.format(everybody), label.format("checked"))
            for action, label in _list_actions(page, association).items()
        ],
        saved=[
            (each.name, filter_path(each), each.query == shown.chosen.query()) for each in saved
        ],
        saved_name=saved_name,
        page=number,
        pages=pages,
        first=(number - 1) * PAGE_SIZE + 1,
    )


def filter_path(saved: SavedFilter) -> str:
    """The address of the list as a saved filter shows it."""
    return f"{PATH}?{urlencode({'association': saved.association})}&{saved.query}"


def _path_of(row: PeopleRow) -> str:
    """The page that a row leads to."""
    if row.kind is RowKind.APPLICATION:
        return f"/coordinator/applicants/{row.id}"
    return f"/coordinator/person/{row.person_id}"


def _has_stages(page: PageRequest, shown: Shown) -> bool:
    """Whether stages say more than statuses: renewals are submitted, or somebody was removed."""
    is_submitting = shown.association in page.rulebooks.submitting
    stages = {*shown.filtered.counts[Facet.STAGE], *shown.chosen.chosen.get(Facet.STAGE, ())}
    return is_submitting or not stages.isdisjoint((Stage.REMOVED, Stage.REINSTATED))


def _view_row(row: PeopleRow, zone: str, *, has_stages: bool) -> RowView:
    tone = "plain"
    if row.status in _WARM:
        tone = "warm"
    elif row.status == "met":
        tone = "good"
    key, status, missing = format_key(row.key), row.status, format_row_missing(row.requirements)
    stage = format_stage(row.stage) if has_stages and row.stage not in ("", status) else ""
    bounced = ""
    if row.refused_at is not None:
        since = format_date(local_day(row.refused_at, zone))
        bounced = f"bounced {since}: {describe_refusal(row.refused_reason)}"
    return RowView(key, row, _path_of(row), format_status(status), tone, missing, stage, bounced)


def _view_facets(shown: Shown, categories: Sequence[str], *, has_stages: bool) -> list[FacetView]:
    """Each filter that has something to choose; what is chosen is always there."""
    orders: Mapping[Facet, Sequence[str]] = {
        Facet.STAGE: list(Stage),
        Facet.STATUS: STATUSES,
        Facet.CATEGORY: categories,
        Facet.DUE: list(DueSpan),
    }
    views = []
    for facet, title in _TITLES.items():
        counts, picked = shown.filtered.counts[facet], shown.chosen.chosen.get(facet, ())
        keys = list(dict.fromkeys([*counts, *picked]))
        order = orders.get(facet)
        if order is not None:
            keys.sort(key=lambda key: order.index(key) if key in order else len(order))
        elif facet is Facet.PROVIDER:
            keys.sort(key=lambda key: (key not in picked, -counts.get(key, 0), key))
            keys = keys[:_MOST_PROVIDERS]
        names = shown.people.providers if facet is Facet.PROVIDER else shown.filtered.labels
        options = [
            OptionView(
                format_option(facet, key, names),
                counts.get(key, 0),
                shown.link(shown.chosen.toggle(facet, key)),
                key in picked,
            )
            for key in keys
        ]
        is_shown = {Facet.PROVIDER: shown.has_providers, Facet.STAGE: has_stages}
        if options and is_shown.get(facet, True):
            views.append(FacetView(facet.value, title, options))
    return views


def _tabulate(page: PageRequest, request: Request, association: str) -> tuple[ExportTable, str]:
    """What the filter shows, as a table, and the file's name; recorded as a download."""
    shown = read_people(page, request, association, has_providers=True, has_stages=True)
    rulebook = page.rulebooks.associations[shown.association]
    table = tabulate_people(shown.filtered, shown.people.providers, rulebook.time_zone)
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda session: record_event(session, page.now, client, DOWNLOAD, DONE, person_id)
    )
    day = page.day_of(shown.association).isoformat()
    return table, f"people-{shown.association.lower()}-{day}"
