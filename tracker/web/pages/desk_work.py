"""The desk's long work: how far it has come, how it ended, and the file that came of it."""

from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.db.desk_tasks import WORKING, DeskTask
from tracker.db.mailings import Mailing
from tracker.exports.desk_files import write_zip
from tracker.formatting import format_count
from tracker.notifications.mailing_text import TEMPLATES
from tracker.services.context import Refused
from tracker.services.desk_tasks import (
    AUDIT_FILE,
    CERTIFICATES,
    FILES_KEPT,
    MAILING,
    get_task,
    has_file,
    list_tasks,
    read_pieces,
    resume_task,
)
from tracker.services.mailing_rules import MailingTemplate
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.web.dependencies import client_of
from tracker.web.forms.body import RowId
from tracker.web.page_request import ChangePage, CoordinatorPage, PageRequest, require
from tracker.web.pages.desk import choose_association
from tracker.web.pages.exports import Download
from tracker.web.time_zones import format_instant

router = APIRouter()
WORK_PATH = "/coordinator/work"
# As often as the page of an import.
_RELOAD_SECONDS = "3"
_MOST_TASKS = 50
_IN_MEMORY = 5 * 1024 * 1024
_STATES = {
    "working": "In progress",
    "done": "Done",
    "failed": "Not finished",
    "stopped": "Stopped",
}
# The item of the menu to which each kind of work belongs.
_DESKS = {MAILING: "mail", AUDIT_FILE: "audits", CERTIFICATES: "people"}


class TaskView(NamedTuple):
    """Work as pages show it: its title and state in words, what one step is, and its times.

    ``percent`` is what is done, and ``file_until`` when the file is deleted; empty without a file.
    """

    task: DeskTask
    title: str
    state: str
    steps: tuple[str, str]
    asked_at: str
    ended_at: str
    percent: int
    file_until: str


@router.get(WORK_PATH)
def show_work(page: CoordinatorPage, association: Annotated[str, Query()] = "") -> HTMLResponse:
    """The long work of an association, the newest first."""
    association = choose_association(page.viewer, association)
    with page.reading() as session:
        listed = list_tasks(session, association, _MOST_TASKS)
        views = [_view_task(page, session, task) for task in listed]
    return page.render(
        "desk_work_list.html",
        here="coordinator",
        desk="changes",
        association=association,
        views=views,
    )


@router.get(WORK_PATH + "/{task_id}.zip")
def send_file(page: CoordinatorPage, request: Request, task_id: RowId) -> Response:
    """The file that came of it; 404 if there is none, or none any more."""
    with page.reading() as session:
        task = get_task(session, page.viewer.actor, task_id)
        require(has_file(session, task))
        name, archive = task.file_name, _pack(session, task)
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda writing: record_event(writing, page.now, client, DOWNLOAD, DONE, person_id)
    )
    return Download(archive, name, "application/zip", lambda: None)


@router.get(WORK_PATH + "/{task_id}")
def show_task(page: CoordinatorPage, task_id: RowId) -> HTMLResponse:
    """How far work has come, or how it ended."""
    with page.reading() as session:
        view = _view_task(page, session, get_task(session, page.viewer.actor, task_id))
    answer = page.render(
        "desk_work.html",
        here="coordinator",
        desk=_DESKS[view.task.kind],
        association=view.task.association,
        view=view,
        task=view.task,
    )
    if view.task.state == WORKING:
        # So that the page is current without a script.
        answer.headers["refresh"] = _RELOAD_SECONDS
    return answer


@router.post(WORK_PATH + "/{task_id}")
def go_on(page: ChangePage, task_id: RowId) -> Response:
    """Go on with work that failed."""
    # Somebody else was faster, or the button was pressed twice: the page shows what is.
    with suppress(Refused):
        page.write(lambda context: resume_task(context, task_id))
    return page.redirect(f"{WORK_PATH}/{task_id}", "")


def _pack(session: Session, task: DeskTask) -> IO[bytes]:
    archive: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - `Download` closes it
    try:
        write_zip(archive, read_pieces(session, task.id), task.asked_at)
    except BaseException:
        archive.close()
        raise
    return archive


def _view_task(page: PageRequest, session: Session, task: DeskTask) -> TaskView:
    zone = page.rulebooks.associations[task.association].time_zone
    title, *steps = _describe(session, task)
    kept_until = task.ended_at + FILES_KEPT if task.ended_at else None
    return TaskView(
        task,
        title,
        _STATES[task.state],
        (steps[0], steps[1]),
        format_instant(task.asked_at, zone),
        format_instant(task.ended_at, zone) if task.ended_at else "",
        100 * task.done // task.total,
        format_instant(kept_until, zone) if kept_until and has_file(session, task) else "",
    )


def _describe(session: Session, task: DeskTask) -> tuple[str, str, str]:
    """The title of work, and the words for one step of it and for several."""
    if task.kind == MAILING:
        mailing = session.get_one(Mailing, task.about_id)
        # Fields of a subject are filled in for each recipient.
        named = TEMPLATES[MailingTemplate(mailing.template)].label
        name = named if "{" in mailing.subject else mailing.subject
        return f"Email “{name}”", "email", "emails"
    if task.kind == AUDIT_FILE:
        return f"Audit file of draw {task.about_id}", "renewal", "renewals"
    return format_count(task.total, "certificate"), "certificate", "certificates"
