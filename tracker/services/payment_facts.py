"""Reads what was paid of the fees of renewals, by one query."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import select
from sqlmodel import Session, col

from tracker.db.payments import Payment, PaymentShare
from tracker.rules.fees import PaidShare
from tracker.rules.plan import RenewalPlan

# What was paid, by endorsement and first day of the cycle, oldest first.
Payments = Mapping[tuple[int, date], Sequence[PaidShare]]


def read_payments(session: Session, ids: Sequence[int] | None) -> Payments:
    """What was paid for these endorsements (None: all)."""
    query = _PAYMENTS
    if ids is not None:
        query = query.where(col(PaymentShare.endorsement_id).in_(ids))
    found: defaultdict[tuple[int, date], list[PaidShare]] = defaultdict(list)
    for endorsement_id, cycle_starts_on, fee, on, cents in session.connection().execute(query):
        found[endorsement_id, cycle_starts_on].append(PaidShare(fee, on, cents))
    return dict(found)


def find_paid(
    plan: RenewalPlan, as_of: date, endorsement_id: int, payments: Payments
) -> tuple[PaidShare, ...]:
    """What was paid for a plan's cycle by a day."""
    cycle = plan.cycle
    own = payments.get((endorsement_id, cycle.starts_on), ()) if cycle else ()
    return tuple(paid for paid in own if paid.on <= as_of)


_PAYMENTS = (
    select(
        col(PaymentShare.endorsement_id),
        col(PaymentShare.cycle_starts_on),
        col(PaymentShare.fee),
        col(Payment.paid_on),
        col(PaymentShare.cents),
    )
    .join(Payment, col(Payment.id) == col(PaymentShare.payment_id))
    .where(col(Payment.removed_at).is_(None))
    .order_by(col(Payment.paid_on), col(PaymentShare.id))
)
