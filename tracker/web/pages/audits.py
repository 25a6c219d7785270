"""An endorsee's page of an audit: what is asked, documents for each session, and an appeal."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.formatting import format_cycle_span
from tracker.rules.transitions import Act, may
from tracker.services.audits import (
    AuditedEntry,
    AuditedRenewal,
    add_documents,
    appeal,
    get_own_case,
    list_audited_entries,
    send_documents,
)
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.evidence import FILES_PER_ENTRY, list_entry_files
from tracker.web.forms.body import RowId, Typed, clean, number_of, open_posted, text_of
from tracker.web.page_request import PageRequest, PersonPage, format_problems, require
from tracker.web.pages.uploads import (
    LARGEST_MB,
    Upload,
    folder_of,
    quota_of,
    remove_stored,
    store_files,
)
from tracker.web.rendering import category_name

router = APIRouter()
_APPEAL = "appeal"


@router.get("/audits/{case_id}")
def show_audit(page: PersonPage, case_id: RowId) -> HTMLResponse:
    """What an audit of the viewer's own renewal asks, and what became of it."""
    return _render(page, case_id)


@router.post("/audits/{case_id}")
def answer_audit(page: PersonPage, case_id: RowId, typed: Typed) -> Response:
    """Send the documents, or appeal."""
    appeals = text_of(typed, "action") == _APPEAL

    def work(context: ServiceContext) -> None:
        if appeals:
            appeal(context, case_id, clean(text_of(typed, _APPEAL)))
        else:
            send_documents(context, case_id, clean(text_of(typed, "note")))

    try:
        page.write(work)
    except Refused as refused:
        return _render(page, case_id, typed, format_problems(refused))
    return page.redirect(f"/audits/{case_id}", "appealed" if appeals else "sent")


@router.post("/audits/{case_id}/documents")
async def upload_documents(page: PersonPage, case_id: RowId, request: Request) -> Response:
    """Add files to one session of the renewal."""
    async with open_posted(request) as form:
        upload = Upload()
        if form.files:
            upload = await run_in_threadpool(store_files, page.site, form.files)
    entry_id = number_of(form.texts, "entry")
    return await run_in_threadpool(_add, page, case_id, entry_id, upload)


def _add(page: PageRequest, case_id: int, entry_id: int, upload: Upload) -> Response:
    """Give stored files to a session; those that it does not get leave the disk again."""
    quota = quota_of(page.site)

    def work(context: ServiceContext) -> set[str]:
        if upload.refusals:
            raise Refused(*upload.refusals)
        return add_documents(context, case_id, entry_id, upload.received, quota)

    unused = {file.stored_as for file in upload.received}
    try:
        unused -= page.write(work)
    except Refused as refused:
        # Each session has its own field.
        problems = [(f"files-{entry_id}", words) for _, words in format_problems(refused)]
        return _render(page, case_id, problems=problems)
    finally:
        remove_stored(page.site, unused)
    return page.redirect(f"/audits/{case_id}", "added" if upload.received else "")


def _render(
    page: PageRequest,
    case_id: int,
    typed: FormData | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    with page.reading() as session:
        audited, entries = _read(session, page, case_id)
        files = list_entry_files(session, page.person_id)
    rulebook = page.rulebooks.associations[audited.endorsement.association]
    submission = audited.submission
    return page.render(
        "audit.html",
        here="my-year",
        problems=problems,
        audited=audited,
        entries=entries,
        files=files,
        cycle=format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on),
        category=category_name(rulebook, audited.endorsement.category),
        takes_files=folder_of(page.site) is not None and may(Act.ADD_DOCUMENTS, audited.case.state),
        may_send=may(Act.SEND_DOCUMENTS, audited.case.state),
        most_files=FILES_PER_ENTRY,
        largest_mb=LARGEST_MB,
        note=text_of(typed, "note") if typed is not None else "",
        appeal=text_of(typed, _APPEAL) if typed is not None else "",
    )


def _read(
    session: Session, page: PageRequest, case_id: int
) -> tuple[AuditedRenewal, list[AuditedEntry]]:
    """An audit of the viewer's own, and its entries; 404 for any other."""
    try:
        audited = get_own_case(session, page.person_id, case_id)
    except NotFound:
        audited = None
    return require(audited), list_audited_entries(session, require(audited))
