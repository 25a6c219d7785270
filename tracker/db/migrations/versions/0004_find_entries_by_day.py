"""Indexes that spare an evaluation its look for later entries, and into the memberships."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both."""
    op.create_index("entry_day", "entry", ["held_on"])
    op.create_index(
        "membership_facts", "membership", ["person_id", "ends_on", "starts_on", "organization"]
    )
