"""How an endorsement ended, and whether an application asks for a reinstatement."""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns in place: other tables and triggers refer to both tables."""
    op.execute(
        "ALTER TABLE endorsement ADD COLUMN ended_as VARCHAR(10) "
        "CONSTRAINT endorsement_ended_as CHECK (ended_as IN ('removed'))"
    )
    op.execute(
        "ALTER TABLE application ADD COLUMN purpose VARCHAR(20) DEFAULT 'application' NOT NULL "
        "CONSTRAINT application_purpose CHECK (purpose IN ('application', 'reinstatement'))"
    )
