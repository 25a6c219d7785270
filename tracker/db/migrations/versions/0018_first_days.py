"""The first day of each association in this system, and employers that tell jobs apart."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Standings stay as they are: all records of these associations count, as before.
_KEPT = """
    INSERT INTO association_start (association, is_chosen, reason, set_at, set_by)
    SELECT DISTINCT association, {false}, 'as before the upgrade', CURRENT_TIMESTAMP,
        'tracker migrate'
    FROM endorsement ORDER BY association
"""
_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'position'"


def upgrade() -> None:
    """Create the table and the column.

    Associations that are here already have all records, as before.
    """
    op.create_table(
        "association_start",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("is_chosen", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("association"),
        sqlite_autoincrement=True,
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(_KEPT.format(false="0" if is_sqlite else "false"))
    _add_employers(op.get_bind(), is_sqlite=is_sqlite)


def _add_employers(connection: sa.Connection, *, is_sqlite: bool) -> None:
    """Let a person have two jobs with one title and first day; SQLite gives no id twice."""
    last_id = connection.exec_driver_sql(_LAST_ID).scalar() if is_sqlite else None
    kept = {"sqlite_autoincrement": True}
    # The key was made without a name. PostgreSQL gave it this one, and SQLite none.
    key = "position_person_id_title_starts_on_key"
    names = {"uq": key}
    with op.batch_alter_table("position", table_kwargs=kept, naming_convention=names) as batch:
        employer = sa.Column("employer", sa.String(length=200), nullable=False, server_default="")
        batch.add_column(employer)
        batch.drop_constraint(key, type_="unique")
        columns = ["person_id", "title", "starts_on", "employer"]
        batch.create_unique_constraint("position_once", columns)
    with op.batch_alter_table("position", table_kwargs=kept) as batch:
        batch.alter_column("employer", existing_type=sa.String(length=200), server_default=None)
    if last_id is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'position'")
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('position', ?)", (last_id,))
