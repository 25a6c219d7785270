"""Keys derived from a master key outside of the database, and messages that keep no secret."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_OUTBOX = sa.table(
    "outbox",
    sa.column("kind", sa.String()),
    sa.column("state", sa.String()),
    sa.column("subject", sa.String()),
    sa.column("body", sa.LargeBinary()),
)


def upgrade() -> None:
    """Create the table and the columns; empty what was sent, and mask codes in subjects.

    Second addresses are counted like codes.

    `tracker migrate` encrypts the former keys and what waits: only it knows the master key.
    """
    op.create_table(
        "key_generation",
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("purpose"),
    )
    with op.batch_alter_table("secret") as batch:
        batch.alter_column(
            "value", existing_type=sa.String(length=200), type_=sa.String(length=500)
        )
    op.add_column("outbox", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "web_session", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True)
    )
    with op.batch_alter_table("sign_in_try") as batch:
        batch.drop_constraint("sign_in_try_kind", type_="check")
        batch.create_check_constraint("sign_in_try_kind", "kind IN ('ask', 'code', 'address')")
    finished = _OUTBOX.c.state.in_(["sent", "failed", "dropped"])
    op.execute(sa.update(_OUTBOX).where(finished).values(body=b""))
    has_code = _OUTBOX.c.kind == "sign-in"
    op.execute(sa.update(_OUTBOX).where(has_code).values(subject="Your sign-in code"))
