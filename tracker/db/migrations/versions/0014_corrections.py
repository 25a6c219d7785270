"""Memberships without a last day, rows that were removed, and addresses that people had before."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a membership have no last day, and create the two tables."""
    kept = {"sqlite_autoincrement": True}
    with op.batch_alter_table("membership", table_kwargs=kept) as batch:
        batch.alter_column("ends_on", existing_type=sa.Date(), nullable=True)
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "removal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("removed_at", instant, nullable=False),
        sa.Column("removed_by", sa.String(length=254), nullable=False),
        sa.Column("undone_at", instant, nullable=True),
        sa.Column("undone_by", sa.String(length=254), nullable=True),
        sa.Column("content", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_removal_person_id", "removal", ["person_id"])
    op.create_table(
        "former_email",
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("changed_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("email"),
    )
    op.create_index("ix_former_email_person_id", "former_email", ["person_id"])
