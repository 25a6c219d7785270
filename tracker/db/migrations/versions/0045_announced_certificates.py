"""Whether the email about a renewal without a submission was queued."""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody gets an email about a certificate that was issued before."""
    # The column type that `Instant` has on this engine.
    kind = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    op.execute(f"ALTER TABLE certificate ADD COLUMN announced_at {kind}")
    op.execute("UPDATE certificate SET announced_at = issued_at")
