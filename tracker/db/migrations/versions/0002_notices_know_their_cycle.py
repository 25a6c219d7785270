"""Notices know their cycle, standings the end of the membership."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Fill the new columns of what is stored; standings are worked out anew by the next run."""
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cycle_starts_on", sa.Date(), nullable=True))
    # The cycle was not kept: a decision counts as one of the cycle that it was taken in.
    op.execute("UPDATE notice SET cycle_starts_on = due_on")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.alter_column("cycle_starts_on", existing_type=sa.Date(), nullable=False)

    with op.batch_alter_table("standing", schema=None) as batch_op:
        batch_op.add_column(sa.Column("membership_until", sa.Date(), nullable=True))
    op.execute("DELETE FROM standing")
