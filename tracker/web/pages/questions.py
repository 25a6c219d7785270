"""A person's own page of questions that associations ask about sessions, and the answers."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from tracker.services.context import Refused, ServiceContext
from tracker.services.entry_questions import (
    QuestionThread,
    accept_proposal,
    answer_question,
    find_own_thread,
    list_own_questions,
)
from tracker.services.entry_reviews import list_removed
from tracker.web.forms.body import RowId, Typed, clean, text_of
from tracker.web.page_request import PageRequest, PersonPage, format_problems, require
from tracker.web.pages.entry_view import read_entry
from tracker.web.pages.question_view import view_thread

router = APIRouter()


@router.get("/questions")
def show_questions(page: PersonPage) -> HTMLResponse:
    """The questions that wait for the viewer's answer, and the sessions that were removed."""
    with page.reading() as session:
        questions = list_own_questions(session, page.person_id)
        removed = list_removed(session, page.person_id)
    return page.render("questions.html", here="my-year", questions=questions, removed=removed)


@router.get("/questions/{question_id}")
def show_question(page: PersonPage, question_id: RowId) -> HTMLResponse:
    """One question about a session of the viewer's, with its thread."""
    return _render(page, question_id)


@router.post("/questions/{question_id}")
def answer(page: PersonPage, question_id: RowId, typed: Typed) -> Response:
    """Answer a question, or accept the correction that it proposes."""
    accepts = text_of(typed, "action") == "accept"

    def work(context: ServiceContext) -> None:
        if accepts:
            accept_proposal(context, question_id)
        else:
            answer_question(context, question_id, clean(text_of(typed, "text")))

    try:
        page.write(work)
    except Refused as refused:
        problems = [("text", words) for _, words in format_problems(refused)]
        return _render(page, question_id, typed, problems)
    return page.redirect(f"/questions/{question_id}", "accepted" if accepts else "answered")


def _render(
    page: PageRequest,
    question_id: int,
    typed: FormData | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    with page.reading() as session:
        thread = require(find_own_thread(session, page.person_id, question_id))
        row = read_entry(session, page, thread.entry.id)
        zone = page.zone(session)
    names = _list_names(page, thread)
    return page.render(
        "question.html",
        here="my-year",
        thread=view_thread(thread, names, zone),
        row=row,
        text=text_of(typed, "text") if typed is not None else "",
        problems=problems,
        contacts=page.site.settings.coordinators_by_association,
    )


def _list_names(page: PageRequest, thread: QuestionThread) -> dict[str, str]:
    """Who wrote the messages, by the labels of actors."""
    names = page.team_names
    for message in thread.messages:
        own = "You" if message.is_answer else f"{thread.question.association} coordinator"
        names.setdefault(message.written_by, own)
    return names | {page.viewer.email: "You"}
