"""Providers can take new supervisees; endorsements elsewhere and declined names are recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables. Nobody takes new supervisees until they say so."""
    instant = sa.DateTime(timezone=True)
    op.add_column("person", sa.Column("takes_supervisees_since", instant, nullable=True))
    op.add_column("person", sa.Column("provider_line", sa.String(length=200), nullable=True))
    op.create_table(
        "outside_endorsement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("known_to", sa.String(length=40), nullable=False),
        sa.Column("association", sa.String(length=100), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("recorded_by", sa.String(length=254), nullable=False),
        sa.CheckConstraint(
            "ends_on IS NULL OR ends_on >= starts_on", name="outside_endorsement_ends"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "known_to", "person_id", "association", "category", "starts_on", name="outside_once"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("outside_endorsement_person", "outside_endorsement", ["person_id"])
    op.create_table(
        "declined_provider",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("name_key", sa.String(length=400), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("declined_at", instant, nullable=False),
        sa.Column("declined_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("association", "name_key", name="declined_provider_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_declined_provider_person_id", "declined_provider", ["person_id"])
