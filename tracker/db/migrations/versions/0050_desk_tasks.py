"""The desk's long work: how far it has come, and pieces of the files that it makes."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "desk_task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("about_id", sa.Integer(), nullable=False),
        sa.Column("arguments", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=254), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('working', 'done', 'failed', 'stopped')", name="desk_task_state"
        ),
        sa.CheckConstraint("(state = 'working') = (ended_at IS NULL)", name="desk_task_ended"),
        sa.CheckConstraint("done BETWEEN 0 AND total", name="desk_task_done"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("desk_task_list", "desk_task", ["association", "id"])
    op.create_index("desk_task_about", "desk_task", ["kind", "about_id"])
    op.create_index("desk_task_state_index", "desk_task", ["state"])
    op.create_table(
        "desk_task_piece",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["desk_task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "name", "number"),
    )
