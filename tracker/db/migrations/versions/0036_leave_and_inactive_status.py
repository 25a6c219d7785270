"""A leave has a kind: the endorsee is on leave, or the endorsement is inactive."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_KEPT = {"sqlite_autoincrement": True}
_REQUEST_ENDS = "kind IN ('leave', 'inactive') OR ends_on IS NOT NULL"


def upgrade() -> None:
    """Everything recorded so far is leave; on SQLite no id that was ever given is given again."""
    connection = op.get_bind()
    last_ids = {}
    if connection.dialect.name == "sqlite":
        query = "SELECT name, seq FROM sqlite_sequence WHERE name IN ('leave', 'time_request')"
        last_ids = {row.name: row.seq for row in connection.exec_driver_sql(query)}
    _add_kind()
    with op.batch_alter_table("time_request", table_kwargs=_KEPT) as batch:
        batch.drop_constraint("time_request_kind", type_="check")
        batch.drop_constraint("time_request_extension_ends", type_="check")
        kinds = "kind IN ('leave', 'inactive', 'extension')"
        batch.create_check_constraint("time_request_kind", kinds)
        batch.create_check_constraint("time_request_extension_ends", _REQUEST_ENDS)
    for table, last_id in last_ids.items():
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last_id))


def _add_kind() -> None:
    with op.batch_alter_table("leave", table_kwargs=_KEPT) as batch:
        kind = sa.Column("kind", sa.String(length=10), nullable=False, server_default="leave")
        batch.add_column(kind)
        batch.create_check_constraint("leave_kind", "kind IN ('leave', 'inactive')")
    with op.batch_alter_table("leave", table_kwargs=_KEPT) as batch:
        batch.alter_column("kind", existing_type=sa.String(length=10), server_default=None)
