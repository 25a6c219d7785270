"""Questions of associations about entries: asked and settled by coordinators, answered by people.

A question may propose a correction. Nothing of the person's changes unless they accept it.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, select

from tracker.db.entry_reviews import EntryMessage, EntryQuestion
from tracker.db.log import Entry
from tracker.db.people import Person
from tracker.rules.explain import LoggedEntry
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
)
from tracker.services.endorsements import refusal_of_lock
from tracker.services.entries import (
    NeedsConfirmation,
    entry_input_of,
    entry_version,
    find_entry,
    list_entries,
    list_refusals,
    update_entry,
)
from tracker.services.entry_reviews import lock_reviewed_entry
from tracker.services.entry_rules import INPUT_FIELDS, EntryInput, load_entry_rules

OPEN, ANSWERED, SETTLED = "open", "answered", "settled"
_AUDITED = {"entry_id", "association", "state", "accepted"}


class ThreadMessage(NamedTuple):
    """One message of a thread; ``is_answer``: the person wrote it."""

    written_at: datetime
    written_by: str
    is_answer: bool
    text: str


@dataclass(frozen=True, slots=True)
class QuestionThread:
    """A question about an entry with its messages, oldest first.

    ``proposal`` is the correction that it proposes, ``is_outdated`` whether the entry has changed
    since, so that it can't be accepted any more.
    """

    question: EntryQuestion
    messages: tuple[ThreadMessage, ...]
    entry: LoggedEntry
    proposal: EntryInput | None
    is_outdated: bool


class OpenQuestion(NamedTuple):
    """A question that is not settled; ``since`` when its last message was written."""

    question_id: int
    entry_id: int
    person_id: int
    name: str
    title: str
    held_on: date
    since: datetime
    text: str


def ask_about_entry(
    context: ServiceContext,
    entry_id: int,
    association: str,
    text: str,
    proposal: EntryInput | None = None,
) -> int:
    """Ask the person about an entry, on behalf of an association; return the question's id.

    Raises NotFound if the association may not see the entry, and Refused if the text is missing,
    a question is still open, or the proposed correction could not be saved.
    """
    entry = lock_reviewed_entry(context, entry_id, association)
    refusals = check_text("text", text)
    if _find_unsettled(context.session, entry_id, association) is not None:
        refusals.append(Refusal("text", "entry-question-open"))
    if proposal is not None:
        refusals += _check_proposal(context, entry, proposal)
    if refusals:
        raise Refused(*refusals)
    question = EntryQuestion(
        entry_id=entry_id,
        association=association,
        asked_at=context.now,
        asked_by=context.actor.label,
        proposal=_format_proposal(proposal),
        version=entry_version(entry) if proposal else None,
    )
    context.create_row(question, _AUDITED)
    _write(context, question, text, is_answer=False)
    return question.id


def reply_to_answer(context: ServiceContext, question_id: int, text: str) -> EntryQuestion:
    """Ask again, on behalf of the association; the question waits for the person once more."""
    question = lock_question(context, question_id)
    if refusals := check_text("text", text):
        raise Refused(*refusals)
    _write(context, question, text, is_answer=False)
    context.update_row(question, _AUDITED, state=OPEN, mailed_at=None)
    return question


def settle_question(context: ServiceContext, question_id: int) -> None:
    """Close a question, on behalf of the association, whether it was answered or not."""
    question = lock_question(context, question_id)
    context.update_row(question, _AUDITED, state=SETTLED, settled_at=context.now)


def answer_question(context: ServiceContext, question_id: int, text: str) -> None:
    """Answer a question about the actor's own entry. A proposed correction is declined by it."""
    question, _ = _lock_own_question(context, question_id)
    if refusals := check_text("text", text):
        raise Refused(*refusals)
    _write(context, question, text, is_answer=True)
    accepted = False if question.proposal else None
    context.update_row(question, _AUDITED, state=ANSWERED, accepted=accepted)


def accept_proposal(context: ServiceContext, question_id: int) -> LoggedEntry:
    """Correct the actor's own entry as proposed, and settle the question.

    Raises Refused if the entry has changed since, or its cycle is closed by now.
    """
    question, entry = _lock_own_question(context, question_id)
    proposal, version = _parse_proposal(question), question.version
    if proposal is None or version is None:
        raise NotFound
    if entry_version(entry) != version:
        raise Refused(Refusal("proposal", "proposal-outdated"))
    # They have seen the correction, and confirm it with whatever is unusual about it.
    confirmed: Collection[str] = ()
    try:
        saved = update_entry(context, entry.id, proposal, version=version, confirmed=confirmed)
    except NeedsConfirmation as needed:
        confirmed = needed.warnings.keys
        saved = update_entry(context, entry.id, proposal, version=version, confirmed=confirmed)
    settled = {"state": SETTLED, "settled_at": context.now, "accepted": True}
    context.update_row(question, _AUDITED, **settled)
    return saved


def lock_question(context: ServiceContext, question_id: int) -> EntryQuestion:
    """An unsettled question of an association of the actor's; nobody else changes it meanwhile.

    Raises NotFound, and Refused if it is settled by now.
    """
    question = context.session.get(EntryQuestion, question_id)
    if question is None:
        raise NotFound
    lock_reviewed_entry(context, question.entry_id, question.association)
    context.session.refresh(question)
    if question.state == SETTLED:
        raise Refused(Refusal("text", "entry-question-settled"))
    return question


def _lock_own_question(
    context: ServiceContext, question_id: int
) -> tuple[EntryQuestion, LoggedEntry]:
    """An unsettled question about an entry of the actor's own."""
    session = context.session
    lock_person(session, context.person_id)
    question = session.get(EntryQuestion, question_id, populate_existing=True)
    entry = find_entry(session, context.person_id, question.entry_id) if question else None
    if question is None or entry is None:
        raise NotFound
    if question.state == SETTLED:
        raise Refused(Refusal("text", "entry-question-settled"))
    return question, entry


def _find_unsettled(session: Session, entry_id: int, association: str) -> EntryQuestion | None:
    query = select(EntryQuestion).where(
        EntryQuestion.entry_id == entry_id,
        EntryQuestion.association == association,
        EntryQuestion.state != SETTLED,
    )
    return session.exec(query).first()


def _check_proposal(
    context: ServiceContext, entry: LoggedEntry, proposal: EntryInput
) -> list[Refusal]:
    """Why a proposed correction could not be saved by the person."""
    if proposal == entry_input_of(entry):
        return [Refusal("text", "proposal-changes-nothing")]
    session = context.session
    rules = load_entry_rules(session, context.rulebooks, entry.person_id, context.now)
    lock = rules.lock_of(entry)
    if lock is not None:
        return [refusal_of_lock("held_on", lock)]
    others = list_entries(session, entry.person_id, proposal.held_on, proposal.held_on)
    others = [other for other in others if other.id != entry.id]
    return list_refusals(proposal, rules.for_editing(entry), others)


def _write(context: ServiceContext, question: EntryQuestion, text: str, *, is_answer: bool) -> None:
    message = EntryMessage(
        question_id=question.id,
        entry_id=question.entry_id,
        written_at=context.now,
        written_by=context.actor.label,
        is_answer=is_answer,
        text=text,
    )
    context.session.add(message)
    context.session.flush()


def _format_proposal(proposal: EntryInput | None) -> str | None:
    if proposal is None:
        return None
    return json.dumps({**proposal.values(), "held_on": proposal.held_on.isoformat()})


def _parse_proposal(question: EntryQuestion) -> EntryInput | None:
    if question.proposal is None:
        return None
    values: dict[str, Any] = json.loads(question.proposal)
    known = {name: value for name, value in values.items() if name in INPUT_FIELDS}
    return EntryInput(**{**known, "held_on": date.fromisoformat(values["held_on"])})


def list_threads(
    session: Session, entries: Collection[LoggedEntry], associations: Collection[str] | None = None
) -> Mapping[int, Sequence[QuestionThread]]:
    """The questions about these entries by entry, oldest first.

    Only those of ``associations``; None: of any.
    """
    by_id = {entry.id: entry for entry in entries}
    query = select(EntryQuestion).where(col(EntryQuestion.entry_id).in_(by_id))
    if associations is not None:
        query = query.where(col(EntryQuestion.association).in_(associations))
    questions = session.exec(query.order_by(col(EntryQuestion.id))).all()
    messages = _list_messages(session, [question.id for question in questions])
    threads: defaultdict[int, list[QuestionThread]] = defaultdict(list)
    for question in questions:
        entry = by_id[question.entry_id]
        proposal = _parse_proposal(question)
        is_outdated = question.version not in {None, entry_version(entry)}
        thread = QuestionThread(
            question, tuple(messages[question.id]), entry, proposal, is_outdated
        )
        threads[entry.id].append(thread)
    return threads


def _list_messages(
    session: Session, question_ids: Collection[int]
) -> defaultdict[int, list[ThreadMessage]]:
    found: defaultdict[int, list[ThreadMessage]] = defaultdict(list)
    query = select(EntryMessage).where(col(EntryMessage.question_id).in_(question_ids))
    for row in session.exec(query.order_by(col(EntryMessage.id))):
        message = ThreadMessage(row.written_at, row.written_by, row.is_answer, row.text)
        found[row.question_id].append(message)
    return found


def find_own_thread(session: Session, person_id: int, question_id: int) -> QuestionThread | None:
    """A question about an entry of a person's own; None for any other."""
    question = session.get(EntryQuestion, question_id)
    entry = find_entry(session, person_id, question.entry_id) if question else None
    if entry is None:
        return None
    threads = list_threads(session, [entry])[entry.id]
    return next(thread for thread in threads if thread.question.id == question_id)


def list_own_questions(session: Session, person_id: int) -> list[OpenQuestion]:
    """The questions that wait for a person's answer, oldest first."""
    return _list_questions(session, and_(Entry.person_id == person_id, EntryQuestion.state == OPEN))


def list_answered_questions(session: Session, association: str) -> list[OpenQuestion]:
    """The questions whose answers wait for an association, oldest first."""
    is_theirs = EntryQuestion.association == association
    return _list_questions(session, and_(is_theirs, EntryQuestion.state == ANSWERED))


def _list_questions(session: Session, condition: ColumnElement[bool]) -> list[OpenQuestion]:
    query = (
        select(EntryQuestion, Entry, Person.name)
        .join(Entry, col(Entry.id) == EntryQuestion.entry_id)
        .join(Person, col(Person.id) == Entry.person_id)
        .where(condition)
        .order_by(col(EntryQuestion.id))
    )
    rows = session.exec(query).all()
    messages = _list_messages(session, [question.id for question, _, _ in rows])
    questions = []
    for question, entry, name in rows:
        last = messages[question.id][-1]
        questions.append(
            OpenQuestion(
                question.id,
                entry.id,
                entry.person_id,
                name,
                entry.title,
                entry.held_on,
                last.written_at,
                last.text,
            )
        )
    return questions
