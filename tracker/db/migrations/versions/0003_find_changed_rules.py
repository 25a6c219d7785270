"""An index that tells whether the rulebooks have changed since the standings were judged."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index; revision 0002 dropped the standings, so have the next run judge all."""
    with op.batch_alter_table("standing", schema=None) as batch_op:
        batch_op.create_index("standing_rules", ["association", "rules_digest"], unique=False)
    op.execute("DELETE FROM run_ledger WHERE job = 'evaluate'")
