"""Columns for what was read from the audit log, and ids that are never used twice.

Rows of the audit log may be deleted; nothing but the history that people see may change then.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The audit log refers to the rows of these tables by id.
_AUDITED = (
    "api_token",
    "application",
    "attestation",
    "degree",
    "endorsement",
    "entry",
    "evidence",
    "exam_result",
    "group_member",
    "group_session",
    "leave",
    "membership",
    "person",
    "position",
    "reference",
    "renewal",
    "time_request",
    "vetting",
    "waiver",
)
_LOGGED_AT = """
UPDATE entry SET logged_at = (
    SELECT MAX(a.at) FROM audit_event a
    WHERE a.table_name = 'entry' AND a.row_id = entry.id AND a.before IS NULL
) WHERE form_key IS NOT NULL
"""
# Files name referees too, under the name of the person who imports them.
_NAMED_AT = """
UPDATE reference SET named_at = (
    SELECT MAX(a.at) FROM audit_event a
    JOIN application ap ON ap.id = reference.application_id
    JOIN person p ON p.id = ap.person_id
    WHERE a.table_name = 'reference' AND a.row_id = reference.id AND a.before IS NULL
        AND a.who IN (p.email, p.second_email)
)
"""


def upgrade() -> None:
    """Add the columns, fill them from the audit log, and let SQLite keep the last id of a table."""
    instant = sa.DateTime(timezone=True)
    with op.batch_alter_table("entry") as batch:
        batch.add_column(sa.Column("logged_at", instant, nullable=True))
    with op.batch_alter_table("reference") as batch:
        batch.add_column(sa.Column("named_at", instant, nullable=True))
        batch.add_column(
            sa.Column("answered_by_link", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_table(
        "withdrawn_reference",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("named_at", instant, nullable=True),
        sa.Column("withdrawn_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["application_id"], ["application.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_withdrawn_reference_application_id", "withdrawn_reference", ["application_id"]
    )
    op.execute(_LOGGED_AT)
    op.execute(_NAMED_AT)
    _fill_from_reference_events(op.get_bind())
    with op.batch_alter_table("reference") as batch:
        batch.alter_column(
            "answered_by_link", existing_type=sa.Boolean(), server_default=None, nullable=False
        )
    if op.get_bind().dialect.name == "sqlite":
        _keep_last_ids(op.get_bind())
        broken = op.get_bind().exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"rows refer to rows that are not there: {broken[:5]}")


def _fill_from_reference_events(connection: sa.Connection) -> None:
    """Mark what referees answered themselves; store whom applicants withdrew."""
    metadata = sa.MetaData()
    event = sa.Table("audit_event", metadata, autoload_with=connection)
    reference = sa.Table("reference", metadata, autoload_with=connection)
    withdrawn = sa.Table("withdrawn_reference", metadata, autoload_with=connection)
    people = connection.execute(sa.select(reference.c.id, reference.c.email))
    emails = {row.id: row.email for row in people}
    named: dict[int, Any] = {}
    query = sa.select(event).where(event.c.table_name == "reference").order_by(event.c.id)
    for row in connection.execute(query):
        if row.after is None:
            before = json.loads(row.before)
            values = {name: before[name] for name in ("application_id", "email", "name", "role")}
            connection.execute(
                withdrawn.insert().values(
                    **values, named_at=named.get(row.row_id), withdrawn_at=row.at
                )
            )
        elif row.before is None:
            named[row.row_id] = row.at
        if row.after and row.who == emails.get(row.row_id) and json.loads(row.after)["received_at"]:
            connection.execute(
                reference.update().where(reference.c.id == row.row_id).values(answered_by_link=True)
            )


def _keep_last_ids(connection: sa.Connection) -> None:
    for name in _AUDITED:
        with op.batch_alter_table(
            name, recreate="always", table_kwargs={"sqlite_autoincrement": True}
        ):
            pass
        last = connection.exec_driver_sql(
            f"SELECT MAX(COALESCE((SELECT MAX(id) FROM {name}), 0), COALESCE("  # noqa: S608
            "(SELECT MAX(row_id) FROM audit_event WHERE table_name = ?), 0))",
            (name,),
        ).scalar_one()
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))
