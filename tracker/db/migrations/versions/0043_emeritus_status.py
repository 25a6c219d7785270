"""An endorsement can be emeritus: a third kind of days away."""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_KEPT = {"sqlite_autoincrement": True}
_KINDS = "kind IN ('leave', 'inactive', 'emeritus')"


def upgrade() -> None:
    """Allow the third kind; on SQLite no id that was ever given is given again."""
    connection = op.get_bind()
    last_id = None
    if connection.dialect.name == "sqlite":
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'leave'"
        last_id = connection.exec_driver_sql(query).scalar()
    with op.batch_alter_table("leave", table_kwargs=_KEPT) as batch:
        batch.drop_constraint("leave_kind", type_="check")
        batch.create_check_constraint("leave_kind", _KINDS)
    if last_id is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'leave'")
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('leave', ?)", (last_id,))
