"""Audit events say whose rows they are about, texts of emails are kept, entries are asked about."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_BATCH = 5_000
_OF_PERSON = ("person", "mail_off", "calendar_feed", "web_session")
_OWNERS = {"endorsement_id": "endorsement", "application_id": "application", "entry_id": "entry"}
# Whose rows have no person among their values in every event: the column that leads to one.
_OWNED = {
    "time_request": "endorsement_id",
    "leave": "endorsement_id",
    "waiver": "endorsement_id",
    "renewal": "endorsement_id",
    "review": "application_id",
    "reference": "application_id",
    "attestation": "application_id",
    "exam_result": "application_id",
}
_Person = dict[tuple[str, int], int]


def upgrade() -> None:
    """Add the columns and tables; fill in whose events there are, as far as they tell."""
    _create_tables()
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person_id", sa.Integer(), nullable=True))
        batch_op.create_index("audit_event_person", ["person_id"])
    op.add_column("outbox", sa.Column("text", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    names = ("id", "table_name", "row_id", "before", "after", "person_id")
    event = sa.table("audit_event", *(sa.column(name) for name in names))
    people = _read_people(connection, event)
    fill = (
        sa.update(event)
        .where(event.c.id == sa.bindparam("event"))
        .values(person_id=sa.bindparam("person"))
    )
    last = 0
    while True:
        query = sa.select(event).where(event.c.id > last).order_by(event.c.id).limit(_BATCH)
        rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        found = [{"event": row.id, "person": _find_person(row, people)} for row in rows]
        known = [each for each in found if each["person"] is not None]
        if known:
            connection.execute(fill, known)


def _create_tables() -> None:
    op.create_table(
        "entry_confirmation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("entry_id", "association", name="entry_confirmed_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entry_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=True),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=254), nullable=False),
        sa.CheckConstraint("kind IN ('excluded', 'removed')", name="entry_decision_kind"),
        sa.CheckConstraint(
            "(kind = 'excluded') = (entry_id IS NOT NULL)", name="entry_decision_entry"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("entry_id", "association", name="entry_decided_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entry_decision_person_id", "entry_decision", ["person_id"])
    op.create_table(
        "entry_question",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=254), nullable=False),
        sa.Column("proposal", sa.String(), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=True),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'answered', 'settled')", name="entry_question_state"),
        sa.CheckConstraint(
            "(state = 'settled') = (settled_at IS NOT NULL)", name="entry_question_settled_at"
        ),
        sa.CheckConstraint(
            "accepted IS NULL OR proposal IS NOT NULL", name="entry_question_accepted_proposal"
        ),
        sa.CheckConstraint(
            "(proposal IS NULL) = (version IS NULL)", name="entry_question_proposal_version"
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entry_question_entry_id", "entry_question", ["entry_id"])
    op.create_index("entry_question_list", "entry_question", ["association", "state"])
    op.create_table(
        "entry_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by", sa.String(length=254), nullable=False),
        sa.Column("is_answer", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["question_id"], ["entry_question.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entry_message_question_id", "entry_message", ["question_id"])
    op.create_index("ix_entry_message_entry_id", "entry_message", ["entry_id"])


def _read_people(connection: sa.Connection, event: sa.TableClause) -> _Person:
    """The person of each row to which others belong; those that are gone have left events."""
    people: _Person = {}
    for name in _OWNERS.values():
        deleted = (event.c.table_name == name) & event.c.after.is_(None)
        for row in connection.execute(sa.select(event).where(deleted)):
            if person_id := _values_of(row).get("person_id"):
                people[name, row.row_id] = person_id
        owner = sa.table(name, sa.column("id"), sa.column("person_id"))
        for row_id, person_id in connection.execute(sa.select(owner.c.id, owner.c.person_id)):
            people[name, row_id] = person_id
    for name, column in _OWNED.items():
        table = sa.table(name, sa.column("id"), sa.column(column))
        for row_id, owner_id in connection.execute(sa.select(table.c.id, table.c[column])):
            if person_id := people.get((_OWNERS[column], owner_id)):
                people[name, row_id] = person_id
    return people


def _find_person(row: Any, people: _Person) -> int | None:  # noqa: ANN401 - a row of events
    values = _values_of(row)
    if row.table_name in _OF_PERSON:
        return int(row.row_id) or None
    if isinstance(values.get("person_id"), int):
        return int(values["person_id"])
    if row.table_name == "settled_cycle":
        return people.get(("endorsement", row.row_id))
    for column, owner in _OWNERS.items():
        if isinstance(values.get(column), int):
            return people.get((owner, values[column]))
    return people.get((row.table_name, row.row_id))


def _values_of(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of events
    """The values after the change over those before it."""
    before: dict[str, Any] = json.loads(row.before) if row.before else {}
    after: dict[str, Any] = json.loads(row.after) if row.after else {}
    return {**before, **after}
