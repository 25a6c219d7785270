"""Teams of associations, and the second factor."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the column that says when a session had its second factor."""
    op.create_table(
        "team_role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=254), nullable=False),
        sa.CheckConstraint("email = lower(email)", name="team_role_email_lower"),
        sa.CheckConstraint(
            "role IN ('coordinator', 'reviewer', 'treasurer', 'viewer')", name="team_role_role"
        ),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="team_role_ends"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("association", "email", "role", "starts_on"),
        sqlite_autoincrement=True,
    )
    op.create_index("team_role_email", "team_role", ["email"])
    op.create_table(
        "team_setting",
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("requires_second_factor", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.String(length=4000), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("association"),
    )
    op.create_table(
        "second_factor",
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("recovery", sa.String(length=1000), nullable=False),
        sa.Column("wrong_codes", sa.Integer(), nullable=False),
        sa.Column("wrong_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("email"),
    )
    op.add_column("web_session", sa.Column("factor_at", sa.DateTime(timezone=True), nullable=True))
