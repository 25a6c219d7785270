"""The tables of procrastinate 3.10.0, on PostgreSQL only, and how far imports have come."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "procrastinate_3_10_0.sql"


def upgrade() -> None:
    """Add the tables, with or without the package: a database may be migrated anywhere."""
    op.create_table(
        "import_progress",
        sa.Column("plan_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id"),
    )
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # By the driver itself: the file has many statements, and percent signs.
        connection.connection.cursor().execute(_SQL.read_text(encoding="utf-8"))
