"""What if: another reading, or a changed rulebook, tried before it is in force."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.datastructures import UploadFile

from tracker.notifications.comparison_text import (
    CSV_COLUMNS,
    format_kind,
    format_notice,
    format_renewal,
    format_state,
    list_csv_rows,
    list_differences,
)
from tracker.rulebooks import read_changed_rulebook, with_rulebook
from tracker.rules.model import Interpretation, Rulebook
from tracker.rules.parse import RulebookProblem
from tracker.rules.readings import find_alternative, take_reading
from tracker.rules.rule_changes import fixed_cycle_on, list_renewal_days
from tracker.services.context import Refusal, Refused
from tracker.services.dashboard import STATES
from tracker.services.rulebook_drafts import decode_rulebook, find_draft, store_draft
from tracker.services.rules_comparison import (
    ChangedStanding,
    ComparisonInput,
    DueNotice,
    Effect,
    RulesComparison,
)
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.spreadsheet_csv import csv_lines
from tracker.web.comparisons import Comparison
from tracker.web.dependencies import client_of
from tracker.web.forms.body import open_posted, parse_id
from tracker.web.forms.fields import format_date_fields
from tracker.web.forms.what_if import WhatIfForm, list_years
from tracker.web.page_request import (
    PAGE_SIZE,
    ChangePage,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.pages.uploads import safe_name

router = APIRouter()
_PATH = "/coordinator/rules/what-if"
_RESULT = f"{_PATH}/result"
_SECONDS_UNTIL_RELOAD = "2"
_MOST_PROBLEMS = 100
_MOST_OTHER_DAYS = 8
_VIEWS = ("status", "amounts", "mail")
_EFFECTS = {Effect.ADDED: "New", Effect.KEPT: "As now", Effect.DROPPED: "No longer sent"}


class ReadingChoice(NamedTuple):
    """A reading that can be tried: what the form sends, and the reading of an interpretation."""

    value: str
    interpretation: Interpretation
    reading: str


@router.get(_PATH)
def ask_what_if(
    page: ChangePage,
    association: Annotated[str, Query()] = "",
    reading: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """The form: which reading or rulebook to try, and as of which day."""
    association = choose_association(page.viewer, association)
    today = page.day_of(association)
    form = WhatIfForm(
        data={
            "association": association,
            "reading": reading,
            **format_date_fields(today, "as_of_"),
        }
    )
    return _show_form(page, association, form)


@router.post(_PATH)
async def start_what_if(page: CoordinatorPage, request: Request) -> Response:
    """Go to the comparison, or show what is wrong with the form or the rulebook."""
    async with open_posted(request) as posted:
        form = WhatIfForm(posted.texts)
        return await run_in_threadpool(_start, page, form, posted.files)


def _start(page: PageRequest, form: WhatIfForm, files: Sequence[UploadFile]) -> Response:
    association = choose_association(page.viewer, form.association.data or "")
    as_of = form.parse_day(page.day_of(association))
    problems: Sequence[RulebookProblem] = ()
    chosen: dict[str, str] = {}
    if files:
        try:
            text = decode_rulebook(files[0].file.read())
        except Refused as refused:
            form.add_refusals(refused.refusals)
            return _show_form(page, association, form)
        name = safe_name(files[0].filename, "")
        problems = _check_upload(page, association, text, name)
        if not problems and as_of:
            chosen["draft"] = str(
                page.write(lambda context: store_draft(context, association, name, text))
            )
    elif form.reading.data:
        chosen["reading"] = form.reading.data
        require(_find_reading(page, association, form.reading.data))
    else:
        form.add_refusals([Refusal("files", "rulebook-missing")])
    if problems or as_of is None or not chosen:
        return _show_form(page, association, form, problems)
    query = {"association": association, **chosen, "as_of": as_of.isoformat()}
    return RedirectResponse(f"{_RESULT}?{urlencode(query)}", 303)


def _check_upload(
    page: PageRequest, association: str, text: str, name: str
) -> list[RulebookProblem]:
    rulebook, problems = read_changed_rulebook(page.rulebooks, text, name)
    if rulebook is not None and rulebook.id != association:
        reason = f"is {rulebook.id!r}, but you compare with the rulebook of {association!r}"
        problems.append(RulebookProblem(name, "id", reason))
    return problems


def _show_form(
    page: PageRequest,
    association: str,
    form: WhatIfForm,
    rulebook_problems: Sequence[RulebookProblem] = (),
) -> HTMLResponse:
    rulebook = page.rulebooks.associations[association]
    return page.render(
        "desk_what_if.html",
        form=form,
        is_unsaved=bool(rulebook_problems),
        here="coordinator",
        desk="rules",
        association=association,
        readings=[
            (interpretation, list(choices))
            for interpretation, choices in groupby(
                list_readings(rulebook), key=attrgetter("interpretation")
            )
        ],
        rulebook_problems=rulebook_problems[:_MOST_PROBLEMS],
        more_problems=max(0, len(rulebook_problems) - _MOST_PROBLEMS),
    )


def list_readings(rulebook: Rulebook) -> list[ReadingChoice]:
    """The readings of a rulebook that can be tried, in its order."""
    return [
        ReadingChoice(
            f"{interpretation.id}={alternative.reading}",
            interpretation,
            interpretation.readings[alternative.reading - 1],
        )
        for interpretation in rulebook.interpretations
        for alternative in interpretation.alternatives
    ]


def _find_reading(page: PageRequest, association: str, value: str) -> ReadingChoice | None:
    choices = list_readings(page.rulebooks.associations[association])
    return next((choice for choice in choices if choice.value == value), None)


class _Trial(NamedTuple):
    """What is tried, as the address of its result names it."""

    association: str
    as_of: date
    title: str
    about: str
    rulebook: Rulebook
    query: dict[str, str]

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What names it among others."""
        return tuple(self.query.items())

    def path(self, ending: str = "", **parts: object) -> str:
        """The address of the result, or of a part of it."""
        return f"{_RESULT}{ending}?{urlencode({**self.query, **parts})}"


class TrialQuery(NamedTuple):
    """The parameters that say what is tried."""

    association: str = ""
    reading: str = ""
    draft: str = ""
    as_of: str = ""


async def read_trial_query(
    association: Annotated[str, Query()] = "",
    reading: Annotated[str, Query()] = "",
    draft: Annotated[str, Query()] = "",
    as_of: Annotated[str, Query()] = "",
) -> TrialQuery:
    """What is tried, from a result's address."""
    return TrialQuery(association, reading, draft, as_of)


def _find_trial(page: PageRequest, query: TrialQuery) -> _Trial | None:
    """What the address names; None for an upload that is no longer kept. 404 for anything else."""
    association = choose_association(page.viewer, query.association)
    try:
        as_of = date.fromisoformat(query.as_of)
    except ValueError:
        raise HTTPException(404) from None
    require(as_of.year in list_years(page.day_of(association)))
    current = page.rulebooks.associations[association]
    named = {"association": association, "as_of": as_of.isoformat()}
    if query.reading:
        choice = require(_find_reading(page, association, query.reading))
        name, _, number = query.reading.partition("=")
        found = require(find_alternative(current, name, parse_id(number)))
        rulebook, _ = take_reading(current, found[1], association)
        about = (association, as_of, choice.reading, choice.interpretation.says)
        return _Trial(*about, require(rulebook), {**named, "reading": query.reading})
    with page.reading() as session:
        draft = find_draft(session, parse_id(query.draft), [association])
    if draft is None:
        return None
    rulebook, _ = read_changed_rulebook(page.rulebooks, draft.content, draft.file_name)
    # The rulebooks in force may have changed since, so that it no longer fits them.
    if rulebook is None:
        return None
    about = (association, as_of, draft.file_name, "")
    return _Trial(*about, rulebook, {**named, "draft": str(draft.id)})


def _compare(page: PageRequest, trial: _Trial) -> Comparison:
    changed = with_rulebook(page.rulebooks, trial.rulebook)
    asked = ComparisonInput(
        page.rulebooks, changed, page.site.notices, trial.association, trial.as_of
    )
    return page.site.comparisons.get(trial.key, asked, page.now)


TrialDep = Annotated[TrialQuery, Depends(read_trial_query)]


@router.get(_RESULT)
def show_result(
    page: CoordinatorPage,
    query: TrialDep,
    show: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """Who would flip and what mail would follow; while it is worked out, how far it is."""
    trial = _find_trial(page, query)
    if trial is None:
        return _show_nothing_kept(page, query)
    comparison = _compare(page, trial)
    result = comparison.result
    common: dict[str, Any] = {
        "here": "coordinator",
        "desk": "rules",
        "association": trial.association,
        "trial": trial,
        "comparison": comparison,
        "form_path": _form_path(trial.association),
    }
    if result is None:
        answer = page.render("desk_what_if_running.html", **common)
        if not comparison.failed:
            answer.headers["refresh"] = _SECONDS_UNTIL_RELOAD
        return answer
    view = show if show in _VIEWS else _first_view(result)
    rows, count = _list_rows(result, view, number)
    return page.render(
        "desk_what_if_result.html",
        **common,
        result=result,
        others=len(result.standings) - result.flips,
        states=[
            (format_state(state), result.before[state], result.after[state])
            for state in STATES
            if result.before[state] or result.after[state]
        ],
        transitions=[
            (format_state(before), format_state(after), count)
            for before, after, count in result.list_transitions()
        ],
        other_days=_list_other_days(page, trial),
        kinds=[(format_kind(kind), counts) for kind, counts in result.count_notices()],
        effects=Effect,
        view=view,
        rows=rows,
        page=number,
        pages=count_pages(count),
    )


def _list_other_days(page: PageRequest, trial: _Trial) -> list[tuple[date, str]]:
    """The next days on which something happens by itself, each with the comparison as of it."""
    cycle, today = fixed_cycle_on(trial.rulebook, trial.as_of), page.day_of(trial.association)
    if cycle is None:
        return []
    config = page.site.notices.of(trial.association)
    days = [today, *(day for day, _ in list_renewal_days(cycle, config) if day > today)]
    others = [(day, trial.path(as_of=str(day))) for day in days if day != trial.as_of]
    return others[:_MOST_OTHER_DAYS]


@router.post(_RESULT)
def compare_again(page: CoordinatorPage, query: TrialDep) -> Response:
    """Compare once more, because records have changed since."""
    trial = require(_find_trial(page, query))
    page.site.comparisons.forget(trial.key)
    return RedirectResponse(trial.path(), 303)


@router.get(f"{_RESULT}.csv")
def send_result(page: CoordinatorPage, request: Request, query: TrialDep) -> Response:
    """Send every renewal and notice that differs for a spreadsheet."""
    trial = require(_find_trial(page, query))
    result = _compare(page, trial).result
    if result is None:
        return RedirectResponse(trial.path(), 303)
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda writing: record_event(writing, page.now, client, DOWNLOAD, DONE, person_id)
    )
    name = f"what-if-{trial.association.lower()}-{trial.as_of.isoformat()}.csv"
    return StreamingResponse(
        csv_lines(CSV_COLUMNS, list_csv_rows(result)),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _first_view(result: RulesComparison) -> str:
    return "status" if result.flips else "amounts" if result.standings else "mail"


def _list_rows(result: RulesComparison, view: str, number: int) -> tuple[list[Any], int]:
    """One page of people, as the template prints them, and how many there are in all."""
    skip = (number - 1) * PAGE_SIZE
    if view == "mail":
        notices = result.notices[skip : skip + PAGE_SIZE]
        return [_view_notice(notice) for notice in notices], len(result.notices)
    standings = [s for s in result.standings if s.flips == (view == "status")]
    shown = standings[skip : skip + PAGE_SIZE]
    return [_view_standing(standing) for standing in shown], len(standings)


def _view_notice(notice: DueNotice) -> dict[str, Any]:
    return {
        "person": notice,
        "what": f"{format_kind(notice.kind)}: {format_notice(notice)}",
        "effect": _EFFECTS[notice.effect],
        "is_kept": notice.effect is Effect.KEPT,
    }


def _view_standing(standing: ChangedStanding) -> dict[str, Any]:
    return {
        "person": standing,
        "before": format_renewal(standing.before),
        "after": format_renewal(standing.after),
        "differences": list_differences(standing),
    }


def _form_path(association: str) -> str:
    return f"{_PATH}?{urlencode({'association': association})}"


def _show_nothing_kept(page: PageRequest, query: TrialQuery) -> HTMLResponse:
    association = choose_association(page.viewer, query.association)
    answer = page.render(
        "desk_what_if_gone.html",
        here="coordinator",
        desk="rules",
        association=association,
        form_path=_form_path(association),
    )
    answer.status_code = 410
    return answer
