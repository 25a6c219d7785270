"""Questions about sessions: one email a day at most, the rest in the next day's."""

from datetime import datetime

from sqlalchemy import select

from tests.jobs.harness import JobHarness, at
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.notifications.entry_mail import notify_question
from tracker.services.context import Actor, ServiceContext
from tracker.services.entry_questions import answer_question, ask_about_entry

ASKED = at("2024-06-03 12:00")


def entries_of(jobs: JobHarness) -> list[int]:
    table = METADATA.tables["entry"]
    query = select(table.c.id).where(table.c.person_id == jobs.ids["Alice"])
    with reading(jobs.engine) as session:
        return list(session.connection().scalars(query.order_by(table.c.id)))


def ask(jobs: JobHarness, entry_id: int, text: str, now: datetime = ASKED) -> int:
    """Dana asks Alice about a session."""
    dana = Actor("dana@nc.example", None, ("NCIMHA",))
    with writing(jobs.engine) as session:
        context = ServiceContext(session, jobs.context.rulebooks, dana, now)
        question_id = ask_about_entry(context, entry_id, "NCIMHA", text)
        notify_question(jobs.context, context, question_id)
    return question_id


def answer(jobs: JobHarness, question_id: int) -> None:
    alice = Actor("alice@example.org", jobs.ids["Alice"])
    with writing(jobs.engine) as session:
        context = ServiceContext(session, jobs.context.rulebooks, alice, ASKED)
        answer_question(context, question_id, "Yes")


def test_a_second_question_of_a_day_is_in_the_next_days_email(jobs: JobHarness) -> None:
    jobs.add_alice(ASKED)
    first, second, *_ = entries_of(jobs)
    ask(jobs, first, "Who held it?")
    ask(jobs, second, "Was it in person?")
    [mail] = jobs.mails("entry-question")
    assert "Dana writes: Who held it?" in mail.text
    jobs.run(at("2024-06-04"), at("2024-06-05"))
    _, later = jobs.mails("entry-question")
    assert "Dana writes: Was it in person?" in later.text
    assert "Who held it?" not in later.text


def test_an_answered_question_is_not_mailed(jobs: JobHarness) -> None:
    jobs.add_alice(ASKED)
    first, second, *_ = entries_of(jobs)
    ask(jobs, first, "Who held it?")
    answer(jobs, ask(jobs, second, "Was it in person?"))
    jobs.run(at("2024-06-04"), at("2024-06-05"))
    assert len(jobs.mails("entry-question")) == 1
