"""Every standing that is stored is kept, with the day since when."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is stored was so on the day of its last evaluation, and maybe before."""
    op.create_table(
        "standing_history",
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("cycle_starts_on", sa.Date(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("requirements", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("endorsement_id", "cycle_starts_on", "since"),
    )
    op.execute(
        """INSERT INTO standing_history
            (endorsement_id, cycle_starts_on, since, status, due_on, requirements)
        SELECT endorsement_id, cycle_starts_on, judged_on, status, due_on, requirements
        FROM standing"""
    )
