"""What coordinators write to people: mailings, and what became of each for whom."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "mailing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("template", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("audience", sa.String(length=300), nullable=False),
        sa.Column("person_ids", sa.String(), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("sender_name", sa.String(length=200), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_on", sa.Date(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_by", sa.String(length=254), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'sent', 'stopped')", name="mailing_state"),
        sa.CheckConstraint("(state = 'draft') = (sent_at IS NULL)", name="mailing_sent_at"),
        sa.CheckConstraint("(sent_on IS NULL) = (sent_at IS NULL)", name="mailing_sent_on"),
        sa.CheckConstraint(
            "(state = 'stopped') = (stopped_at IS NOT NULL)", name="mailing_stopped"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("form_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("mailing_list", "mailing", ["association", "state", "id"])
    op.create_table(
        "mailing_recipient",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailing_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("message_id", sa.String(length=200), nullable=True),
        sa.Column("content", sa.String(), nullable=True),
        sa.CheckConstraint("outcome IN ('sent', 'skipped')", name="mailing_recipient_outcome"),
        sa.CheckConstraint(
            "(outcome = 'sent') = (message_id IS NOT NULL)", name="mailing_recipient_message"
        ),
        sa.CheckConstraint(
            "(outcome = 'skipped') = (reason IS NOT NULL)", name="mailing_recipient_reason"
        ),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    for column in ("mailing_id", "person_id", "message_id"):
        op.create_index(f"ix_mailing_recipient_{column}", "mailing_recipient", [column])
