"""Reports for the board, and the checklist before a cycle closes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from dateutil.relativedelta import relativedelta
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.datastructures import FormData

from tracker.formatting import as_hours, format_percent
from tracker.notifications.comparison_text import format_state
from tracker.notifications.report_text import (
    ACTIVITY_NAMES,
    DEFINITIONS,
    MOVEMENT_NAMES,
    describe_step,
    format_equation,
    format_outcomes,
    format_reason_of_hours,
    name_checklist,
)
from tracker.rules.model import Rulebook
from tracker.rules.movements import MovementReport
from tracker.rules.rule_changes import fixed_cycle_on
from tracker.services.board_report import (
    ACTIVITIES,
    HoursReport,
    NamedMovement,
    ReportPeriod,
    count_hours,
    count_movements,
    name_movements,
)
from tracker.services.cycle_closing import (
    ClosingStep,
    CycleClosing,
    check_closing,
    find_closing_cycle,
)
from tracker.services.dashboard import count_renewals
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.spreadsheet_csv import csv_lines
from tracker.web.dependencies import client_of
from tracker.web.forms.fields import format_date_fields
from tracker.web.forms.report import ReportForm
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.rendering import category_name, format_cycle

router = APIRouter()
_PATH = "/coordinator/reports"
_DAY = timedelta(days=1)
_TYPED_DAYS = ("starts_day", "starts_month", "starts_year", "ends_day", "ends_month", "ends_year")


class Preset(NamedTuple):
    """A period to choose with one click."""

    label: str
    first: date
    last: date


class ReportQuery(NamedTuple):
    """What an address asks for; the period is the usual one if the form has problems."""

    form: ReportForm
    presets: list[Preset]
    period: ReportPeriod
    today: date
    is_valid: bool


def _read_query(page: PageRequest, request: Request) -> ReportQuery:
    """The report of an address. 404 for what no page links to, and for a foreign association."""
    query = request.query_params
    association = choose_association(page.viewer, query.get("association", ""))
    today = page.day_of(association)
    rulebook = page.rulebooks.associations[association]
    presets = list_presets(rulebook, today)
    default = (presets[0].first, presets[0].last)
    form = _read_form(association, query.multi_items(), default)
    category = form.category.data or ""
    require(not category or category in rulebook.categories)
    chosen = form.parse_period(today)
    first, last = chosen or default
    period = ReportPeriod(association, first, last, category)
    return ReportQuery(form, presets, period, today, chosen is not None)


@router.get(_PATH)
def show_report(page: CoordinatorPage, request: Request, number: PageNumber = 1) -> HTMLResponse:
    """The report of a period: by the days in the address, or else of the cycle to date."""
    asked = _read_query(page, request)
    period, today = asked.period, asked.today
    association, category = period.association, period.category
    rulebook = page.rulebooks.associations[association]
    with page.reading() as session:
        movements = count_movements(session, page.rulebooks, period)
        hours = count_hours(session, page.rulebooks, period, today)
        skip = (number - 1) * PAGE_SIZE
        events = name_movements(session, movements.events[skip : skip + PAGE_SIZE])
        is_up_to_date = period.last == today and not category
        counts = count_renewals(session, association, today) if is_up_to_date else {}
    return page.render(
        "desk_reports.html",
        form=asked.form,
        here="coordinator",
        desk="reports",
        association=association,
        rulebook=rulebook,
        period=period,
        category_name=category_name(rulebook, category) if category else "",
        presets=[(one, _path(period, first=one.first, last=one.last)) for one in asked.presets],
        movements=movements,
        equation=format_equation(movements.total),
        hours=[_view_hours(hours, activity) for activity in ACTIVITIES],
        hours_report=hours,
        uncounted=[(one, format_reason_of_hours(one.code)) for one in hours.uncounted],
        states=_list_states(counts),
        events=events,
        movement_names=MOVEMENT_NAMES,
        activity_names=ACTIVITY_NAMES,
        definitions=DEFINITIONS,
        names={key: category_name(rulebook, key) for key in movements.by_category},
        path=lambda ending="", **parts: _path(period, ending, **parts),
        closing_name=name_checklist(find_closing_cycle(rulebook, today)),
        closing_path=f"{_PATH}/year-end?{urlencode({'association': association})}",
        page=number,
        pages=count_pages(len(movements.events)),
    )


def _list_states(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """The states that some renewal is in: each as filters name it, in words, and how many."""
    return [(state, format_state(state), count) for state, count in counts.items() if count]


def _read_form(
    association: str, query: Sequence[tuple[str, str]], default: tuple[date, date]
) -> ReportForm:
    """The form as typed in three fields each, or as an address has it: two days."""
    typed = dict(query)
    if not any(name in typed for name in _TYPED_DAYS):
        first = _parse_day(typed.get("first", ""), default[0])
        last = _parse_day(typed.get("last", ""), default[1])
        typed |= {**format_date_fields(first, "starts_"), **format_date_fields(last, "ends_")}
    return ReportForm(FormData({**typed, "association": association}))


def _parse_day(text: str, default: date) -> date:
    """A day of an address; 404 if it is written in any other way."""
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise HTTPException(404) from None


def list_presets(rulebook: Rulebook, today: date) -> list[Preset]:
    """The periods to choose from, the usual one first; none ends after ``today``."""
    presets = []
    cycle = fixed_cycle_on(rulebook, today)
    if cycle is not None:
        presets.append(Preset(f"{format_cycle(cycle)} to date", cycle.starts_on, today))
        before = fixed_cycle_on(rulebook, cycle.starts_on - _DAY)
        if before is not None:
            presets.append(Preset(format_cycle(before), before.starts_on, before.ends_on))
    month = today.replace(day=1)
    presets.append(Preset("Last 12 months", today - relativedelta(years=1) + _DAY, today))
    presets.append(Preset("Last month", month - relativedelta(months=1), month - _DAY))
    presets.append(Preset("This month", month, today))
    return presets


def _path(period: ReportPeriod, ending: str = "", **parts: object) -> str:
    """The address of a report, or of one of its files (``ending``)."""
    query: dict[str, object] = {
        "association": period.association,
        "first": period.first,
        "last": period.last,
    }
    if period.category:
        query["category"] = period.category
    return f"{_PATH}{ending}?{urlencode(query | parts)}"


def _view_hours(hours: HoursReport, activity: str) -> dict[str, Any]:
    logged, counted = hours.logged[activity], hours.counted[activity]
    return {
        "name": ACTIVITY_NAMES[activity],
        "logged": logged,
        "counted": counted,
        "uncounted": logged - counted,
        "share": format_percent(counted / logged) if logged else "",
    }


def _read_period(page: PageRequest, request: Request) -> ReportPeriod:
    """The period of a file's address, as the page links to it; 404 for any other."""
    asked = _read_query(page, request)
    require(asked.is_valid)
    return asked.period


@router.get(f"{_PATH}/figures.csv")
def send_figures(page: CoordinatorPage, request: Request) -> StreamingResponse:
    """Send the figures of a report for a spreadsheet."""
    period = _read_period(page, request)
    with page.reading() as session:
        movements = count_movements(session, page.rulebooks, period)
        today = page.day_of(period.association)
        hours = count_hours(session, page.rulebooks, period, today)
    rows = [*_list_movement_figures(movements), *_list_hours_figures(hours)]
    return _send(page, request, period, "figures", ("part", "of", "measure", "value"), rows)


def _list_movement_figures(movements: MovementReport) -> Iterator[tuple[str, ...]]:
    for category, counts in (*movements.by_category.items(), ("all", movements.total)):
        for measure in ("opening", "new", "reinstated", "ended", "lapsed", "closing"):
            yield ("endorsements", category, measure, str(getattr(counts, measure)))


def _list_hours_figures(hours: HoursReport) -> Iterator[tuple[str, ...]]:
    for activity in ACTIVITIES:
        yield ("hours", activity, "logged", str(as_hours(hours.logged[activity])))
        yield ("hours", activity, "counted", str(as_hours(hours.counted[activity])))
    for one in hours.uncounted:
        reason = format_reason_of_hours(one.code)
        yield ("hours not counted", one.activity, reason, str(as_hours(one.minutes)))


@router.get(f"{_PATH}/people.csv")
def send_people(page: CoordinatorPage, request: Request) -> StreamingResponse:
    """Send who was new, reinstated, ended, or lapsed in a period for a spreadsheet."""
    period = _read_period(page, request)
    with page.reading() as session:
        movements = count_movements(session, page.rulebooks, period)
        people = name_movements(session, movements.events)
    columns = ("day", "what", "name", "email", "category")
    return _send(page, request, period, "people", columns, map(_list_person, people))


def _list_person(one: NamedMovement) -> tuple[str, ...]:
    event = one.event
    return (event.day.isoformat(), event.movement.value, one.name, one.email, event.category)


def _send(
    page: PageRequest,
    request: Request,
    period: ReportPeriod,
    what: str,
    columns: Sequence[str],
    rows: Any,  # noqa: ANN401 - an iterable of rows
) -> StreamingResponse:
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda writing: record_event(writing, page.now, client, DOWNLOAD, DONE, person_id)
    )
    days = f"{period.first.isoformat()}-to-{period.last.isoformat()}"
    name = f"report-{what}-{period.association.lower()}-{days}.csv"
    return StreamingResponse(
        csv_lines(columns, rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@router.get(f"{_PATH}/year-end")
def show_closing(page: CoordinatorPage, association: Annotated[str, Query()] = "") -> HTMLResponse:
    """What is left before the cycle can be closed, and what happens when it is."""
    association = choose_association(page.viewer, association)
    today = page.day_of(association)
    with page.reading() as session:
        closing = check_closing(session, page.rulebooks, association, today)
    return page.render(
        "desk_year_end.html",
        here="coordinator",
        desk="reports",
        association=association,
        closing=closing,
        cycle_name=format_cycle(closing.cycle) if closing.cycle else "",
        steps=[
            (item, describe_step(item), _path_of_step(closing, item.step)) for item in closing.items
        ],
        name=name_checklist(closing.cycle),
        outcomes=format_outcomes(closing),
        sends_lapse_notices=page.site.notices.of(association).lapse.notify,
        report_path=f"{_PATH}?{urlencode({'association': association})}",
    )


def _path_of_step(closing: CycleClosing, step: ClosingStep) -> str:
    """The page on which a step is done; empty if it has none."""
    path, more = _STEP_PATHS[step]
    if not path:
        return ""
    return f"{path}?{urlencode([('association', closing.association), *more])}"


_PEOPLE = "/coordinator/people"
_STEP_PATHS: dict[ClosingStep, tuple[str, tuple[tuple[str, str], ...]]] = {
    ClosingStep.JOBS: ("/coordinator", ()),
    ClosingStep.REQUESTS: ("/coordinator/requests", ()),
    ClosingStep.PROVIDERS: ("/coordinator/providers/names", ()),
    ClosingStep.ADDRESSES: (_PEOPLE, (("flag", "bounced"),)),
    ClosingStep.GRACE: (_PEOPLE, (("status", "overdue"),)),
    ClosingStep.OPEN: (_PEOPLE, (("status", "open"), ("status", "behind"))),
    ClosingStep.REOPENED: ("", ()),
    ClosingStep.DIFFERING: ("", ()),
}
