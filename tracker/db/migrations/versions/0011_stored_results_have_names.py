"""The requirements of a stored standing are named fields, with the topic beside the label."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OLD = ("id", "label", "required", "counted", "short", "outcome", "counts")


def upgrade() -> None:
    """Name the fields; the topic comes with the next nightly evaluation, which is of everyone."""
    connection = op.get_bind()
    standing = sa.table(
        "standing",
        sa.column("endorsement_id", sa.Integer),
        sa.column("cycle_starts_on", sa.Date),
        sa.column("requirements", sa.String),
        sa.column("rules_digest", sa.String),
    )
    key = (standing.c.endorsement_id, standing.c.cycle_starts_on)
    changed = (
        sa.update(standing)
        .where(key[0] == sa.bindparam("endorsement"), key[1] == sa.bindparam("cycle"))
        # A digest that no rulebook has makes the next evaluation judge this standing anew.
        .values(requirements=sa.bindparam("results"), rules_digest="")
    )
    rows = []
    for row in connection.execute(sa.select(*key, standing.c.requirements)).all():
        results = []
        for values in json.loads(row.requirements):
            results.append({**dict(zip(_OLD, values, strict=True)), "topic": None})
        rows.append(
            {
                "endorsement": row.endorsement_id,
                "cycle": row.cycle_starts_on,
                "results": json.dumps(results),
            }
        )
    if rows:
        connection.execute(changed, rows)
