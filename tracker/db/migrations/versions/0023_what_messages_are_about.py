"""A message names the row that it is about, and an imported row the address that it had."""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# What the keys of waiting messages begin with: table of the row, and the state that it has to have.
_BY_KEY = {
    "reference": ("reference", None),
    "new-request": ("time_request", "asked"),
    "submitted": ("application", "submitted"),
    "application": ("application", ""),
}


_GRANTS = {"leave": ("leave", "starts_on"), "extension": ("renewal", "cycle_starts_on")}


def upgrade() -> None:
    """Add the columns, and fill them for what waits: until now, only the keys had them."""
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("about_kind", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("about_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("about_state", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("is_outdated", sa.Boolean(), nullable=True))
        batch_op.create_index("outbox_about", ["about_kind", "about_id"])
    op.add_column("imported_row", sa.Column("former_email", sa.String(length=254), nullable=True))
    outbox = sa.table(
        "outbox",
        *(sa.column(name) for name in ("id", "dedupe_key", "about_kind", "about_id")),
        sa.column("about_state"),
    )
    connection = op.get_bind()
    for prefix, (kind, state) in _BY_KEY.items():
        query = sa.select(outbox.c.id, outbox.c.dedupe_key)
        # Also what left: a removal of its row is corrected.
        rows = connection.execute(query.where(outbox.c.dedupe_key.startswith(f"{prefix}:"))).all()
        for row in rows:
            _, number, *rest = row.dedupe_key.split(":")
            if not number.isdecimal():
                continue
            values = {"about_kind": kind, "about_id": int(number), "about_state": state}
            if state == "":
                values["about_state"] = rest[0]
            statement = sa.update(outbox).where(outbox.c.id == row.id).values(values)
            connection.execute(statement)
    _fill_grants(connection, outbox)


def _fill_grants(connection: sa.Connection, outbox: sa.TableClause) -> None:
    """Letters about leave, later due dates, and waivers name a row by its own key."""
    query = sa.select(outbox.c.id, outbox.c.dedupe_key)
    for row in connection.execute(query.where(outbox.c.dedupe_key.startswith("granted:"))).all():
        _, endorsement_id, what, starts_on, *_ = row.dedupe_key.split(":")
        kind, column = _GRANTS.get(what, ("waiver", "cycle_starts_on"))
        table = sa.table(
            kind,
            *(sa.column(name) for name in ("id", "endorsement_id", "requirement")),
            sa.column(column, sa.Date()),
        )
        same = [
            table.c.endorsement_id == int(endorsement_id),
            table.c[column] == date.fromisoformat(starts_on),
        ]
        if kind == "waiver":
            same.append(table.c.requirement == what)
        about_id = connection.scalar(sa.select(table.c.id).where(*same))
        if about_id is not None:
            values = {"about_kind": kind, "about_id": about_id}
            connection.execute(sa.update(outbox).where(outbox.c.id == row.id).values(values))
