"""The index of providers' qualified days has all that an evaluation reads of them."""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index anew, with more columns."""
    op.drop_index("provider_span_provider", "provider_span")
    op.create_index(
        "provider_span_provider", "provider_span", ["provider_id", "rule", "starts_on", "ends_on"]
    )
