"""Memberships without a last day."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow it."""
    kept = {"sqlite_autoincrement": True}
    with op.batch_alter_table("membership", table_kwargs=kept) as batch:
        batch.alter_column("ends_on", existing_type=sa.Date(), nullable=True)
