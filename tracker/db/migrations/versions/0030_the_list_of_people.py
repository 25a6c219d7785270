"""Marks of people, saved filters, selections, and an index of providers known by name only."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the index."""
    op.create_table(
        "person_mark",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=40), nullable=False),
        sa.Column("marked_by", sa.String(length=254), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "association", "label", name="person_mark_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("person_mark_list", "person_mark", ["association", "label"])
    op.create_table(
        "saved_filter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=254), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("query", sa.String(length=2000), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "association", "name", name="saved_filter_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "people_selection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("selected_by", sa.String(length=254), nullable=False),
        sa.Column("selected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("people_selection_age", "people_selection", ["selected_at"])
    op.create_index(
        "entry_named_provider",
        "entry",
        ["person_id", "held_on", "provider_name"],
        sqlite_where=sa.text("provider_name IS NOT NULL"),
        postgresql_where=sa.text("provider_name IS NOT NULL"),
    )
