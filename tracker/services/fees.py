"""Fees of renewals, and payments of them, which are recorded and never charged.

A payment is for one person or, like that of an agency, for many. It is not changed: it is removed
with a reason, and recorded again if it was only wrong. Each record evaluates whom it touches, so
that a submitted renewal that lacked only its fee is accepted by itself.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from tracker.db.payments import Payment, PaymentShare
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.rules.fees import FeeAccount, PlannedFee, settle_fee
from tracker.rules.standing import Outcome, Standing, Status
from tracker.services.context import (
    MAX_NAME_LENGTH,
    MAX_TEXT_LENGTH,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.desk_access import check_association
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.payment_facts import Payments

# What a payment may touch, referred tables first: it can complete a submitted renewal.
CHANGED_BY_PAYMENTS = ("payment", "payment_share", "submission", "settled_cycle")
_DAY = timedelta(days=1)
_AUDITED = {"association", "paid_on", "amount_cents", "payer", "reference", "removed_because"}
_AUDITED_SHARE = {"payment_id", "endorsement_id", "cycle_starts_on", "fee", "cents"}
_FREED = {Outcome.WAIVED, Outcome.EXCUSED}


class FeeState(StrEnum):
    """Where one fee stands: nothing is late yet, or it is late, paid, or waived.

    `LAPSED`: the renewal lapsed before it was paid.
    """

    OPEN = "open"
    LATE = "late"
    LAPSED = "lapsed"
    PAID = "paid"
    WAIVED = "waived"


class FeeLine(NamedTuple):
    """One fee of one renewal, and what was paid of it; amounts are in cents.

    ``due_on`` is the due date of the renewal in force, ``owed`` what is left to pay. The "cycle" of
    a reinstatement begins on the day of the removal, and ends with the last day to ask for it.
    """

    person_id: int
    name: str
    endorsement_id: int
    association: str
    category: str
    cycle_starts_on: date
    cycle_ends_on: date
    due_on: date
    fee: PlannedFee
    account: FeeAccount
    state: FeeState
    currency: str
    is_reinstatement: bool = False

    @property
    def due(self) -> int:
        """What has to be paid in all; 0 if the fee was waived."""
        return 0 if self.state is FeeState.WAIVED else self.account.due

    @property
    def owed(self) -> int:
        """What is left to pay."""
        return 0 if self.state is FeeState.WAIVED else self.account.owed

    @property
    def year(self) -> int:
        """The year to which it belongs: that of the cycle's last day, or that of the removal."""
        return (self.cycle_starts_on if self.is_reinstatement else self.cycle_ends_on).year

    @property
    def key(self) -> str:
        """Names the renewal and the fee in a form."""
        return _name_fee(self.endorsement_id, self.cycle_starts_on, self.fee.id)


class FeeTotals(NamedTuple):
    """The sums of lines, in cents: ``due + overpaid == paid + owed``."""

    due: int
    paid: int
    owed: int

    @property
    def overpaid(self) -> int:
        """What was paid beyond what was due."""
        return self.paid + self.owed - self.due


@dataclass(frozen=True, slots=True)
class ShareInput:
    """How many cents of a payment are for one fee of one renewal."""

    endorsement_id: int
    cycle_starts_on: date
    fee: str
    cents: int


@dataclass(frozen=True, slots=True)
class PaymentInput:
    """A payment as it is recorded; a form that is sent twice has the same ``form_key``."""

    association: str
    paid_on: date
    amount_cents: int
    payer: str
    reference: str
    note: str
    shares: tuple[ShareInput, ...]
    form_key: str


class PaidFor(NamedTuple):
    """One share of a payment, and whose it is."""

    share: PaymentShare
    person: Person
    category: str
    is_reinstatement: bool


def _name_fee(endorsement_id: int, cycle_starts_on: date, fee: str) -> str:
    return f"{endorsement_id}.{cycle_starts_on}.{fee}"


def key_of_share(share: ShareInput | PaymentShare) -> str:
    """The key of the line that a share of a payment is for."""
    return _name_fee(share.endorsement_id, share.cycle_starts_on, share.fee)


def view_fees(standing: Standing, payments: Payments, today: date) -> Iterator[FeeLine]:
    """The fees of one renewal on a day.

    A renewal that lapsed without a payment owes none once its endorsement has ended.
    """
    plan, cycle, due_on = standing.plan, standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return
    facts = standing.facts
    freed = {r.requirement.rule.fee for r in standing.results if r.outcome in _FREED}
    has_lapsed = standing.status is Status.LAPSED
    has_ended = facts.ends_on is not None and facts.ends_on < today
    for fee in plan.fees:
        through = fee.on_time_through(due_on, cycle.grace_ends_on(cycle.due_on))
        paid = payments.get((facts.subject_id, cycle.starts_on), ())
        account = settle_fee(fee, through, paid, today)
        if has_lapsed and has_ended and not account.paid:
            continue
        yield FeeLine(
            facts.person_id,
            facts.name,
            facts.subject_id,
            plan.association,
            plan.category,
            cycle.starts_on,
            cycle.ends_on,
            due_on,
            fee,
            account,
            find_state(account, is_freed=fee.id in freed, has_lapsed=has_lapsed),
            plan.rulebook.currency_code,
        )


def find_state(account: FeeAccount, *, is_freed: bool, has_lapsed: bool = False) -> FeeState:
    """Where a fee stands; ``is_freed``: it need not be paid."""
    if account.is_paid:
        return FeeState.PAID
    if is_freed:
        return FeeState.WAIVED
    if has_lapsed:
        return FeeState.LAPSED
    return FeeState.LATE if account.is_late else FeeState.OPEN


def add_up(lines: Sequence[FeeLine]) -> FeeTotals:
    """The sums of lines."""
    return FeeTotals(
        sum(line.due for line in lines),
        sum(line.account.paid for line in lines),
        sum(line.owed for line in lines),
    )


def record_payment(context: ServiceContext, new: PaymentInput) -> int:
    """Record a payment and return its id; the same form gives the same payment.

    Raises NotFound for another association or a renewal that has no such fee, and Refused with
    every reason why it can't be recorded.
    """
    check_association(context.actor, new.association)
    session = context.session
    if (saved := _find_saved(session, new)) is not None:
        return saved
    people = _find_people(context, new)
    # Of two requests with one form, the second one finds what the first one saved.
    if (saved := _find_saved(session, new)) is not None:
        return saved
    if refusals := _check_payment(context, new):
        raise Refused(*refusals)
    payment = Payment(
        association=new.association,
        form_key=new.form_key,
        paid_on=new.paid_on,
        amount_cents=new.amount_cents,
        payer=new.payer,
        reference=new.reference,
        note=new.note,
        recorded_at=context.now,
        recorded_by=context.actor.label,
    )
    context.create_row(payment, _AUDITED)
    for share in new.shares:
        row = PaymentShare(
            payment_id=payment.id,
            endorsement_id=share.endorsement_id,
            cycle_starts_on=share.cycle_starts_on,
            fee=share.fee,
            cents=share.cents,
        )
        context.create_row(row, _AUDITED_SHARE)
    evaluate_people(session, context.rulebooks, people, context.now)
    return payment.id


def remove_payment(context: ServiceContext, payment_id: int, reason: str) -> None:
    """Remove a payment: it counts for nobody any more, and stays readable with the reason.

    Raises NotFound for another association's, and Refused without a reason or if it was removed.
    """
    payment = get_payment(context.session, payment_id, context.associations)
    people = {each.person.id for each in list_paid_for(context.session, payment_id)}
    for person_id in sorted(people):
        require_other_person(context, person_id)
        lock_person(context.session, person_id)
    context.session.refresh(payment)
    refusals = check_text("reason", reason)
    if payment.removed_at is not None:
        refusals.append(Refusal("reason", "payment-removed-already"))
    if refusals:
        raise Refused(*refusals)
    context.update_row(
        payment,
        _AUDITED,
        removed_at=context.now,
        removed_by=context.actor.label,
        removed_because=reason,
    )
    evaluate_people(context.session, context.rulebooks, people, context.now)


def correct_payment(
    context: ServiceContext, payment_id: int, new: PaymentInput, reason: str
) -> int:
    """Remove a payment and record it as it should be; the new id. Raises as both do."""
    remove_payment(context, payment_id, reason)
    return record_payment(context, new)


def get_payment(session: Session, payment_id: int, associations: Collection[str]) -> Payment:
    """A payment of one of ``associations``. Raises NotFound for any other."""
    payment = session.get(Payment, payment_id)
    if payment is None or payment.association not in associations:
        raise NotFound
    return payment


def list_paid_for(session: Session, payment_id: int) -> list[PaidFor]:
    """The shares of a payment by name."""
    query = (
        select(PaymentShare, Person, Endorsement)
        .join(Endorsement, col(Endorsement.id) == PaymentShare.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(PaymentShare.payment_id == payment_id)
        .order_by(Person.name, col(PaymentShare.id))
    )
    return [
        PaidFor(share, person, held.category, _is_back(held, share.cycle_starts_on))
        for share, person, held in session.exec(query)
    ]


def list_payments(
    session: Session, association: str, *, skip: int = 0, limit: int
) -> Sequence[tuple[Payment, int, int]]:
    """Payments, the last one first: each with what its shares come to, and how many they are."""
    query = (
        select(
            Payment,
            func.coalesce(func.sum(PaymentShare.cents), 0),
            func.count(col(PaymentShare.id)),
        )
        .outerjoin(PaymentShare, col(PaymentShare.payment_id) == col(Payment.id))
        .where(Payment.association == association)
        .group_by(col(Payment.id))
        .order_by(col(Payment.paid_on).desc(), col(Payment.id).desc())
    )
    return session.exec(query.offset(skip).limit(limit)).all()


def count_payments(session: Session, association: str) -> int:
    """How many payments `list_payments` has in all."""
    return session.exec(select(func.count()).where(Payment.association == association)).one()


def _find_saved(session: Session, new: PaymentInput) -> int | None:
    """What the same form was saved as before."""
    query = select(Payment.id).where(
        Payment.association == new.association, Payment.form_key == new.form_key
    )
    return session.exec(query).first()


def _find_people(context: ServiceContext, new: PaymentInput) -> set[int]:
    """The people a payment is for, each locked. Raises NotFound for a fee that they do not have."""
    ids = {share.endorsement_id for share in new.shares}
    query = select(Endorsement).where(
        col(Endorsement.id).in_(ids), Endorsement.association == new.association
    )
    held = {each.id: each for each in context.session.exec(query)}
    if any(not _has_fee(context, held.get(share.endorsement_id), share) for share in new.shares):
        raise NotFound
    people = {each.person_id for each in held.values()}
    for person_id in sorted(people):
        require_other_person(context, person_id)
        lock_person(context.session, person_id)
    return people


def _is_back(held: Endorsement, cycle_starts_on: date) -> bool:
    """Whether a "cycle" is that of a reinstatement: it begins on the day of the removal."""
    return held.ended_as == REMOVED and held.ends_on == cycle_starts_on - _DAY


def _has_fee(context: ServiceContext, held: Endorsement | None, share: ShareInput) -> bool:
    """Whether a renewal of an endorsement has a fee."""
    if held is None:
        return False
    if _is_back(held, share.cycle_starts_on):
        rulebook = context.rulebooks.associations[held.association]
        return share.fee in {fee.id for fee in rulebook.fees_of(held.category, "reinstatement")}
    triple = (held.association, held.category, held.starts_on)
    plan = context.rulebooks.plan(*triple, share.cycle_starts_on)
    cycle = plan.cycle if plan else None
    if plan is None or cycle is None or cycle.starts_on != share.cycle_starts_on:
        return False
    return share.fee in {fee.id for fee in plan.fees}


def _check_payment(context: ServiceContext, new: PaymentInput) -> list[Refusal]:
    """Every reason why a payment can't be recorded."""
    refusals = []
    if new.amount_cents <= 0:
        refusals.append(Refusal("amount", "payment-of-nothing"))
    if new.paid_on > days_at(context.rulebooks, context.now)(new.association):
        refusals.append(Refusal("paid_on", "payment-in-future"))
    if not new.payer:
        refusals.append(Refusal("payer", "payer-missing"))
    lengths = {"payer": MAX_NAME_LENGTH, "reference": MAX_NAME_LENGTH, "note": MAX_TEXT_LENGTH}
    for field, limit in lengths.items():
        if len(getattr(new, field)) > limit:
            refusals.append(Refusal(field, "text-too-long", {"limit": limit}))
    return refusals + _check_shares(new)


def _check_shares(new: PaymentInput) -> list[Refusal]:
    if not new.shares or any(share.cents <= 0 for share in new.shares):
        return [Refusal("shares", "payment-for-nobody")]
    keys = {(one.endorsement_id, one.cycle_starts_on, one.fee) for one in new.shares}
    if len(keys) < len(new.shares):
        return [Refusal("shares", "payment-share-twice")]
    if sum(share.cents for share in new.shares) > new.amount_cents:
        return [Refusal("amount", "payment-shares-exceed")]
    return []
