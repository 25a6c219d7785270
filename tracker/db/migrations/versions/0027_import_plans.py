"""Imports that are planned, applied, and undone, and what an association's lists mean."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_STATES = (
    "'mapping', 'planning', 'planned', 'applying', 'applied', 'undoing', 'undone', 'discarded'"
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "import_plan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=254), nullable=False),
        sa.Column("files", sa.String(), nullable=False),
        sa.Column("mapping", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("sheets", sa.LargeBinary(), nullable=True),
        sa.Column("change_id", sa.Integer(), nullable=True),
        sa.Column("remembered", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(f"state IN ({_STATES})", name="import_plan_state"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("import_plan_association", "import_plan", ["association", "id"])
    op.create_index("import_plan_state_index", "import_plan", ["state"])
    op.create_table(
        "import_plan_row",
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("file", sa.String(length=300), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("cells", sa.String(), nullable=False),
        sa.Column("changes", sa.String(), nullable=False),
        sa.Column("undone", sa.String(length=300), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('added', 'changed', 'unchanged', 'refused')", name="import_row_outcome"
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["import_plan.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("plan_id", "number"),
    )
    op.create_index("import_plan_row_outcome", "import_plan_row", ["plan_id", "outcome", "number"])
    op.create_table(
        "import_memory",
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=60), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("meaning", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("association", "topic", "source"),
    )
