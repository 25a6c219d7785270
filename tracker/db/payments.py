"""The tables of payments: money that was received, and the renewals that it is for."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class Payment(SQLModel, table=True):
    """Money that an association received on one day, in cents; no card is processed here.

    ``payer`` is the name of the person or agency that paid, an agency for many people.
    A payment is never changed: it is removed with a reason (the columns ``removed_``) and, if it
    was only wrong, recorded again.
    """

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="payment_of_some_money"),
        CheckConstraint("(removed_at IS NULL) = (removed_because IS NULL)", name="payment_removed"),
        UniqueConstraint("association", "form_key", name="payment_saved_once"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    form_key: str = Field(max_length=64)
    paid_on: date
    amount_cents: int
    payer: str = Field(max_length=200)
    reference: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=500)
    recorded_at: datetime = Field(sa_type=Instant)
    recorded_by: str = Field(max_length=254)
    removed_at: datetime | None = Field(default=None, sa_type=Instant)
    removed_by: str | None = Field(default=None, max_length=254)
    removed_because: str | None = Field(default=None, max_length=500)


class PaymentShare(SQLModel, table=True):
    """The part of a payment that is for one fee of one renewal, in cents.

    A trigger refuses shares that come to more than their payment.
    """

    __tablename__ = "payment_share"
    __table_args__ = (
        CheckConstraint("cents > 0", name="payment_share_of_some_money"),
        UniqueConstraint(
            "payment_id", "endorsement_id", "cycle_starts_on", "fee", name="payment_share_once"
        ),
        Index("payment_share_of_renewal", "endorsement_id", "cycle_starts_on"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    payment_id: int = Field(foreign_key="payment.id")
    endorsement_id: int = Field(foreign_key="endorsement.id", ondelete="CASCADE")
    cycle_starts_on: date
    fee: str = Field(max_length=40)
    cents: int
