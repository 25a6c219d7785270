"""References have ratings, from members of any association; decisions can be undone."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'reference'"


def upgrade() -> None:
    """Add the columns; on SQLite no id that was ever given to a reference is given again."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    last_id = connection.exec_driver_sql(_LAST_ID).scalar() if is_sqlite else None
    with op.batch_alter_table("reference", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column(
            "endorsed_by",
            existing_type=sa.String(length=40),
            type_=sa.String(length=200),
            existing_nullable=True,
        )
        batch.add_column(sa.Column("ratings", sa.String(), nullable=True))
    if last_id is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'reference'")
        connection.exec_driver_sql(
            "INSERT INTO sqlite_sequence VALUES ('reference', ?)", (last_id,)
        )
    op.add_column("removal", sa.Column("association", sa.String(length=40), nullable=True))
    op.add_column("removal", sa.Column("subject_id", sa.Integer(), nullable=True))
    op.create_index("removal_subject", "removal", ["kind", "subject_id"])
