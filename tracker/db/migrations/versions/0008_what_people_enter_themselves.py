"""Who recorded a membership term, and when somebody confirmed their second address."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns; what was imported has neither."""
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.add_column(sa.Column("recorded_by", sa.String(length=254), nullable=True))
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("second_email_confirmed_at", sa.DateTime(timezone=True), nullable=True)
        )
