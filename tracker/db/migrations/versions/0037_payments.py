"""Fees that are paid for renewals."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_MESSAGE = "the shares come to more than the payment"
_TOO_MUCH = """(SELECT COALESCE(SUM(s.cents), 0) FROM payment_share s
    WHERE s.payment_id = NEW.payment_id AND s.id <> NEW.id) + NEW.cents
    > (SELECT p.amount_cents FROM payment p WHERE p.id = NEW.payment_id)"""
_TOO_LITTLE = """(SELECT COALESCE(SUM(s.cents), 0) FROM payment_share s
    WHERE s.payment_id = NEW.id) > NEW.amount_cents"""
# SQLite knows the id of a new row only once it is there.
_TRIGGERS = {
    "payment_share_added": ("INSERT", "payment_share", _TOO_MUCH),
    "payment_share_changed": ("UPDATE OF cents, payment_id", "payment_share", _TOO_MUCH),
    "payment_changed": ("UPDATE OF amount_cents", "payment", _TOO_LITTLE),
}


def upgrade() -> None:
    """Add the tables and the triggers."""
    op.create_table(
        "payment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("payer", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=254), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.String(length=254), nullable=True),
        sa.Column("removed_because", sa.String(length=500), nullable=True),
        sa.CheckConstraint("amount_cents > 0", name="payment_of_some_money"),
        sa.CheckConstraint(
            "(removed_at IS NULL) = (removed_because IS NULL)", name="payment_removed"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("association", "form_key", name="payment_saved_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "payment_share",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.Integer(), nullable=False),
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("cycle_starts_on", sa.Date(), nullable=False),
        sa.Column("fee", sa.String(length=40), nullable=False),
        sa.Column("cents", sa.Integer(), nullable=False),
        sa.CheckConstraint("cents > 0", name="payment_share_of_some_money"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"]),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "payment_id", "endorsement_id", "cycle_starts_on", "fee", name="payment_share_once"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "payment_share_of_renewal", "payment_share", ["endorsement_id", "cycle_starts_on"]
    )
    create_triggers(op.get_bind())


def create_triggers(connection: sa.Connection) -> None:
    """Create the triggers; a migration that rebuilds one of the tables has to do it again."""
    for name, (event, table, condition) in _TRIGGERS.items():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
            )
            continue
        # The conditions have queries, which PostgreSQL allows only within a function.
        connection.exec_driver_sql(
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF {condition} THEN
                    RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
            END $$"""
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
