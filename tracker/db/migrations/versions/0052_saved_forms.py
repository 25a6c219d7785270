"""A change knows the form that saved it, so that a form sent twice is saved once."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; earlier changes have none."""
    op.add_column("desk_change", sa.Column("form", sa.String(length=64), nullable=True))
