"""The first day of each association in this system."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None

# Standings stay as they are: all records of these associations count, as before.
_KEPT = """
    INSERT INTO association_start (association, is_chosen, reason, set_at, set_by)
    SELECT DISTINCT association, {false}, 'as before the upgrade', CURRENT_TIMESTAMP,
        'tracker migrate'
    FROM endorsement ORDER BY association
"""


def upgrade() -> None:
    """Create the table; associations that are here already have all records, as before."""
    op.create_table(
        "association_start",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("is_chosen", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("association"),
        sqlite_autoincrement=True,
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(_KEPT.format(false="0" if is_sqlite else "false"))
