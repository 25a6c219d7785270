"""Fees: who owes what, payments for one and for many, and what a payment completes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from tests.support.cast import BOOKS, NOW, PAYING, Cast
from tests.support.paying import CYCLE, IVY, JON, fill_with_ivy, lee, pay_for_both, payment_for
from tracker.db.payments import PaymentShare
from tracker.db.people import Endorsement
from tracker.services.attention import AttentionKind, list_attention
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change, undo_change
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.fee_lists import FeePeriod, list_association_fees, list_fee_years
from tracker.services.fees import (
    FeeState,
    add_up,
    list_paid_for,
    record_payment,
    remove_payment,
)
from tracker.services.submissions import SubmissionInput, list_unaccepted, submit_renewal


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    cast = fill_with_ivy(database_url)
    yield cast
    cast.engine.dispose()


def states(session: Session) -> dict[str, tuple[FeeState, int]]:
    lines = list_association_fees(session, BOOKS, PAYING, days_at(BOOKS, NOW))
    return {line.name: (line.state, line.owed) for line in lines}


def status_of(cast: Cast, session: Session, email: str) -> str:
    session.flush()
    found = session.connection().exec_driver_sql(
        f"SELECT status FROM standing WHERE endorsement_id = {cast.endorsements[email]} "  # noqa: S608
        "ORDER BY cycle_starts_on DESC"
    )
    return str(found.scalars().first())


def submit(cast: Cast, session: Session, email: str) -> None:
    context = ServiceContext(session, BOOKS, Actor(email, cast.people[email]), NOW)
    held = cast.endorsements[email]
    submit_renewal(context, SubmissionInput(held, CYCLE, "Ivy", frozenset(), "a" * 32))


def test_everyone_owes_the_fee_until_it_is_paid(cast: Cast, session: Session) -> None:
    assert states(session) == {
        "Ivy Okafor": (FeeState.OPEN, 7500),
        "Jon Petersen": (FeeState.OPEN, 7500),
    }
    record_payment(lee(session), payment_for(cast, 5000, IVY))
    assert states(session)["Ivy Okafor"] == (FeeState.OPEN, 2500)


def test_agency_pays_for_many_at_once(cast: Cast, session: Session) -> None:
    payment_id = pay_for_both(session, cast)
    assert {state for state, _ in states(session).values()} == {FeeState.PAID}
    assert [each.share.cents for each in list_paid_for(session, payment_id)] == [7500, 7500]


def test_totals_add_up_even_if_too_much_is_paid(cast: Cast, session: Session) -> None:
    record_payment(lee(session), payment_for(cast, 8000, IVY))
    totals = add_up(list_association_fees(session, BOOKS, PAYING, days_at(BOOKS, NOW)))
    assert (totals.due, totals.paid, totals.owed, totals.overpaid) == (15000, 8000, 7500, 500)


def test_payment_accepts_a_submitted_renewal_that_lacked_only_the_fee(
    cast: Cast, session: Session
) -> None:
    submit(cast, session, IVY)
    assert status_of(cast, session, IVY) == "open"
    record_payment(lee(session), payment_for(cast, 7500, IVY))
    assert status_of(cast, session, IVY) == "met"
    found = session.connection().exec_driver_sql("SELECT state FROM submission")
    assert found.scalars().all() == ["accepted"]


def test_overdue_renewal_that_was_submitted_is_one_cause(cast: Cast, session: Session) -> None:
    submit(cast, session, IVY)
    overdue = datetime(2027, 1, 10, 18, tzinfo=UTC)
    evaluate_people(session, BOOKS, cast.people.values(), overdue)
    causes = list_attention(session, BOOKS, PAYING, overdue)
    assert [(cause.name, cause.kind) for cause in causes] == [
        ("Jon Petersen", AttentionKind.OVERDUE),
        ("Ivy Okafor", AttentionKind.SUBMISSION),
    ]


def test_a_payment_alone_does_not_undo_a_failed_audit(cast: Cast, session: Session) -> None:
    submit(cast, session, IVY)
    [renewal] = list_unaccepted(session, PAYING)
    assert renewal.lacks_only_fee
    assert not renewal._replace(failed_case_id=7).lacks_only_fee


def test_same_form_is_saved_once(cast: Cast, session: Session) -> None:
    assert pay_for_both(session, cast) == pay_for_both(session, cast)


def test_removed_payment_counts_for_nobody(cast: Cast, session: Session) -> None:
    payment_id = pay_for_both(session, cast)
    remove_payment(lee(session), payment_id, "The check was returned")
    assert {state for state, _ in states(session).values()} == {FeeState.OPEN}
    with pytest.raises(Refused, match="payment-removed-already"):
        remove_payment(lee(session), payment_id, "Again")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_cents": 14999}, "payment-shares-exceed"),
        ({"paid_on": NOW.date() + timedelta(days=1)}, "payment-in-future"),
        ({"payer": ""}, "payer-missing"),
        ({"shares": ()}, "payment-for-nobody"),
        ({"amount_cents": 0}, "payment-of-nothing"),
    ],
)
def test_wrong_payment_is_refused(
    cast: Cast, session: Session, changes: dict[str, object], code: str
) -> None:
    wrong = replace(payment_for(cast, 7500, IVY, JON), **changes)  # type: ignore[arg-type]
    with pytest.raises(Refused, match=code):
        record_payment(lee(session), wrong)


def test_payment_of_today_is_fine(cast: Cast, session: Session) -> None:
    today = replace(payment_for(cast, 7500, IVY), paid_on=NOW.date())
    assert record_payment(lee(session), today)


def test_renewal_of_another_association_can_not_be_paid(cast: Cast, session: Session) -> None:
    foreign = payment_for(cast, 7500, IVY)
    share = replace(foreign.shares[0], endorsement_id=cast.endorsements["alice@example.org"])
    with pytest.raises(NotFound):
        record_payment(lee(session), replace(foreign, shares=(share,)))
    other = ServiceContext(session, BOOKS, Actor("dan@example.org", None, ("CT-AIMH",)), NOW)
    with pytest.raises(NotFound):
        record_payment(other, foreign)


def test_database_refuses_shares_beyond_their_payment(cast: Cast, session: Session) -> None:
    payment_id = record_payment(lee(session), payment_for(cast, 7500, IVY))
    held = cast.endorsements[JON]
    share = PaymentShare(
        payment_id=payment_id, endorsement_id=held, cycle_starts_on=CYCLE, fee="renewal", cents=1
    )
    session.add(share)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.flush()


def test_payment_for_many_is_undone_as_one(cast: Cast, session: Session) -> None:
    people = frozenset({cast.people[IVY], cast.people[JON]})

    def work(context: ServiceContext) -> None:
        record_payment(context, payment_for(cast, 7500, IVY, JON))

    plan = ChangePlan(PAYING, "Record a payment", people, ("payment", "payment_share"), work)
    change = apply_change(lee(session), plan)
    assert {state for state, _ in states(session).values()} == {FeeState.PAID}
    records = undo_change(lee(session), change.id)
    assert [each.outcome for each in records] == ["reversed", "reversed"]
    assert {state for state, _ in states(session).values()} == {FeeState.OPEN}
    rows = session.connection().exec_driver_sql("SELECT id FROM payment").all()
    assert rows == []


@pytest.mark.parametrize(("day", "owed"), [(date(2026, 12, 31), 7500), (date(2027, 1, 1), 10000)])
def test_fee_is_late_on_the_day_after_the_due_date(session: Session, day: date, owed: int) -> None:
    lines = list_association_fees(session, BOOKS, PAYING, lambda _: day)
    assert {line.owed for line in lines if line.cycle_starts_on == CYCLE} == {owed}


def list_cycles(
    session: Session, day: date, period: FeePeriod | None = None
) -> list[tuple[str, int, str]]:
    lines = list_association_fees(session, BOOKS, PAYING, lambda _: day, period)
    return [(line.name[:3], line.cycle_starts_on.year, str(line.state)) for line in lines]


def test_fee_of_a_lapsed_renewal_is_owed_and_can_be_paid(cast: Cast, session: Session) -> None:
    lapsed = datetime(2027, 2, 10, 18, tzinfo=UTC)
    assert ("Ivy", 2026, "lapsed") in list_cycles(session, date(2027, 2, 10))
    late = replace(payment_for(cast, 10000, IVY), paid_on=date(2027, 2, 9))
    record_payment(lee(session, lapsed), late)
    assert ("Ivy", 2026, "paid") in list_cycles(session, date(2027, 2, 10))


def test_lapsed_renewal_owes_nothing_once_the_endorsement_ended(
    cast: Cast, session: Session
) -> None:
    held = session.get_one(Endorsement, cast.endorsements[IVY])
    held.ends_on = date(2027, 2, 5)
    session.add(held)
    session.flush()
    assert [name for name, *_ in list_cycles(session, date(2027, 2, 10))] == ["Jon", "Jon"]


def test_paid_fee_stays_listed_after_its_cycle(cast: Cast, session: Session) -> None:
    record_payment(lee(session), payment_for(cast, 7500, IVY))
    for day in (date(2027, 6, 1), date(2027, 12, 31)):
        assert ("Ivy", 2026, "paid") in list_cycles(session, day)
    later = date(2028, 1, 1)
    assert ("Ivy", 2026, "paid") not in list_cycles(session, later)
    assert ("Ivy", 2026, "paid") in list_cycles(session, later, FeePeriod(year=2026))
    assert ("Ivy", 2026, "paid") in list_cycles(session, date(2031, 1, 1), FeePeriod())


def test_years_of_fees_are_those_that_were_paid(cast: Cast, session: Session) -> None:
    record_payment(lee(session), payment_for(cast, 7500, IVY))
    lines = list_association_fees(session, BOOKS, PAYING, lambda _: date(2030, 3, 1))
    assert list_fee_years(session, BOOKS, PAYING, lines) == [2030, 2029, 2026]
