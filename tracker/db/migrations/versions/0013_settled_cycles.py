"""Closed cycles keep what they came to."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. Cycles that closed before are judged by the records, as they were."""
    op.create_table(
        "settled_cycle",
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("cycle_starts_on", sa.Date(), nullable=False),
        sa.Column("settled_on", sa.Date(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("differs_since", sa.Date(), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopened_by", sa.String(length=254), nullable=True),
        sa.Column("reopening_reason", sa.String(length=500), nullable=True),
        sa.CheckConstraint(
            "(reopened_at IS NULL) = (reopened_by IS NULL)", name="settled_cycle_reopened"
        ),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("endorsement_id", "cycle_starts_on"),
    )
