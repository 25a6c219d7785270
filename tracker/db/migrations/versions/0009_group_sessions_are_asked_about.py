"""Who was asked about a group session, by what name, when, and whether they were reminded."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_WHEN_LOGGED = (
    "UPDATE group_member SET asked_at = (SELECT s.logged_at FROM group_session s "
    "WHERE s.id = group_member.group_session_id)"
)


def upgrade() -> None:
    """Add the columns; existing members count as notified when the session was logged."""
    with op.batch_alter_table("group_member", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_WHEN_LOGGED)
    with op.batch_alter_table("group_member", schema=None) as batch_op:
        batch_op.alter_column("asked_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.create_index("group_member_email", ["email"], unique=False)
    with op.batch_alter_table("provider_span", schema=None) as batch_op:
        batch_op.create_index("provider_span_provider", ["provider_id", "ends_on"], unique=False)
