"""A change knows that it can't be undone anymore, as an import whose list was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_ENDED = """
    UPDATE desk_change SET undo_ended_at = made_at
    WHERE title LIKE 'Import %' AND NOT EXISTS (
        SELECT 1 FROM import_plan WHERE import_plan.change_id = desk_change.id
    )
"""


def upgrade() -> None:
    """Add the column, and set it for imports whose lists are gone."""
    op.add_column(
        "desk_change", sa.Column("undo_ended_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute(_ENDED)
