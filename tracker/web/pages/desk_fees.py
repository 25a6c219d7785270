"""Fees on the desk: who owes what by when, with totals of what is shown, and as a file."""

from datetime import date
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response

from tracker.exports.workbooks import XLSX, Column, ExportTable, Value, table_csv, table_workbook
from tracker.formatting import format_cycle_span, format_money
from tracker.rules.fees import CENTS
from tracker.services.fee_lists import (
    FeePeriod,
    list_association_fees,
    list_fee_years,
    recent_fees,
)
from tracker.services.fees import FeeLine, FeeState, add_up
from tracker.web.dependencies import FEES_PATH
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.rendering import category_name

router = APIRouter()
# The name of the period without an end, and how long the name of a year is.
_ALL, _YEAR_DIGITS = "all", 4
_COLUMNS = (
    Column("Name", 28),
    Column("Category", 12),
    Column("Renewal", 16),
    Column("Fee", 24),
    Column("Renewal due", 14),
    Column("Plain amount through", 20),
    Column("Due", 10),
    Column("Paid", 10),
    Column("Owed", 10),
    Column("Status", 10),
)
_STATES = {
    FeeState.OPEN: ("Open", "plain"),
    FeeState.LATE: ("Late", "warm"),
    FeeState.LAPSED: ("Lapsed", "warm"),
    FeeState.PAID: ("Paid", "good"),
    FeeState.WAIVED: ("Waived", "plain"),
}


Chosen = Annotated[str, Query()]


class _Choice:
    """What the address of a list asks for."""

    def __init__(
        self,
        association: Chosen = "",
        state: Chosen = "",
        category: Chosen = "",
        period: Chosen = "",
    ) -> None:
        self.association = association
        self.state = state
        self.category = category
        self.period = period


Choice = Annotated[_Choice, Depends()]


class FeeView(NamedTuple):
    """A line with its words: the renewal, the status, and the tone of that."""

    line: FeeLine
    renewal: str
    state: str
    tone: str
    typed: str = ""


class _Shown(NamedTuple):
    """The lines that an address asks for, the filter, and the years for which there are any."""

    association: str
    state: str
    category: str
    period: str
    lines: list[FeeLine]
    years: list[int]

    def path(self, ending: str = "", **changes: str | int) -> str:
        """The address of these lines, or of others that differ by ``changes``."""
        query: dict[str, str | int] = {
            "association": self.association,
            "state": self.state,
            "category": self.category,
            "period": self.period,
        }
        kept = {name: text for name, text in {**query, **changes}.items() if text}
        return f"{FEES_PATH}{ending}?{urlencode(kept)}"


def _read(page: PageRequest, chosen: _Choice) -> _Shown:
    """The lines of an address; 404 for a foreign association, and for what no page links to."""
    association = choose_association(page.viewer, chosen.association)
    state, category, named = chosen.state, chosen.category, chosen.period
    rulebook = page.rulebooks.associations[association]
    require(rulebook.fees)
    require(not state or state in set(FeeState))
    require(not category or category in rulebook.categories)
    period = require(_parse_period(named, page.day_of(association)))
    with page.reading() as session:
        lines = list_association_fees(session, page.rulebooks, association, page.day_of, period)
        years = list_fee_years(session, page.rulebooks, association, lines)
    shown = [line for line in lines if state in ("", line.state)]
    shown = [line for line in shown if category in ("", line.category)]
    return _Shown(association, state, category, named, shown, years)


def _parse_period(named: str, today: date) -> FeePeriod | None:
    """The period that an address names: a year, all, or the last one; None for anything else."""
    if named in ("", _ALL):
        return FeePeriod() if named else recent_fees(today)
    is_year = named.isascii() and named.isdigit() and len(named) == _YEAR_DIGITS
    return FeePeriod(year=int(named)) if is_year else None


@router.get(FEES_PATH)
def show_fees(page: CoordinatorPage, chosen: Choice, number: PageNumber = 1) -> HTMLResponse:
    """Who owes what by when, with totals of exactly what is shown."""
    shown = _read(page, chosen)
    rulebook = page.rulebooks.associations[shown.association]
    categories = dict.fromkeys(category for fee in rulebook.fees for category in fee.categories)
    first = (number - 1) * PAGE_SIZE
    return page.render(
        "desk_fees.html",
        here="coordinator",
        desk="fees",
        association=shown.association,
        views=[view_line(line) for line in shown.lines[first : first + PAGE_SIZE]],
        count=len(shown.lines),
        page=number,
        pages=count_pages(len(shown.lines)),
        totals=add_up(shown.lines),
        shown=shown,
        periods=_list_periods(shown),
        states=[(each.value, _STATES[each][0]) for each in FeeState],
        categories={each: category_name(rulebook, each) for each in categories},
        money=lambda cents: format_money(cents, rulebook.currency_code),
    )


@router.get(f"{FEES_PATH}.csv")
def send_csv(page: CoordinatorPage, chosen: Choice) -> Response:
    """Send exactly the lines that the filter shows, for a spreadsheet."""
    shown = _read(page, chosen)
    headers = {"content-disposition": f'attachment; filename="{_name_file(page, shown)}.csv"'}
    content = b"".join(table_csv(_tabulate(shown)))
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.get(f"{FEES_PATH}.xlsx")
def send_workbook(page: CoordinatorPage, chosen: Choice) -> Response:
    """Send exactly the lines that the filter shows, as a workbook."""
    shown = _read(page, chosen)
    name = _name_file(page, shown)
    with table_workbook(_tabulate(shown), name) as file:
        headers = {"content-disposition": f'attachment; filename="{name}.xlsx"'}
        return Response(file.read(), media_type=XLSX, headers=headers)


def _list_periods(shown: _Shown) -> list[tuple[str, str]]:
    """The periods to choose from, each with its name in an address and its label."""
    years = [(str(year), str(year)) for year in shown.years]
    return [("", "Last 12 months, and owed"), *years, (_ALL, "All")]


def _name_file(page: PageRequest, shown: _Shown) -> str:
    return f"{shown.association}-fees-{page.day_of(shown.association)}"


def _tabulate(shown: _Shown) -> ExportTable:
    rows: list[list[Value]] = []
    for line in shown.lines:
        view = view_line(line)
        row: list[Value] = [line.name, line.category, view.renewal, line.fee.label]
        row += [line.due_on, line.account.on_time_through]
        row += [cents / CENTS for cents in (line.due, line.account.paid, line.owed)]
        rows.append([*row, view.state])
    return ExportTable(_COLUMNS, rows)


def view_line(line: FeeLine, typed: str = "") -> FeeView:
    """A line with its words, and what was typed for it in a form."""
    renewal = "Reinstatement"
    if not line.is_reinstatement:
        renewal = format_cycle_span(line.cycle_starts_on, line.cycle_ends_on)
    return FeeView(line, renewal, *_STATES[line.state], typed)
