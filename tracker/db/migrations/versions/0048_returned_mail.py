"""Mail that came back: what was read, and which addresses do not work and why."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_OUTCOMES = (
    "outcome IN ('hard', 'soft', 'delayed', 'complaint', 'no bounce', 'refused', 'not understood')"
)


def upgrade() -> None:
    """Add columns in place, and the tables; a refused address keeps its reason."""
    instant = sa.DateTime(timezone=True)
    op.add_column("person", sa.Column("email_refused_reason", sa.String(500), nullable=True))
    op.add_column("person", sa.Column("dead_second_email", sa.String(254), nullable=True))
    op.execute(
        "UPDATE person SET email_refused_reason = (SELECT o.last_error FROM outbox o "
        "WHERE o.id = (SELECT max(f.id) FROM outbox f WHERE f.person_id = person.id "
        "AND lower(f.recipient) = person.email AND f.state = 'failed' AND f.bounced)) "
        "WHERE email_refused_at IS NOT NULL"
    )
    op.create_table(
        "returned_mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=True),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("recipient", sa.String(254), nullable=True),
        sa.Column("status", sa.String(20), nullable=True),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("read_at", instant, nullable=False),
        sa.CheckConstraint(_OUTCOMES, name="returned_mail_outcome"),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("returned_mail_message", "returned_mail", ["outbox_id", "outcome"], unique=True)
    op.create_index("returned_mail_recipient", "returned_mail", ["recipient"])
    op.create_index("returned_mail_read_at", "returned_mail", ["read_at"])
    op.create_index(op.f("ix_returned_mail_person_id"), "returned_mail", ["person_id"])
    op.create_table(
        "mailbox_read",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tried_at", instant, nullable=False),
        sa.Column("read_at", instant, nullable=True),
        sa.Column("error", sa.String(500), nullable=True),
        sa.Column("unclear", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="mailbox_read_once"),
        sa.PrimaryKeyConstraint("id"),
    )
