"""What a decision changes is kept for a day, and comes back unless something came after it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import ColumnElement, delete, update
from sqlmodel import Session, SQLModel, col, select

from tests.services.conftest import Act
from tests.services.people.test_removals import all_rows, audit_events, refused_with
from tests.support.cast import ALICE, BOB, CAROL, DAN, ERIN, EVE, NOW, Cast
from tracker.db.applications import Application
from tracker.db.corrections import Removal
from tracker.db.ledgers import Notice, SettledCycle
from tracker.db.payments import Payment, PaymentShare
from tracker.db.people import Endorsement, Leave, TimeRequest, Waiver
from tracker.services.context import Actor, NotFound, Refusal, ServiceContext
from tracker.services.undo import (
    UndoableDecision,
    find_obstacle,
    find_undoable,
    get_decision,
    is_decision,
    revert_decision,
    undoable,
)

DAY = date(2026, 11, 20)
ONE_DAY = timedelta(days=1)
CORRECT = "Correct that first, or decide anew"


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def asked(cast: Cast, session: Session) -> Application:
    """Eve's application."""
    application = Application(
        person_id=cast.people[EVE],
        association="NCIMHA",
        category="IFS",
        opened_on=DAY,
        state="submitted",
    )
    session.add(application)
    session.flush()
    return application


def watch(application: Application) -> dict[str, ColumnElement[bool]]:
    """Everything of the applicant that a decision may change."""
    return {
        str(model.__tablename__): col(model.person_id) == application.person_id
        for model in (Application, Endorsement)
    }


def endorse(context: ServiceContext, asked: Application) -> Removal:
    """Endorse an applicant."""
    decision = UndoableDecision(
        "application", asked.id, asked.person_id, "NCIMHA", "NCIMHA IFS, endorsed", watch(asked)
    )
    with undoable(context, decision):
        held = Endorsement(
            person_id=asked.person_id, association="NCIMHA", category="IFS", starts_on=DAY
        )
        context.create_row(held, {"starts_on"})
        decided = {"state": "endorsed", "decided_on": DAY, "answer": "Welcome"}
        context.update_row(asked, {"state"}, **decided)
    return last_removal(context.session)


def last_removal(session: Session) -> Removal:
    return session.exec(select(Removal).order_by(col(Removal.id).desc())).all()[0]


def get_held(context: ServiceContext, asked: Application) -> int:
    query = select(Endorsement.id).where(Endorsement.person_id == asked.person_id)
    return context.session.exec(query).one()


def test_a_decision_is_kept_for_a_day(carol: ServiceContext, asked: Application) -> None:
    removal = endorse(carol, asked)
    kept = removal.model_dump(exclude={"id", "content", "logged_at", "undone_at", "undone_by"})
    assert kept == {
        "person_id": asked.person_id,
        "kind": "decided application",
        "description": "NCIMHA IFS, endorsed",
        "reason": "endorsed",
        "removed_at": NOW,
        "removed_by": CAROL,
        "association": "NCIMHA",
        "subject_id": asked.id,
    }
    later = replace(carol, now=NOW + ONE_DAY)
    decision = UndoableDecision("application", asked.id, asked.person_id, "NCIMHA", "", {})
    with undoable(later, decision):
        pass
    assert carol.session.exec(select(Removal)).all() == []


def test_undoing_a_decision_restores_every_row(carol: ServiceContext, asked: Application) -> None:
    session = carol.session
    before = all_rows(session)
    removal = endorse(carol, asked)
    held = get_held(carol, asked)
    events = len(audit_events(session))
    undone = revert_decision(carol, removal, watch(asked))
    assert undone[:3] == (removal.id, "application", asked.id)
    decided = (undone.decided["state"], undone.decided["decided_on"], undone.decided["answer"])
    assert decided == ("endorsed", DAY, "Welcome")
    assert (removal.undone_at, removal.undone_by) == (NOW, CAROL)
    assert all_rows(session) == before
    changed, deleted = sorted(audit_events(session)[events:], key=lambda event: event[1])
    assert changed[:3] == (CAROL, "application", asked.id)
    assert (changed[3]["state"], changed[4]["state"]) == ("endorsed", "submitted")
    assert {"answer"}.isdisjoint({*changed[3], *changed[4]})
    assert (*deleted[:3], deleted[4]) == (CAROL, "endorsement", held, None)
    assert deleted[3]["starts_on"] == "2026-11-20"


def change_application(context: ServiceContext, asked: Application) -> None:
    asked.state, asked.decided_on = "open", None
    context.session.add(asked)


def change_endorsement(context: ServiceContext, asked: Application) -> None:
    context.session.get_one(Endorsement, get_held(context, asked)).ends_on = DAY


def delete_endorsement(context: ServiceContext, asked: Application) -> None:
    context.session.delete(context.session.get_one(Endorsement, get_held(context, asked)))


def add(model: type[SQLModel], **values: object) -> Callable[[ServiceContext, Application], None]:
    """Store a row of the endorsement."""

    def work(context: ServiceContext, asked: Application) -> None:
        own = {"endorsement_id": get_held(context, asked)}
        context.session.add(model.model_validate({**own, **values}))

    return work


def apply_again(context: ServiceContext, asked: Application) -> None:
    values = asked.model_dump(exclude={"id", "decided_on"})
    again = {"state": "submitted", "opened_on": DAY + ONE_DAY}
    context.session.add(Application.model_validate({**values, **again}))


def pay(context: ServiceContext, asked: Application) -> None:
    paid = Payment(
        association="NCIMHA",
        paid_on=DAY,
        amount_cents=100,
        payer="Agency",
        form_key="a",
        recorded_at=NOW,
        recorded_by=CAROL,
    )
    context.session.add(paid)
    context.session.flush()
    share = {"payment_id": paid.id, "cycle_starts_on": DAY, "fee": "renewal", "cents": 100}
    add(PaymentShare, **share)(context, asked)


REQUEST = {"kind": "leave", "starts_on": DAY, "reason": "Ill", "form_key": "a", "asked_at": NOW}
WITHDRAWAL = "This can be undone once the applicant has withdrawn that application"
REQUEST_WITHDRAWAL = "This can be undone once the endorsee has withdrawn that request"


@pytest.mark.parametrize(
    ("work", "what", "helps"),
    [
        (change_application, "a change of the application, or a new one,", WITHDRAWAL),
        (apply_again, "a change of the application, or a new one,", WITHDRAWAL),
        (change_endorsement, "a change of the endorsement", CORRECT),
        (delete_endorsement, "a change of the endorsement", CORRECT),
        (add(Leave, starts_on=DAY), "a change of the leave", CORRECT),
        (
            add(Waiver, cycle_starts_on=DAY, requirement="rsc", reason="Ill"),
            "a row of waiver",
            CORRECT,
        ),
        (add(TimeRequest, **REQUEST), "another request or decision", REQUEST_WITHDRAWAL),
        (pay, "a row of payment share", CORRECT),
    ],
)
def test_what_came_after_a_decision_keeps_it(
    carol: ServiceContext,
    asked: Application,
    work: Callable[[ServiceContext, Application], None],
    what: str,
    helps: str,
) -> None:
    removal = endorse(carol, asked)
    work(carol, asked)
    refusal = refused_with(lambda: revert_decision(carol, removal, watch(asked)))
    assert refusal == Refusal("undo", "undo-outdated", {"what": what, "help": helps})
    assert removal.undone_at is None


def test_what_nobody_needs_goes_with_an_undone_decision(
    carol: ServiceContext, asked: Application
) -> None:
    session = carol.session
    apply_again(carol, asked)
    before = all_rows(session)
    removal = endorse(carol, asked)
    days = {"cycle_starts_on": DAY, "due_on": DAY, "decided_on": DAY}
    skipped = {"kind": "renewal", "step": 1, "outcome": "skipped", "reason": "excused"}
    add(Notice, **days, **skipped)(carol, asked)
    withdrawn = {"state": "withdrawn", "decided_at": NOW}
    add(TimeRequest, **REQUEST, **withdrawn)(carol, asked)
    another = session.exec(select(Application).where(Application.state == "submitted")).one()
    another.state, another.decided_on = "withdrawn", another.opened_on
    assert find_obstacle(session, removal, watch(asked)) is None
    request_id = session.exec(select(TimeRequest.id)).one()
    revert_decision(carol, removal, watch(asked))
    assert another.state == "withdrawn"
    another.state, another.decided_on = "submitted", None
    assert all_rows(session) == before
    [event] = [each for each in audit_events(session) if each[1] == "time_request"]
    who, _, row_id, was, now = event
    assert (who, row_id, was["state"], now) == (CAROL, request_id, "withdrawn", None)
    assert was.keys().isdisjoint({"form_key", "reason"})


def test_a_changed_application_that_was_withdrawn_keeps_the_decision(
    carol: ServiceContext, asked: Application
) -> None:
    removal = endorse(carol, asked)
    asked.state = "withdrawn"
    refusal = find_obstacle(carol.session, removal, watch(asked))
    assert refusal is not None
    assert refusal.facts["help"] == CORRECT


def test_what_is_found_each_night_does_not_keep_a_decision(
    carol: ServiceContext, asked: Application, cast: Cast
) -> None:
    session = carol.session
    cycle = SettledCycle(
        endorsement_id=cast.endorsements[ALICE],
        cycle_starts_on=date(2025, 1, 1),
        settled_on=date(2026, 2, 1),
        content="{}",
    )
    session.add(cycle)
    watched = {
        **watch(asked),
        "settled_cycle": col(SettledCycle.endorsement_id) == cycle.endorsement_id,
    }
    decision = UndoableDecision("application", asked.id, asked.person_id, "NCIMHA", "", watched)
    with undoable(carol, decision):
        cycle.reopened_at, cycle.reopened_by = NOW, CAROL
    cycle.differs_since = DAY
    with session.begin_nested() as nested:
        cycle.settled_on = DAY
        refusal = find_obstacle(session, last_removal(session), watched)
        nested.rollback()
    assert refusal is not None
    assert refusal.facts["what"] == "the closing of a cycle"
    cycle.differs_since = DAY
    revert_decision(carol, last_removal(session), watched)
    session.refresh(cycle)
    stored = cycle.model_dump()
    assert (stored["reopened_at"], stored["differs_since"]) == (None, DAY)
    _, table, row_id, was, now = audit_events(session)[-1]
    assert (table, row_id) == ("settled_cycle", cast.endorsements[ALICE])
    assert (was["reopened_by"], now["reopened_by"]) == (CAROL, None)
    assert "content" not in was


def add_decision(session: Session, cast: Cast, email: str = EVE, **values: object) -> Removal:
    known = {
        "person_id": cast.people[email],
        "kind": "decided application",
        "description": "",
        "reason": "endorsed",
        "removed_at": NOW,
        "removed_by": CAROL,
        "association": "NCIMHA",
        "subject_id": 7,
        "content": "{}",
    }
    removal = Removal.model_validate({**known, **values})
    session.add(removal)
    session.flush()
    return removal


def test_the_last_decision_is_found_for_a_day(session: Session, cast: Cast) -> None:
    add_decision(session, cast)
    last = add_decision(session, cast, BOB, subject_id=8)
    add_decision(session, cast, subject_id=9)
    add_decision(session, cast, kind="decided time_request")
    assert find_undoable(session, "application", [7, 8], NOW) == last
    just = NOW + ONE_DAY - timedelta(seconds=1)
    assert find_undoable(session, "application", [7, 8], just) == last
    assert find_undoable(session, "application", [7, 8], NOW + ONE_DAY) is None
    assert find_undoable(session, "application", [10], NOW) is None
    last.undone_at = NOW
    assert find_undoable(session, "application", [7, 8], NOW) is None


def test_removals_of_rows_are_no_decisions(session: Session, cast: Cast) -> None:
    decision, other = add_decision(session, cast), add_decision(session, cast, kind="own entry")
    found = [is_decision(session, each) for each in (decision.id, other.id, other.id + 1)]
    assert found == [True, False, False]


def test_only_coordinators_of_others_undo_a_decision(
    carol: ServiceContext, session: Session, cast: Cast
) -> None:
    decision, other = add_decision(session, cast), add_decision(session, cast, kind="own entry")
    operator = replace(carol, actor=Actor("tracker remove undo"))
    for context in (carol, operator):
        assert get_decision(context, decision.id) == decision
        for removal_id in (other.id, other.id + 1):
            with pytest.raises(NotFound):
                get_decision(context, removal_id)
    with pytest.raises(NotFound):
        get_decision(replace(carol, actor=Actor(DAN, None, ("CT-AIMH",))), decision.id)
    with pytest.raises(NotFound):
        get_decision(replace(carol, actor=Actor(ERIN, cast.people[ERIN])), decision.id)
    own = replace(carol, actor=Actor(EVE, cast.people[EVE], ("NCIMHA",)))
    assert refused_with(lambda: get_decision(own, decision.id)) == Refusal("", "own-decision")


def test_a_decision_is_read_again_once_it_is_locked(
    carol: ServiceContext, session: Session, cast: Cast
) -> None:
    decision = add_decision(session, cast, removed_at=NOW - ONE_DAY)
    number, own = decision.id, col(Removal.id) == decision.id
    undone = update(Removal).where(own).values(undone_at=NOW, undone_by=DAN)
    session.connection().execute(undone)
    assert get_decision(carol, number).undone_by == DAN
    session.connection().execute(delete(Removal).where(own))
    with pytest.raises(NotFound):
        get_decision(carol, number)


def test_a_decision_can_be_undone_within_a_day(
    carol: ServiceContext, session: Session, cast: Cast
) -> None:
    decision = add_decision(session, cast, removed_at=NOW - ONE_DAY + timedelta(seconds=1))
    assert get_decision(carol, decision.id) == decision
    decision.removed_at = NOW - ONE_DAY
    session.flush()
    refusal = refused_with(lambda: get_decision(carol, decision.id))
    assert refusal == Refusal("undo", "undo-too-late")
    # Undoing twice is like once, also later.
    decision.undone_at, decision.undone_by = NOW - ONE_DAY, CAROL
    session.flush()
    assert get_decision(carol, decision.id) == decision
