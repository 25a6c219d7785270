"""Endorsees can agree to be listed in a public registry."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has agreed to anything so far."""
    op.create_table(
        "registry_listing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=254), nullable=True),
        sa.Column("removal_reason", sa.String(length=500), nullable=True),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="registry_listing_withdrawn"
        ),
        sa.CheckConstraint(
            "removal_reason IS NULL OR withdrawn_at IS NOT NULL", name="registry_listing_removed"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "association", name="registry_listing_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("registry_listing_public", "registry_listing", ["association", "withdrawn_at"])
