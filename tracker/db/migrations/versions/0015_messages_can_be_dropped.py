"""Messages that were dropped or bounced, and the reason why an application was declined."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_STATE = "state IN ('waiting', 'sending', 'sent', 'failed', 'dropped')"


def upgrade() -> None:
    """Allow the state, and add both columns: until now, only the error told who refused."""
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_constraint("outbox_state", type_="check")
        batch_op.create_check_constraint("outbox_state", _STATE)
        batch_op.add_column(sa.Column("bounced", sa.Boolean(), nullable=True))
    # RCPT and MAIL were both the "envelope". A refusal of our own sender was rare.
    op.execute(
        "UPDATE outbox SET bounced = (last_error LIKE 'envelope: 5%') WHERE state = 'failed'"
    )
    with op.batch_alter_table("application", schema=None) as batch_op:
        batch_op.add_column(sa.Column("answer", sa.String(length=500), nullable=True))
