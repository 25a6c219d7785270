"""Audits belong to renewals, attested hours have a verdict, and draws can be discarded."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# An open audit of a submission that was returned goes on with the last submission of the renewal.
_MOVE_OPEN = """
    UPDATE audit_case SET submission_id = (
        SELECT MAX(later.id) FROM submission later, submission audited
        WHERE audited.id = audit_case.submission_id
        AND later.endorsement_id = audited.endorsement_id
        AND later.cycle_starts_on = audited.cycle_starts_on)
    WHERE state IN ('drawn', 'asked', 'sent', 'appealed')
    AND NOT EXISTS (
        SELECT 1 FROM audit_case other, submission theirs, submission audited
        WHERE audited.id = audit_case.submission_id AND theirs.id = other.submission_id
        AND other.id <> audit_case.id
        AND theirs.endorsement_id = audited.endorsement_id
        AND theirs.cycle_starts_on = audited.cycle_starts_on)
"""


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "audit_hours",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("requirement", sa.String(length=80), nullable=False),
        sa.Column("supported", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=254), nullable=False),
        sa.CheckConstraint("supported >= 0", name="audit_hours_supported"),
        sa.ForeignKeyConstraint(["case_id"], ["audit_case.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("case_id", "requirement", name="audit_hours_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_hours_endorsement_id", "audit_hours", ["endorsement_id"])
    with op.batch_alter_table("evidence", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.add_column(sa.Column("audit_case_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("requirement", sa.String(length=80), nullable=True))
        batch.create_foreign_key(
            "evidence_audit_case", "audit_case", ["audit_case_id"], ["id"], ondelete="SET NULL"
        )
    op.create_index("ix_evidence_audit_case_id", "evidence", ["audit_case_id"])
    # The column type that `Instant` has on this engine.
    kind = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    op.execute(f"ALTER TABLE audit_draw ADD COLUMN discarded_at {kind}")
    op.add_column("audit_draw", sa.Column("discarded_by", sa.String(length=254), nullable=True))
    op.add_column(
        "audit_draw", sa.Column("discarded_because", sa.String(length=500), nullable=True)
    )
    op.execute(_MOVE_OPEN)
