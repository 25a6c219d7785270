"""Which questions about entries are to be mailed, to whom."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, col, exists, select, update

from tracker.db.entry_reviews import EntryMessage, EntryQuestion
from tracker.db.log import Entry
from tracker.db.people import Person
from tracker.services.entries import find_entry
from tracker.services.entry_questions import OPEN, QuestionThread, list_threads


class QuestionToMail(NamedTuple):
    """An open question that no email is about yet, and the person it waits for."""

    thread: QuestionThread
    person: Person

    @property
    def text(self) -> str:
        """What the association wrote last."""
        return self.thread.messages[-1].text


def list_unmailed_questions(
    session: Session,
    *,
    association: str | None = None,
    question_ids: Collection[int] = (),
    before: datetime | None = None,
) -> list[QuestionToMail]:
    """Open questions without an email, by person: those named, or an association's.

    ``before``: those whose last message was written earlier.
    """
    query = (
        select(EntryQuestion, Person)
        .join(Entry, col(Entry.id) == EntryQuestion.entry_id)
        .join(Person, col(Person.id) == Entry.person_id)
        .where(EntryQuestion.state == OPEN, col(EntryQuestion.mailed_at).is_(None))
        .order_by(col(Person.id), col(EntryQuestion.id))
    )
    if question_ids:
        query = query.where(col(EntryQuestion.id).in_(question_ids))
    else:
        query = query.where(EntryQuestion.association == association)
    if before is not None:
        is_recent = exists().where(
            col(EntryMessage.question_id) == EntryQuestion.id,
            col(EntryMessage.written_at) >= before,
        )
        query = query.where(~is_recent)
    unmailed = []
    for question, person in session.exec(query).all():
        entry = find_entry(session, person.id, question.entry_id)
        if entry is not None:
            threads = list_threads(session, [entry])[entry.id]
            own = next(each for each in threads if each.question.id == question.id)
            unmailed.append(QuestionToMail(own, person))
    return unmailed


def mark_mailed(session: Session, question_ids: Collection[int], now: datetime) -> None:
    """Note that an email about these questions was queued."""
    ids = col(EntryQuestion.id).in_(question_ids)
    session.exec(update(EntryQuestion).where(ids).values(mailed_at=now))
