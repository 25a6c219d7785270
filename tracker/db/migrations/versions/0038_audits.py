"""Accepted renewals are drawn for audits; a frame and its seed stay as they were fixed."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_FIXED = "association, ends_from, ends_through, quota, amount, strata, frame, frame_hash, seed"
_MESSAGE = "the frame and the seed of a draw are fixed"


def upgrade() -> None:
    """Add the tables and the triggers."""
    op.create_table(
        "audit_draw",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("ends_from", sa.Date(), nullable=False),
        sa.Column("ends_through", sa.Date(), nullable=False),
        sa.Column("quota", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("strata", sa.String(), nullable=False),
        sa.Column("frame", sa.String(), nullable=False),
        sa.Column("frame_hash", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.String(length=200), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("frozen_by", sa.String(length=254), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drawn_by", sa.String(length=254), nullable=True),
        sa.CheckConstraint("quota IN ('share', 'number')", name="audit_draw_quota"),
        sa.CheckConstraint(
            "amount > 0 AND (quota <> 'share' OR amount <= 100)", name="audit_amount"
        ),
        sa.CheckConstraint("ends_from <= ends_through", name="audit_draw_days"),
        sa.CheckConstraint("(drawn_at IS NULL) = (drawn_by IS NULL)", name="audit_draw_drawn"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_draw_association", "audit_draw", ["association"])
    op.create_table(
        "audit_case",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draw_id", sa.Integer(), nullable=False),
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by", sa.String(length=254), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extended_because", sa.String(length=500), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=True),
        sa.Column("decided_because", sa.String(length=500), nullable=True),
        sa.Column("appealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("appeal", sa.String(length=500), nullable=True),
        sa.CheckConstraint(
            "state IN ('drawn', 'asked', 'sent', 'passed', 'not passed', 'appealed')",
            name="audit_case_state",
        ),
        sa.CheckConstraint("state = 'drawn' OR due_on IS NOT NULL", name="audit_case_due"),
        sa.CheckConstraint(
            "state NOT IN ('passed', 'not passed') OR decided_at IS NOT NULL",
            name="audit_case_decided",
        ),
        sa.CheckConstraint("(appealed_at IS NULL) = (appeal IS NULL)", name="audit_case_appeal"),
        sa.ForeignKeyConstraint(["draw_id"], ["audit_draw.id"]),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("submission_id", name="audit_case_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_case_list", "audit_case", ["draw_id", "state"])
    op.create_index("ix_audit_case_endorsement_id", "audit_case", ["endorsement_id"])
    op.create_table(
        "audit_item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=13), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=254), nullable=False),
        sa.CheckConstraint("verdict IN ('supported', 'not supported')", name="audit_item_verdict"),
        sa.CheckConstraint("verdict = 'supported' OR reason <> ''", name="audit_item_reason"),
        sa.ForeignKeyConstraint(["case_id"], ["audit_case.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("case_id", "entry_id", name="audit_item_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_item_case_id", "audit_item", ["case_id"])
    op.create_index("ix_audit_item_endorsement_id", "audit_item", ["endorsement_id"])
    op.create_index("ix_audit_item_entry_id", "audit_item", ["entry_id"])
    _create_triggers(op.get_bind())


def _create_triggers(connection: sa.Connection) -> None:
    """Refuse to change what a draw rests on, and to delete a draw."""
    for name, event in (
        ("audit_draw_fixed", f"UPDATE OF {_FIXED}"),
        ("audit_draw_kept", "DELETE"),
    ):
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {event} ON audit_draw "
                f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
            )
            continue
        connection.exec_driver_sql(
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
            END $$"""
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {event} ON audit_draw "
            f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
