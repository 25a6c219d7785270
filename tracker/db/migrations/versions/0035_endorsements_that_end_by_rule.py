"""The last days of endorsements that end by the rules of their category."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; no rulebook had such a rule."""
    op.create_table(
        "endorsement_end",
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("endorsement_id"),
    )
