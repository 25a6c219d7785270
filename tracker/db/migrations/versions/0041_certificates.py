"""Accepted renewals have certificates, which anyone can verify by their numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and the tries at numbers to the tries that are counted."""
    op.create_table(
        "certificate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endorsement_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=11), nullable=False),
        sa.Column("cycle_starts_on", sa.Date(), nullable=False),
        sa.Column("number", sa.String(length=19), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_through", sa.Date(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('endorsement', 'renewal')", name="certificate_kind"),
        sa.CheckConstraint("valid_from <= valid_through", name="certificate_days"),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint(
            "endorsement_id", "kind", "cycle_starts_on", "name", name="certificate_once"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "badge_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=43), nullable=False),
        sa.Column("public_key", sa.String(length=1000), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sign_in_try") as batch:
        batch.drop_constraint("sign_in_try_kind", type_="check")
        batch.create_check_constraint(
            "sign_in_try_kind", "kind IN ('ask', 'code', 'address', 'verify')"
        )
