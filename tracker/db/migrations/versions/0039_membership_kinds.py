"""Memberships are of a kind: a person's own, or that of their agency."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_COLUMNS = ["person_id", "ends_on", "starts_on", "organization"]


def upgrade() -> None:
    """All memberships so far are individual; an evaluation finds the kind in its index."""
    op.drop_index("membership_facts", table_name="membership")
    kept = {"sqlite_autoincrement": True}
    kind = sa.Column("kind", sa.String(length=20), nullable=False, server_default="individual")
    with op.batch_alter_table("membership", table_kwargs=kept) as batch:
        batch.add_column(kind)
        batch.create_check_constraint("membership_kind", "kind IN ('individual', 'agency')")
    op.create_index("membership_facts", "membership", [*_COLUMNS, "kind"])
