"""An RSC session can be one among peers."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'entry'"
_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'"


def upgrade() -> None:
    """Widen the check; on SQLite, keep the triggers, and never give an id again."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    last_id = connection.exec_driver_sql(_LAST_ID).scalar() if is_sqlite else None
    triggers = connection.exec_driver_sql(_TRIGGERS).scalars().all() if is_sqlite else []
    with op.batch_alter_table("entry", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_constraint("entry_format", type_="check")
        batch.create_check_constraint("entry_format", "format IN ('individual', 'group', 'peer')")
    for trigger in triggers:
        connection.exec_driver_sql(trigger)
    if last_id is not None:
        _restore_last_id(connection, last_id)


def _restore_last_id(connection: sa.Connection, last_id: int) -> None:
    connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'entry'")
    connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('entry', ?)", (last_id,))
