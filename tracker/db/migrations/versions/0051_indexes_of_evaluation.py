"""Two indexes have what an evaluation looks for, in the order in which it does."""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

_INDEXES = {
    "provider_span": ("provider_span_provider", ["provider_id", "rule", "starts_on", "ends_on"]),
    "endorsement": ("endorsement_window", ["association", "starts_on", "category"]),
}


def upgrade() -> None:
    """Make the indexes anew, with other columns."""
    for table, (index, columns) in _INDEXES.items():
        op.drop_index(index, table)
        op.create_index(index, table, columns)
