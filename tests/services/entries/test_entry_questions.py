"""Questions of associations about entries: asked, answered, mailed, settled, and corrections."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, ERIN, NOW, Cast
from tests.support.questions import ask
from tracker.db.entry_reviews import EntryQuestion
from tracker.db.log import AuditEvent, Entry
from tracker.db.tables import METADATA
from tracker.rules.explain import LoggedEntry
from tracker.services.context import NotFound, Refusal, Refused
from tracker.services.entries import entry_input_of, entry_version, find_entry
from tracker.services.entry_question_mail import list_unmailed_questions, mark_mailed
from tracker.services.entry_questions import (
    ThreadMessage,
    accept_proposal,
    answer_question,
    ask_about_entry,
    find_own_thread,
    list_answered_questions,
    list_own_questions,
    list_threads,
    reply_to_answer,
    settle_question,
)
from tracker.services.entry_rules import EntryInput

LATER = NOW + timedelta(hours=1)
TEXT_MISSING, SETTLED = Refusal("text", "text-missing"), Refusal("text", "entry-question-settled")


def get_entry(session: Session, cast: Cast, name: str = "training") -> LoggedEntry:
    entry = find_entry(session, cast.people[ALICE], cast.entries[name])
    assert entry is not None
    return entry


def propose(session: Session, cast: Cast, name: str = "training", **changes: Any) -> EntryInput:  # noqa: ANN401 - values of fields
    return replace(entry_input_of(get_entry(session, cast, name)), **changes)


def refuse(call: Callable[..., object], *arguments: object) -> list[Refusal]:
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return list(refused.value.refusals)


def get_event(session: Session) -> tuple[Any, Any]:
    """Before and after of the last audit event of a question."""
    query = select(AuditEvent).filter_by(table_name="entry_question")
    event = session.exec(query.order_by(col(AuditEvent.id).desc())).first()
    assert event is not None
    return json.loads(event.before or "null"), json.loads(event.after or "null")


def test_a_question_waits_for_its_person(act: Act, session: Session, cast: Cast) -> None:
    entry = get_entry(session, cast)
    question_id = ask_about_entry(act(CAROL), entry.id, "NCIMHA", "Who held it?")
    values = {"entry_id": entry.id, "association": "NCIMHA", "state": "open", "accepted": None}
    assert get_event(session) == (None, values)
    [thread] = list_threads(session, [entry])[entry.id]
    assert (thread.question.asked_at, thread.question.asked_by) == (NOW, CAROL)
    message = ThreadMessage(NOW, CAROL, is_answer=False, text="Who held it?")
    assert (thread.messages, thread.entry) == ((message,), entry)
    assert (thread.proposal, thread.is_outdated) == (None, False)
    person, facts = cast.people[ALICE], (entry.title, entry.held_on, NOW, "Who held it?")
    [waiting] = list_own_questions(session, person)
    assert waiting == (question_id, entry.id, person, "Alice Moreno", *facts)
    with pytest.raises(NotFound):
        ask_about_entry(act(CAROL), cast.entries["erin"], "NCIMHA", "Who?")


def test_an_entry_has_one_open_question_of_an_association(
    act: Act, session: Session, cast: Cast
) -> None:
    training, rsc = cast.entries["training"], cast.entries["rsc"]
    ask(session, training, "Who held it?", "CT-AIMH")
    first = ask_about_entry(act(CAROL), training, "NCIMHA", "Who?")
    ask_about_entry(act(CAROL), rsc, "NCIMHA", "Who?")
    refusals = refuse(ask_about_entry, act(CAROL), training, "NCIMHA", "")
    assert refusals == [TEXT_MISSING, Refusal("text", "entry-question-open")]
    settle_question(act(CAROL), first)
    ask_about_entry(act(CAROL), training, "NCIMHA", "And when?")


def test_an_answer_waits_for_the_association(act: Act, session: Session, cast: Cast) -> None:
    training, alice = cast.entries["training"], cast.people[ALICE]
    first = ask(session, training, "Who held it?")
    second, elsewhere = (
        ask(session, cast.entries["rsc"], "Who?", association)
        for association in ("NCIMHA", "CT-AIMH")
    )
    ask(session, cast.entries["erin"], "Who?")
    assert [each.question_id for each in list_own_questions(session, alice)] == [
        first,
        second,
        elsewhere,
    ]
    assert refuse(answer_question, act(ALICE), first, "") == [TEXT_MISSING]
    for number in (second, elsewhere, first):
        answer_question(replace(act(ALICE), now=LATER), number, "Pat Doe")
    before = {"entry_id": training, "association": "NCIMHA", "state": "open", "accepted": None}
    assert get_event(session) == (before, before | {"state": "answered"})
    assert list_own_questions(session, alice) == []
    answered = list_answered_questions(session, "NCIMHA")
    described = [(each.question_id, each.since, each.text) for each in answered]
    assert described == [(first, LATER, "Pat Doe"), (second, LATER, "Pat Doe")]


def test_a_reply_asks_again(act: Act, session: Session, cast: Cast) -> None:
    entry = get_entry(session, cast)
    question_id = ask(session, entry.id, "Who held it?")
    mark_mailed(session, [question_id], NOW)
    answer_question(act(ALICE), question_id, "Pat Doe")
    assert refuse(reply_to_answer, act(CAROL), question_id, "") == [TEXT_MISSING]
    question = reply_to_answer(act(CAROL), question_id, "Where?")
    assert (question.id, question.state, question.mailed_at) == (question_id, "open", None)
    assert [each["state"] for each in get_event(session)] == ["answered", "open"]
    [thread] = list_threads(session, [entry])[entry.id]
    assert thread.messages == (
        ThreadMessage(NOW, CAROL, is_answer=False, text="Who held it?"),
        ThreadMessage(NOW, ALICE, is_answer=True, text="Pat Doe"),
        ThreadMessage(NOW, CAROL, is_answer=False, text="Where?"),
    )


def test_a_settled_question_stays_settled(act: Act, session: Session, cast: Cast) -> None:
    question_id = ask(session, cast.entries["training"], "Who held it?")
    settle_question(replace(act(CAROL), now=LATER), question_id)
    question = session.get_one(EntryQuestion, question_id)
    assert (question.state, question.settled_at) == ("settled", LATER)
    assert [each["state"] for each in get_event(session)] == ["open", "settled"]
    for call, context in (
        (settle_question, act(CAROL)),
        (reply_to_answer, act(CAROL)),
        (answer_question, act(ALICE)),
        (accept_proposal, act(ALICE)),
    ):
        text = ["Pat Doe"] if call in (reply_to_answer, answer_question) else []
        assert refuse(call, context, question_id, *text) == [SETTLED]


def test_a_question_settled_meanwhile_takes_no_answer(
    act: Act, session: Session, cast: Cast
) -> None:
    question_id = ask(session, cast.entries["training"], "Who held it?")
    question = session.get_one(EntryQuestion, question_id)
    table = METADATA.tables["entry_question"]
    settled = update(table).values(state="settled", settled_at=NOW)
    session.connection().execute(settled)
    assert question.state == "open"
    assert refuse(answer_question, act(ALICE), question_id, "Pat Doe") == [SETTLED]


def test_others_do_not_find_a_question(act: Act, session: Session, cast: Cast) -> None:
    question_id = ask(session, cast.entries["training"], "Who held it?")
    foreign = ask(session, cast.entries["training"], "Who held it?", "CT-AIMH")
    for call in (settle_question, lambda context, number: reply_to_answer(context, number, "x")):
        for number in (foreign, 999_999):
            with pytest.raises(NotFound):
                call(act(CAROL), number)
    for email, number in ((BOB, question_id), (ALICE, 999_999)):
        with pytest.raises(NotFound):
            answer_question(act(email), number, "Pat Doe")
        assert find_own_thread(session, cast.people[email], number) is None
    thread = find_own_thread(session, cast.people[ALICE], foreign)
    assert thread is not None
    assert thread.question.id == foreign


def test_threads_are_those_of_entries_and_associations(session: Session, cast: Cast) -> None:
    training, rsc = get_entry(session, cast), get_entry(session, cast, "rsc")
    first = ask(session, training.id, "Who held it?", "CT-AIMH")
    second = ask(session, training.id, "Who held it?")
    third = ask(session, rsc.id, "Who?")

    def numbers(*associations: str) -> dict[int, list[int]]:
        found = list_threads(session, [training, rsc], associations or None)
        return {entry: [each.question.id for each in threads] for entry, threads in found.items()}

    assert numbers() == {training.id: [first, second], rsc.id: [third]}
    assert numbers("NCIMHA") == {training.id: [second], rsc.id: [third]}
    assert numbers("CT-AIMH") == {training.id: [first]}
    assert set(list_threads(session, [rsc])) == {rsc.id}


def test_a_correction_is_saved_with_consent(act: Act, session: Session, cast: Cast) -> None:
    entry = get_entry(session, cast)
    # An unusual length, and other topics: both are as proposed.
    changed = propose(session, cast, held_on=date(2026, 5, 3), minutes=1200, topics={"DEIA": 30})
    question_id = ask_about_entry(act(CAROL), entry.id, "NCIMHA", "A typo?", changed)
    [thread] = list_threads(session, [entry])[entry.id]
    assert (thread.proposal, thread.is_outdated) == (changed, False)
    assert thread.question.version == entry_version(entry)
    saved = accept_proposal(replace(act(ALICE), now=LATER), question_id)
    assert entry_input_of(saved) == changed == propose(session, cast)
    [thread] = list_threads(session, [saved])[entry.id]
    question = thread.question
    assert (question.state, question.accepted, question.settled_at) == ("settled", True, LATER)
    assert get_event(session)[1]["accepted"] is True
    plain = ask(session, entry.id, "Who held it?")
    with pytest.raises(NotFound):
        accept_proposal(act(ALICE), plain)


def test_a_correction_of_a_changed_entry_is_outdated(
    act: Act, session: Session, cast: Cast
) -> None:
    entry = get_entry(session, cast)
    changed = propose(session, cast, minutes=120)
    question_id = ask_about_entry(act(CAROL), entry.id, "NCIMHA", "A typo?", changed)
    session.get_one(Entry, entry.id).minutes = 60
    session.flush()
    assert refuse(accept_proposal, act(ALICE), question_id) == [
        Refusal("proposal", "proposal-outdated")
    ]
    entry = get_entry(session, cast)
    [thread] = list_threads(session, [entry])[entry.id]
    assert thread.is_outdated
    answer_question(act(ALICE), question_id, "It was an hour")
    assert [each["accepted"] for each in get_event(session)] == [None, False]


def test_a_correction_must_be_one_that_can_be_saved(act: Act, session: Session, cast: Cast) -> None:
    def correct(name: str, **changes: Any) -> list[Refusal]:  # noqa: ANN401 - values of fields
        proposal = propose(session, cast, name, **changes)
        return refuse(ask_about_entry, act(CAROL), cast.entries[name], "NCIMHA", "Why?", proposal)

    assert correct("training") == [Refusal("text", "proposal-changes-nothing")]
    [closed] = correct("old", held_on=date(2026, 5, 3))
    assert (closed.field, closed.code) == ("held_on", "cycle-closed")
    same = propose(session, cast)
    refusals = refuse(ask_about_entry, act(CAROL), cast.entries["training"], "NCIMHA", "", same)
    assert refusals == [TEXT_MISSING, Refusal("text", "proposal-changes-nothing")]
    day = date(2026, 11, 14)
    full = Refusal("minutes", "day-is-full", {"logged": 60, "held_on": day})
    assert correct("training", held_on=day, minutes=1400) == [full]
    # The entry itself takes no time from its own day.
    proposal = propose(session, cast, minutes=1400)
    ask_about_entry(act(CAROL), cast.entries["training"], "NCIMHA", "Why?", proposal)


def test_questions_are_mailed_once(act: Act, session: Session, cast: Cast) -> None:
    erin = ask(session, cast.entries["erin"], "Who?")
    first = ask(session, cast.entries["training"], "Who held it?")
    elsewhere = ask(session, cast.entries["training"], "Who held it?", "CT-AIMH")
    second = ask(session, cast.entries["rsc"], "Where?")
    answered = ask(session, cast.entries["unknown"], "Where?")
    session.get_one(EntryQuestion, answered).state = "answered"

    def unmailed(**wanted: Any) -> list[int]:  # noqa: ANN401 - arguments of the function
        return [each.thread.question.id for each in list_unmailed_questions(session, **wanted)]

    assert unmailed(association="NCIMHA") == [first, second, erin]
    found = list_unmailed_questions(session, question_ids=[erin, elsewhere, answered])
    described = [(each.thread.question.id, each.person.email, each.text) for each in found]
    assert described == [(elsewhere, ALICE, "Who held it?"), (erin, ERIN, "Who?")]
    assert unmailed(association="NCIMHA", before=NOW) == []
    soon = NOW + timedelta(seconds=1)
    assert unmailed(association="NCIMHA", before=soon) == [first, second, erin]
    reply_to_answer(replace(act(CAROL), now=LATER), second, "In which room?")
    assert unmailed(association="NCIMHA", before=LATER) == [first, erin]
    mark_mailed(session, [first, erin], LATER)
    assert unmailed(association="NCIMHA") == [second]
    session.expire_all()
    mailed = [session.get_one(EntryQuestion, number).mailed_at for number in (erin, second)]
    assert mailed == [LATER, None]
