"""Import: uploading lists, saying what their columns mean, and seeing what they would change."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.datastructures import FormData, UploadFile

from tracker.db.imports import ImportPlanRecord, ImportPlanRow
from tracker.formatting import format_short_date
from tracker.importer.mapping import list_questions
from tracker.importer.plan_records import (
    files_of,
    get_import,
    list_imports,
    list_page_of_rows,
    list_rows,
    mapping_of,
    summary_of,
    title_of,
    unpack_sheets,
)
from tracker.importer.plan_states import APPLIED, MAPPING, PLANNED, WORKING, read_percent
from tracker.importer.plans import (
    create_import,
    decide_addresses,
    decide_people,
    decide_similar,
    discard_import,
    plan_again,
    save_mapping,
    start_applying,
    start_undoing,
)
from tracker.importer.row_plan import OUTCOMES
from tracker.importer.targets import KIND_NAMES, LEAVE_OUT, choices_of, describe, label_of
from tracker.importer.workbooks import MAX_FILE_BYTES, MAX_FILES
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.desk_changes import MAY_UNDO_FOR
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.spreadsheet_csv import csv_lines
from tracker.web.dependencies import client_of
from tracker.web.forms.body import RowId, Typed, open_posted, text_of
from tracker.web.forms.import_mapping import (
    MappingForm,
    build_fields,
    describe_question,
    parse_mapping,
    target_options,
)
from tracker.web.forms.import_people import (
    build_address_fields,
    parse_addresses,
    parse_people,
)
from tracker.web.import_work import percent_done, start_import
from tracker.web.page_request import (
    PAGE_SIZE,
    ChangePage,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    format_problems,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.pages.uploads import safe_name

router = APIRouter()
_PATH = "/coordinator/import"
_MOST_IMPORTS = 20
_MOST_LETTERS = 12
_MOST_ADDRESSES = 20
_LARGEST_MB = MAX_FILE_BYTES // (1024 * 1024)
_ROW_CELLS = 4
# The address stands beside, and the association is that of the page.
_NOT_SHOWN = {"email", "association"}
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_KIND_IN_LABEL = re.compile(r" \([a-z ]+\)$", re.IGNORECASE)
_OUTCOME_WORDS = {
    "added": "Added",
    "changed": "Changed",
    "unchanged": "Left alone",
    "refused": "Refused",
}


@router.get(_PATH)
def show_imports(page: CoordinatorPage, association: Annotated[str, Query()] = "") -> HTMLResponse:
    """The form to upload lists, and the imports so far."""
    return _render_upload(page, choose_association(page.viewer, association))


def _render_upload(page: PageRequest, association: str, **more: Any) -> HTMLResponse:  # noqa: ANN401
    with page.reading() as session:
        records = list_imports(session, association, _MOST_IMPORTS)
        imports = [(each, title_of(each), summary_of(each).totals) for each in records]
    return page.render(
        "desk_import.html",
        here="coordinator",
        desk="import",
        association=association,
        imports=imports,
        max_files=MAX_FILES,
        largest_mb=_LARGEST_MB,
        **more,
    )


@router.post(_PATH)
async def upload_lists(page: CoordinatorPage, request: Request) -> Response:
    """Store uploaded lists, and go to what their columns mean."""
    async with open_posted(request) as posted:
        uploads = await run_in_threadpool(_read_files, posted.files)
        return await run_in_threadpool(_create, page, posted.texts, uploads)


def _read_files(files: list[UploadFile]) -> list[tuple[str, bytes]]:
    """The names and contents of files; equal names are told apart."""
    uploads = list[tuple[str, bytes]]()
    for file in files:
        name = safe_name(file.filename, "")
        if name in {other for other, _ in uploads}:
            name = f"{name} ({len(uploads) + 1})"
        uploads.append((name, file.file.read(MAX_FILE_BYTES + 1)))
    return uploads


def _create(page: PageRequest, typed: FormData, uploads: list[tuple[str, bytes]]) -> Response:
    association = choose_association(page.viewer, text_of(typed, "association"))

    def work(context: ServiceContext) -> tuple[int, str]:
        record = create_import(context, association, uploads)
        return record.id, record.state

    try:
        plan_id, state = page.write(work)
    except Refused as refused:
        return _render_upload(page, association, problems=format_problems(refused))
    if state in WORKING:
        start_import(page.site, plan_id)
    return page.redirect(f"{_PATH}/{plan_id}", "")


@router.get(_PATH + "/{plan_id}")
def show_import(
    page: CoordinatorPage,
    plan_id: RowId,
    outcome: Annotated[str, Query()] = "",
    kind: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """An import: what its columns mean, what it would do, or what it did."""
    record = _find(page, plan_id)
    if record.state == MAPPING:
        return _render_mapping(page, record)
    if record.state in WORKING:
        return _render_progress(page, record)
    outcome = outcome if outcome in OUTCOMES else ""
    kind = kind if kind in KIND_NAMES else ""
    return _render_plan(page, record, (outcome, kind), number)


def _find(page: PageRequest, plan_id: int) -> ImportPlanRecord:
    with page.reading() as session:
        record = get_import(session, page.viewer.actor, plan_id)
        session.expunge(record)
    require(record.state != "discarded")
    return record


def _render_progress(page: PageRequest, record: ImportPlanRecord) -> HTMLResponse:
    percent = percent_done(record.id)
    if percent is None:
        # A worker may be at it.
        with page.reading() as session:
            percent = read_percent(session, record.id)
    response = page.render(
        "desk_import_progress.html",
        here="coordinator",
        desk="import",
        association=record.association,
        record=record,
        title=title_of(record),
        percent=percent,
    )
    # So that the page is current without a script, and a reader is not disturbed by it for long.
    response.headers["refresh"] = "3"
    return response


def _render_plan(
    page: PageRequest,
    record: ImportPlanRecord,
    chosen: tuple[str, str] = ("", ""),
    number: int = 1,
    typed: FormData | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    """The plan; with ``problems``, as it was ``typed``."""
    summary = summary_of(record)
    with page.reading() as session:
        skip = (number - 1) * PAGE_SIZE
        rows, count = list_page_of_rows(session, record.id, chosen, skip, PAGE_SIZE)
        views = [_view_row(row) for row in rows]
    mapping = mapping_of(record)
    look_alikes = [
        (each, mapping.people.get(each["email"], ""), _format_place(each["place"]))
        for each in summary.look_alikes
    ]
    # Those to decide first: not all may find room.
    look_alikes.sort(key=lambda each: bool(each[1]))
    same_addresses, open_addresses = build_address_fields(summary, mapping, typed)
    return page.render(
        "desk_import_plan.html",
        here="coordinator",
        desk="import",
        association=record.association,
        problems=problems,
        record=record,
        title=title_of(record),
        files=files_of(record),
        summary=summary,
        letters=summary.letters[:_MOST_LETTERS],
        rows=views,
        outcome=chosen[0],
        kind=chosen[1],
        outcomes=_OUTCOME_WORDS,
        kind_names=KIND_NAMES,
        look_alikes=look_alikes[:PAGE_SIZE],
        same_addresses=same_addresses[:_MOST_ADDRESSES],
        more_addresses=len(same_addresses[_MOST_ADDRESSES:]),
        open_addresses=open_addresses,
        similar=mapping.similar,
        page=number,
        pages=count_pages(count),
        may_apply=record.state == PLANNED and _has_work(summary.totals),
        may_undo=record.state == APPLIED and record.changed_at > page.now - MAY_UNDO_FOR,
    )


def _has_work(totals: dict[str, int]) -> bool:
    return bool(totals["added"] or totals["changed"])


def _view_row(row: ImportPlanRow) -> dict[str, Any]:
    """A row as the page prints it: where it is, whose it is, and what becomes of it."""
    cells: dict[str, str] = json.loads(row.cells)
    shown = {name: text for name, text in cells.items() if text not in {"", row.email}}
    details = [
        f"{_label(row, name)}: {_format_cell(text)}"
        for name, text in shown.items()
        if name not in _NOT_SHOWN
    ]
    changes = json.loads(row.changes) if row.changes else {}
    return {
        "file": row.file,
        "line": row.line,
        "kind": KIND_NAMES.get(row.kind, row.kind),
        "email": row.email or cells.get("email", ""),
        "details": details[:_ROW_CELLS],
        "outcome": row.outcome,
        "words": _OUTCOME_WORDS[row.outcome],
        "reason": row.reason,
        "changes": [
            (_label(row, name), _format_cell(before) or "empty", _format_cell(after) or "empty")
            for name, (before, after) in changes.items()
        ],
        "undone": row.undone,
    }


def _format_cell(text: str) -> str:
    """A value as pages print it: days in words."""
    try:
        return format_short_date(date.fromisoformat(text)) if _ISO_DAY.fullmatch(text) else text
    except ValueError:
        return text


def _format_place(place: str) -> str:
    """Where a row is: ``roster.xlsx, Endorsees, row 5``."""
    table, _, line = place.rpartition(":")
    return f"{_KIND_IN_LABEL.sub('', table)}, row {line}"


def _label(row: ImportPlanRow, name: str) -> str:
    """A column in words; in a refused row, cells have the names of the sheet already."""
    return name if row.outcome == "refused" else label_of(f"{row.kind}.{name}")


@router.post(_PATH + "/{plan_id}")
def change_import(page: CoordinatorPage, plan_id: RowId, typed: Typed) -> Response:
    """Apply, undo, discard, or plan again; or say who people are."""
    action = text_of(typed, "action")
    with page.reading() as session:
        association = get_import(session, page.viewer.actor, plan_id).association or ""
    try:
        page.write(lambda context: _act(context, plan_id, action, typed))
    except Refused as refused:
        if any(each.field for each in refused.refusals):
            problems = format_problems(refused)
            return _render_plan(page, _find(page, plan_id), typed=typed, problems=problems)
        # Somebody else was faster, or the button was pressed twice: the page shows what is.
        return page.redirect(f"{_PATH}/{plan_id}", "")
    if action == "discard":
        return page.redirect(_PATH, "discarded", association=association)
    start_import(page.site, plan_id)
    return page.redirect(f"{_PATH}/{plan_id}", "")


def _act(context: ServiceContext, plan_id: int, action: str, typed: FormData) -> None:
    match action:
        case "apply":
            start_applying(context, plan_id)
        case "undo":
            start_undoing(context, plan_id)
        case "discard":
            discard_import(context, plan_id)
        case "people":
            decide_people(context, plan_id, parse_people(typed))
        case "addresses":
            decide_addresses(context, plan_id, *parse_addresses(typed))
        case "similar":
            decide_similar(context, plan_id, text_of(typed, "similar"))
        case "again":
            plan_again(context, plan_id)
        case _:
            raise NotFound


@router.get(_PATH + "/{plan_id}/columns")
def show_columns(page: ChangePage, plan_id: RowId) -> HTMLResponse:
    """What the columns of an import mean."""
    record = _find(page, plan_id)
    require(record.state in {MAPPING, PLANNED})
    return _render_mapping(page, record)


@router.post(_PATH + "/{plan_id}/columns")
def save_columns(page: CoordinatorPage, plan_id: RowId, typed: Typed) -> Response:
    """Save what the columns of an import mean; make a plan of it if nothing is missing."""
    record = _find(page, plan_id)
    require(record.state in {MAPPING, PLANNED})
    sheets = unpack_sheets(record)
    choices = choices_of(page.rulebooks, str(record.association))
    mapping = parse_mapping(typed, sheets, mapping_of(record), choices)
    is_planned = page.write(lambda context: save_mapping(context, plan_id, mapping))
    if not is_planned:
        return _render_mapping(page, _find(page, plan_id), is_sent=True)
    start_import(page.site, plan_id)
    return page.redirect(f"{_PATH}/{plan_id}", "")


def _render_mapping(
    page: PageRequest, record: ImportPlanRecord, *, is_sent: bool = False
) -> HTMLResponse:
    sheets, mapping = unpack_sheets(record), mapping_of(record)
    choices = choices_of(page.rulebooks, str(record.association))
    questions = list_questions(sheets, mapping, choices)
    today = page.day_of(str(record.association))
    form = MappingForm(sheets, mapping, choices, questions, today)
    described = [describe_question(question, sheets, choices) for question in questions]
    return page.render(
        "desk_import_columns.html",
        here="coordinator",
        desk="import",
        association=record.association,
        record=record,
        title=title_of(record),
        fields=build_fields(form),
        options=target_options(),
        describe=describe,
        leave_out=LEAVE_OUT,
        asked={field for field, _ in described},
        problems=described if is_sent else [],
        is_planned=record.state == PLANNED,
    )


@router.get(_PATH + "/{plan_id}/refused.csv")
def send_refused(page: CoordinatorPage, request: Request, plan_id: RowId) -> StreamingResponse:
    """Send the refused rows with the reasons, to be corrected and uploaded again."""
    record = _find(page, plan_id)
    with page.reading() as session:
        rows = list(list_rows(session, record.id, "refused"))
        cells = [json.loads(row.cells) for row in rows]
    columns = list(dict.fromkeys(name for row in cells for name in row))
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda writing: record_event(writing, page.now, client, DOWNLOAD, DONE, person_id)
    )

    def lines() -> Iterator[list[str]]:
        for row, own in zip(rows, cells, strict=True):
            yield [row.file, str(row.line), row.reason, *(own.get(name, "") for name in columns)]

    return StreamingResponse(
        csv_lines(["Sheet", "Row", "Problem", *columns], lines()),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="refused-{record.id}.csv"'},
    )
