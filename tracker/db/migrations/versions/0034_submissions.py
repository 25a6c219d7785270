"""Endorsees submit renewals; sessions of a submitted cycle stay as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_MESSAGE = "the renewal of this cycle is submitted"
# A submission in force whose cycle has the day of the session ``{row}``.
_SUBMITTED = """SELECT 1 FROM submission s JOIN endorsement en ON en.id = s.endorsement_id
    WHERE en.person_id = {row}.person_id AND s.returned_at IS NULL
    AND {row}.held_on BETWEEN s.cycle_starts_on AND s.cycle_ends_on"""
_LOGGED_BEFORE = f"""EXISTS ({_SUBMITTED}
    AND ({{row}}.logged_at IS NULL OR {{row}}.logged_at <= s.submitted_at))"""
# No endorsement, and no application, for which the session could still count.
_COUNTS_FOR_NOTHING = f"""EXISTS ({_SUBMITTED})
    AND NOT EXISTS (SELECT 1 FROM endorsement o WHERE o.person_id = {{row}}.person_id
        AND (o.ends_on IS NULL OR o.ends_on >= {{row}}.held_on)
        AND NOT EXISTS (SELECT 1 FROM submission s WHERE s.endorsement_id = o.id
            AND s.returned_at IS NULL
            AND {{row}}.held_on BETWEEN s.cycle_starts_on AND s.cycle_ends_on))
    AND NOT EXISTS (SELECT 1 FROM application a WHERE a.person_id = {{row}}.person_id
        AND a.decided_on IS NULL)"""  # noqa: S608 - constants
_TRIGGERS = {
    "entry_added_to_submitted": ("INSERT", _COUNTS_FOR_NOTHING.format(row="NEW")),
    "entry_moved_to_submitted": ("UPDATE OF held_on", _COUNTS_FOR_NOTHING.format(row="NEW")),
    "entry_of_submitted_changed": (
        "UPDATE OF held_on, minutes, activity, format",
        _LOGGED_BEFORE.format(row="OLD"),
    ),
    "entry_of_submitted_deleted": ("DELETE", _LOGGED_BEFORE.format(row="OLD")),
}


def upgrade() -> None:
    """Add the table and the triggers."""
    op.create_table(
        "submission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endorsement_id", sa.Integer(), nullable=False),
        sa.Column("cycle_starts_on", sa.Date(), nullable=False),
        sa.Column("cycle_ends_on", sa.Date(), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_name", sa.String(length=200), nullable=False),
        sa.Column("statements", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.String(length=254), nullable=True),
        sa.Column("accepted_because", sa.String(length=500), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_by", sa.String(length=254), nullable=True),
        sa.Column("returned_because", sa.String(length=500), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('submitted', 'accepted', 'returned')", name="submission_state"
        ),
        sa.CheckConstraint(
            "state <> 'accepted' OR accepted_at IS NOT NULL", name="submission_accepted"
        ),
        sa.CheckConstraint(
            "(state = 'returned') = (returned_at IS NOT NULL)", name="submission_returned"
        ),
        sa.ForeignKeyConstraint(["endorsement_id"], ["endorsement.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("endorsement_id", "form_key", name="submission_saved_once"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "submission_in_force",
        "submission",
        ["endorsement_id", "cycle_starts_on"],
        unique=True,
        sqlite_where=sa.text("returned_at IS NULL"),
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    create_triggers(op.get_bind())


def create_triggers(connection: sa.Connection) -> None:
    """Create the triggers of entry; a migration that rebuilds the table has to do it again."""
    if connection.dialect.name == "sqlite":
        for name, (event, condition) in _TRIGGERS.items():
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {event} ON entry WHEN {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
            )
        return
    # The conditions have queries, which PostgreSQL allows only within a function.
    for name, (event, condition) in _TRIGGERS.items():
        row = "OLD" if "DELETE" in event else "NEW"
        connection.exec_driver_sql(
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF {condition} THEN
                    RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN {row};
            END $$"""
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {event} ON entry FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
