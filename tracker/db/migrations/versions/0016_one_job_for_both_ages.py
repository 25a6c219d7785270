"""A position can serve both age groups."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AGES = (
    "ages IS NULL OR ages IN ('birth to 36 months', '3 up to 6 years', "
    "'birth to 36 months; 3 up to 6 years')"
)
_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'position'"


def upgrade() -> None:
    """Widen the column and its check; on SQLite no id that was ever given is given again."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    last_id = connection.exec_driver_sql(_LAST_ID).scalar() if is_sqlite else None
    with op.batch_alter_table("position", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_constraint("position_ages", type_="check")
        batch.alter_column(
            "ages",
            existing_type=sa.String(length=20),
            type_=sa.String(length=40),
            existing_nullable=True,
        )
        batch.create_check_constraint("position_ages", _AGES)
    if last_id is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'position'")
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('position', ?)", (last_id,))
