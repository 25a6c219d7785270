"""Messages that were dropped before they left, because they were no longer true."""

from alembic import op

revision = "0015"
down_revision = "0012"
branch_labels = None
depends_on = None

_STATE = "state IN ('waiting', 'sending', 'sent', 'failed', 'dropped')"


def upgrade() -> None:
    """Allow the state."""
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_constraint("outbox_state", type_="check")
        batch_op.create_check_constraint("outbox_state", _STATE)
