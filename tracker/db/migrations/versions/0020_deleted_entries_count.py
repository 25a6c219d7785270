"""Entries that people delete count towards the limit of a day."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was deleted before does not count: it is forgotten within a day anyway."""
    op.add_column("removal", sa.Column("logged_at", sa.DateTime(timezone=True), nullable=True))
