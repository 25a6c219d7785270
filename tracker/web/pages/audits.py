"""An endorsee's page of an audit: what is asked, documents, and an appeal."""

from collections.abc import Sequence
from typing import NamedTuple

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
    is_submitted_again,
    list_attested,
    list_audited_entries,
    send_documents,
)
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.evidence import (
    FILES_PER_ENTRY,
    AuditTargets,
    list_entry_files,
    list_requirement_files,
)
from tracker.web.forms.body import RowId, Typed, clean, open_posted, parse_id, text_of
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
    """Add files to sessions of the renewal, and to hours that are not logged."""
    async with open_posted(request) as form:
        upload = Upload()
        if form.files:
            upload = await run_in_threadpool(store_files, page.site, form.files)
    return await run_in_threadpool(_add, page, case_id, form.texts, upload)


def _add(page: PageRequest, case_id: int, typed: FormData, upload: Upload) -> Response:
    """Give stored files to what is checked; those that are not kept leave the disk again."""
    quota, folder, chosen = quota_of(page.site), require(folder_of(page.site)), _Chosen.parse(typed)

    def work(context: ServiceContext) -> set[str]:
        if upload.refusals:
            raise Refused(*upload.refusals)
        entries = chosen.entries
        if chosen.all:
            audited = get_own_case(context.session, page.person_id, case_id)
            listed = list_audited_entries(context.session, audited)
            entries = [each.entry.id for each in listed]
        targets = AuditTargets(case_id, entries, chosen.requirements)
        return add_documents(context, targets, upload.received, quota, folder.copy)

    unused = {file.stored_as for file in upload.received}
    try:
        unused -= page.write(work)
    except Refused as refused:
        return _render(page, case_id, typed, format_problems(refused))
    finally:
        remove_stored(page.site, unused)
    return page.redirect(f"/audits/{case_id}", "added")


class _Chosen(NamedTuple):
    """What is checked in the form for documents; ``all``: every session."""

    entries: Sequence[int] = ()
    requirements: Sequence[str] = ()
    all: bool = False

    @classmethod
    def parse(cls, typed: FormData) -> "_Chosen":
        """Read it, each once; what is no number is 0, which no session has."""
        entries = dict.fromkeys(parse_id(str(text)) or 0 for text in typed.getlist("entry"))
        requirements = dict.fromkeys(str(text) for text in typed.getlist("requirement"))
        return cls(list(entries), list(requirements), bool(text_of(typed, "all")))


def _render(
    page: PageRequest,
    case_id: int,
    typed: FormData | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    with page.reading() as session:
        audited, entries = _read(session, page, case_id)
        files = list_entry_files(session, page.person_id)
        unlogged_files = list_requirement_files(session, case_id)
        attested = list_attested(session, page.rulebooks, audited, page.now)
        again = is_submitted_again(session, audited)
    rulebook = page.rulebooks.associations[audited.endorsement.association]
    submission = audited.submission
    return page.render(
        "audit.html",
        here="my-year",
        problems=problems,
        audited=audited,
        entries=entries,
        files=files,
        attested=attested,
        unlogged_files=unlogged_files,
        chosen=_Chosen.parse(typed) if typed is not None else _Chosen(),
        cycle=format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on),
        category=category_name(rulebook, audited.endorsement.category),
        takes_files=folder_of(page.site) is not None and may(Act.ADD_DOCUMENTS, audited.case.state),
        may_send=may(Act.SEND_DOCUMENTS, audited.case.state),
        may_appeal=audited.may_appeal and not again,
        is_submitted_again=again,
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
