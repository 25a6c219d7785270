"""Payments as they are recorded, removed, corrected, and listed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.support.cast import BOOKS, CAROL, LEE, NOW, PAYING, REMOVING, Cast
from tests.support.paying import (
    CYCLE,
    IVY,
    JON,
    PAID_ON,
    fill_with_ivy,
    lee,
    pay_for_both,
    payment_for,
)
from tests.support.removing import VIC, add_lapsed, rex
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.fees import (
    PaymentInput,
    ShareInput,
    correct_payment,
    count_payments,
    get_payment,
    list_paid_for,
    list_payments,
    record_payment,
    remove_payment,
)

LATER = NOW + timedelta(days=1)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    cast = fill_with_ivy(database_url)
    yield cast
    cast.engine.dispose()


def pay_for_vic(
    session: Session, cast: Cast, starts_on: date = date(2026, 3, 1), fee: str = "reinstatement"
) -> PaymentInput:
    """A payment of the reinstatement of Vic, who was removed on March 1."""
    if VIC not in cast.endorsements:
        add_lapsed(session, cast)
    share = ShareInput(cast.endorsements[VIC], starts_on, fee, 5000)
    return PaymentInput(REMOVING, PAID_ON, 5000, "Vic Soto", "", "", (share,), "v" * 32)


def refuse(context: ServiceContext, new: PaymentInput) -> list[tuple[str, str, dict[str, Any]]]:
    """The refusals of a payment: the field, the code, and the facts of each."""
    with pytest.raises(Refused) as refused:
        record_payment(context, new)
    return [(each.field, each.code, dict(each.facts)) for each in refused.value.refusals]


def list_audited(session: Session, table: str) -> list[tuple[str, Any, Any]]:
    """Who changed a table, and what there was before and after."""
    query = select(AuditEvent).where(AuditEvent.table_name == table).order_by(col(AuditEvent.id))
    return [
        (each.who, json.loads(each.before or "null"), json.loads(each.after or "null"))
        for each in session.exec(query)
    ]


def fee_outcomes(session: Session, cast: Cast) -> list[str]:
    """Whether the fees of Ivy and of Jon are paid, by their stored standings."""
    found = []
    for email in (IVY, JON):
        query = select(StandingRow.requirements).where(
            StandingRow.endorsement_id == cast.endorsements[email],
            StandingRow.cycle_starts_on == CYCLE,
        )
        results = {each["id"]: each for each in json.loads(session.exec(query).one())}
        found.append(results["fee"]["outcome"])
    return found


def test_payment_is_stored_as_it_was_recorded(cast: Cast, session: Session) -> None:
    new = replace(payment_for(cast, 7500, IVY, JON, amount=20000), note="By mail")
    payment_id = record_payment(lee(session), new)
    payment = get_payment(session, payment_id, [PAYING])
    assert (payment.association, payment.form_key) == (PAYING, new.form_key)
    assert (payment.paid_on, payment.amount_cents) == (PAID_ON, 20000)
    assert (payment.payer, payment.reference, payment.note) == ("Family Agency", "1001", "By mail")
    assert (payment.recorded_at, payment.recorded_by) == (NOW, LEE)
    shares = [each.share for each in list_paid_for(session, payment_id)]
    assert [(one.endorsement_id, one.cycle_starts_on, one.fee, one.cents) for one in shares] == [
        (cast.endorsements[email], CYCLE, "renewal", 7500) for email in (IVY, JON)
    ]


def test_payment_and_its_shares_are_in_the_audit_log(cast: Cast, session: Session) -> None:
    payment_id = record_payment(lee(session), payment_for(cast, 7500, IVY))
    payment = {"association": PAYING, "paid_on": "2026-11-18", "amount_cents": 7500}
    payment |= {"payer": "Family Agency", "reference": "1001", "removed_because": None}
    assert list_audited(session, "payment") == [(LEE, None, payment)]
    share: dict[str, Any] = {"payment_id": payment_id, "cents": 7500}
    share |= {"endorsement_id": cast.endorsements[IVY]}
    share |= {"cycle_starts_on": "2026-01-01", "fee": "renewal"}
    assert list_audited(session, "payment_share") == [(LEE, None, share)]
    remove_payment(lee(session), payment_id, "Bounced")
    removed = {**payment, "removed_because": "Bounced"}
    assert list_audited(session, "payment")[1:] == [(LEE, payment, removed)]


def test_removed_payment_says_who_when_and_why(cast: Cast, session: Session) -> None:
    payment_id = pay_for_both(session, cast)
    assert fee_outcomes(session, cast) == ["met", "met"]
    remove_payment(lee(session, LATER), payment_id, "Bounced")
    payment = get_payment(session, payment_id, [PAYING])
    assert (payment.removed_at, payment.removed_by) == (LATER, LEE)
    assert payment.removed_because == "Bounced"
    assert fee_outcomes(session, cast) == ["short", "short"]


def test_removing_needs_a_reason_and_happens_once(cast: Cast, session: Session) -> None:
    payment_id = pay_for_both(session, cast)
    with pytest.raises(Refused, match=r"^reason: reason-missing$"):
        remove_payment(lee(session), payment_id, "")
    remove_payment(lee(session), payment_id, "Bounced")
    with pytest.raises(Refused, match=r"^reason: text-too-long, reason: payment-removed-already$"):
        remove_payment(lee(session), payment_id, "x" * 501)


def test_payment_of_another_association_is_not_removed(cast: Cast, session: Session) -> None:
    payment_id = pay_for_both(session, cast)
    other = ServiceContext(session, BOOKS, Actor(LEE, None, (REMOVING,)), NOW)
    for context, number in ((other, payment_id), (lee(session), payment_id + 1)):
        with pytest.raises(NotFound):
            remove_payment(context, number, "Bounced")


def test_nobody_records_or_removes_their_own_payment(cast: Cast, session: Session) -> None:
    own = ServiceContext(session, BOOKS, Actor(IVY, cast.people[IVY], (PAYING,)), NOW)
    with pytest.raises(Refused, match="own-decision"):
        record_payment(own, payment_for(cast, 7500, IVY, JON))
    payment_id = pay_for_both(session, cast)
    with pytest.raises(Refused, match="own-decision"):
        remove_payment(own, payment_id, "Bounced")
    assert record_payment(own, payment_for(cast, 7500, JON)) != payment_id


def test_corrected_payment_is_recorded_anew(cast: Cast, session: Session) -> None:
    first = pay_for_both(session, cast)
    second = correct_payment(lee(session), first, payment_for(cast, 7500, IVY), "Only Ivy")
    assert get_payment(session, first, [PAYING]).removed_because == "Only Ivy"
    assert [each.person.name for each in list_paid_for(session, second)] == ["Ivy Okafor"]
    assert fee_outcomes(session, cast) == ["met", "short"]


def test_same_form_of_another_association_is_another_payment(cast: Cast, session: Session) -> None:
    first = record_payment(lee(session), payment_for(cast, 7500, IVY))
    key = payment_for(cast, 7500, IVY).form_key
    second = record_payment(rex(session), replace(pay_for_vic(session, cast), form_key=key))
    assert first != second


def test_a_form_that_was_saved_changes_nothing_again(cast: Cast, session: Session) -> None:
    first = pay_for_both(session, cast)
    again = replace(payment_for(cast, 7500, IVY, JON), amount_cents=0, payer="")
    assert record_payment(lee(session), again) == first
    other = replace(payment_for(cast, 100, IVY), form_key="x")
    assert record_payment(lee(session), other) != first


def test_operator_may_record_for_any_association(cast: Cast, session: Session) -> None:
    operator = ServiceContext(session, BOOKS, Actor("operator"), NOW)
    assert record_payment(operator, payment_for(cast, 7500, IVY))


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [
        ({"amount_cents": 7499}, [("amount", "payment-shares-exceed", {})]),
        ({"amount_cents": 7500}, []),
        (
            {"amount_cents": 0, "paid_on": date(2026, 11, 23), "payer": "", "shares": ()},
            [
                ("amount", "payment-of-nothing", {}),
                ("paid_on", "payment-in-future", {}),
                ("payer", "payer-missing", {}),
                ("shares", "payment-for-nobody", {}),
            ],
        ),
        (
            {"payer": "x" * 201, "reference": "x" * 201, "note": "x" * 501},
            [
                ("payer", "text-too-long", {"limit": 200}),
                ("reference", "text-too-long", {"limit": 200}),
                ("note", "text-too-long", {"limit": 500}),
            ],
        ),
        ({"payer": "x" * 200, "reference": "x" * 200, "note": "x" * 500}, []),
    ],
)
def test_payment_is_refused_with_every_reason(
    cast: Cast,
    session: Session,
    changes: dict[str, Any],
    refusals: list[tuple[str, str, dict[str, int]]],
) -> None:
    new = replace(payment_for(cast, 7500, IVY), **changes)
    if not refusals:
        assert record_payment(lee(session), new)
        return
    assert refuse(lee(session), new) == refusals
    assert count_payments(session, PAYING) == 0


def test_a_cent_is_a_payment(cast: Cast, session: Session) -> None:
    assert record_payment(lee(session), payment_for(cast, 1, IVY))


@pytest.mark.parametrize("cents", [0, -1])
def test_share_of_nothing_is_refused(cast: Cast, session: Session, cents: int) -> None:
    new = payment_for(cast, 7500, IVY, JON)
    nothing = replace(new, shares=(new.shares[0], replace(new.shares[1], cents=cents)))
    assert refuse(lee(session), nothing) == [("shares", "payment-for-nobody", {})]


def test_share_that_is_given_twice_is_refused(cast: Cast, session: Session) -> None:
    new = payment_for(cast, 7500, IVY, IVY)
    assert refuse(lee(session), new) == [("shares", "payment-share-twice", {})]


@pytest.mark.parametrize(
    "changes",
    [
        {"endorsement_id": 999},
        {"cycle_starts_on": date(2026, 1, 2)},
        {"cycle_starts_on": date(2020, 1, 1)},
        {"fee": "reinstatement"},
    ],
)
def test_fee_that_a_renewal_does_not_have_is_not_found(
    cast: Cast, session: Session, changes: dict[str, Any]
) -> None:
    new = payment_for(cast, 7500, JON, IVY)
    wrong = replace(new, shares=(new.shares[0], replace(new.shares[1], **changes)))
    with pytest.raises(NotFound):
        record_payment(lee(session), wrong)


def test_category_without_renewals_has_no_fee(cast: Cast, session: Session) -> None:
    held = Endorsement(
        person_id=cast.people[IVY], association="NCIMHA", category="IMHS", starts_on=CYCLE
    )
    session.add(held)
    session.flush()
    carol = ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)
    new = payment_for(cast, 7500, IVY)
    share = replace(new.shares[0], endorsement_id=held.id)
    with pytest.raises(NotFound):
        record_payment(carol, replace(new, association="NCIMHA", shares=(share,)))


def test_fee_of_another_association_is_not_found(cast: Cast, session: Session) -> None:
    foreign = replace(pay_for_vic(session, cast), association=PAYING)
    with pytest.raises(NotFound):
        record_payment(lee(session), foreign)


def test_fee_of_a_reinstatement_is_paid_after_the_removal(cast: Cast, session: Session) -> None:
    payment_id = record_payment(rex(session), pay_for_vic(session, cast))
    (paid,) = list_paid_for(session, payment_id)
    assert (paid.person.name, paid.category, paid.is_reinstatement) == ("Vic Soto", "IFS", True)
    assert paid.share.cents == 5000


@pytest.mark.parametrize(
    ("starts_on", "fee"),
    [
        (date(2026, 2, 28), "reinstatement"),
        (date(2026, 3, 2), "reinstatement"),
        (date(2026, 3, 1), "renewal"),
    ],
)
def test_reinstatement_has_its_own_day_and_fee(
    cast: Cast, session: Session, starts_on: date, fee: str
) -> None:
    with pytest.raises(NotFound):
        record_payment(rex(session), pay_for_vic(session, cast, starts_on=starts_on, fee=fee))


def test_endorsement_that_ended_otherwise_has_no_reinstatement(
    cast: Cast, session: Session
) -> None:
    new = pay_for_vic(session, cast)
    held = session.get_one(Endorsement, cast.endorsements[VIC])
    held.ended_as = None
    session.add(held)
    session.flush()
    with pytest.raises(NotFound):
        record_payment(rex(session), new)


def test_shares_are_listed_by_name(cast: Cast, session: Session) -> None:
    payment_id = record_payment(lee(session), payment_for(cast, 7500, JON, IVY))
    other = record_payment(lee(session), payment_for(cast, 100, JON))
    paid = list_paid_for(session, payment_id)
    assert [(each.person.name, each.category) for each in paid] == [
        ("Ivy Okafor", "IFS"),
        ("Jon Petersen", "IFS"),
    ]
    assert not any(each.is_reinstatement for each in paid)
    assert [each.share.cents for each in list_paid_for(session, other)] == [100]


def test_payments_are_listed_with_the_last_day_first(cast: Cast, session: Session) -> None:
    first = pay_for_both(session, cast)
    later = replace(payment_for(cast, 100, IVY, amount=300), form_key="z" * 32)
    second = record_payment(lee(session), later)
    early = replace(payment_for(cast, 200, IVY), paid_on=date(2026, 11, 1))
    third = record_payment(lee(session), early)
    record_payment(rex(session), pay_for_vic(session, cast))
    listed = list_payments(session, PAYING, limit=9)
    assert [(each.id, cents, count) for each, cents, count in listed] == [
        (second, 100, 1),
        (first, 15000, 2),
        (third, 200, 1),
    ]
    assert count_payments(session, PAYING) == 3
    page = list_payments(session, PAYING, skip=1, limit=1)
    assert [each.id for each, _, _ in page] == [first]


def test_payment_whose_shares_are_gone_is_listed(cast: Cast, session: Session) -> None:
    payment_id = record_payment(lee(session), payment_for(cast, 7500, IVY))
    (paid,) = list_paid_for(session, payment_id)
    session.delete(paid.share)
    session.flush()
    ((payment, cents, count),) = list_payments(session, PAYING, limit=9)
    assert (payment.id, cents, count) == (payment_id, 0, 0)


def test_payment_is_found_only_in_its_association(cast: Cast, session: Session) -> None:
    payment_id = pay_for_both(session, cast)
    assert get_payment(session, payment_id, [REMOVING, PAYING]).id == payment_id
    for number, associations in ((payment_id, [REMOVING]), (payment_id + 1, [PAYING])):
        with pytest.raises(NotFound):
            get_payment(session, number, associations)
