"""Applications: degrees, positions, references, attestations, exams; notices about them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ABOUT_ONE = "(endorsement_id IS NULL) <> (application_id IS NULL)"


def upgrade() -> None:
    """Make the tables; a notice may be about an application instead of an endorsement."""
    op.create_table(
        "application",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("association", sa.String(length=40), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("submitted_on", sa.Date(), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.CheckConstraint(
            "(decided_on IS NULL) = (state IN ('open', 'submitted'))", name="application_decided"
        ),
        sa.CheckConstraint(
            "state IN ('open', 'submitted', 'endorsed', 'declined', 'withdrawn')",
            name="application_state",
        ),
        sa.CheckConstraint(
            "decided_on IS NULL OR decided_on >= opened_on", name="application_decided_later"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "association", "category", "opened_on"),
    )
    with op.batch_alter_table("application", schema=None) as batch_op:
        batch_op.create_index("application_list", ["association", "state"], unique=False)
        batch_op.create_index("ix_application_person_id", ["person_id"], unique=False)

    op.create_table(
        "degree",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("awarded_on", sa.Date(), nullable=False),
        sa.Column("transcript", sa.String(length=10), nullable=False),
        sa.CheckConstraint(
            "level IN ('cda', 'associate', 'bachelor', 'master', 'doctorate', "
            "'specialization', 'certificate', 'other')",
            name="degree_level",
        ),
        sa.CheckConstraint(
            "transcript IN ('none', 'unofficial', 'official')", name="degree_transcript"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "level", "title"),
    )
    op.create_table(
        "position",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("pay", sa.String(length=10), nullable=False),
        sa.Column("services", sa.String(length=200), nullable=False),
        sa.Column("ages", sa.String(length=20), nullable=True),
        sa.Column("families", sa.Integer(), nullable=False),
        sa.Column("supervised", sa.Boolean(), nullable=False),
        sa.Column("trained", sa.Boolean(), nullable=False),
        sa.Column("gives_rsc", sa.Boolean(), nullable=False),
        sa.Column("statements", sa.String(length=400), nullable=False),
        sa.Column("supervisor_id", sa.Integer(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "ages IS NULL OR ages IN ('birth to 36 months', '3 up to 6 years')",
            name="position_ages",
        ),
        sa.CheckConstraint("pay IN ('paid', 'volunteer', 'internship')", name="position_pay"),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="position_ends"),
        sa.CheckConstraint("families >= 0", name="position_families"),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.ForeignKeyConstraint(
            ["supervisor_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "title", "starts_on"),
    )
    op.create_table(
        "attestation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("application_id", "what"),
    )
    op.create_table(
        "exam_result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("taken_on", sa.Date(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("application_id", "taken_on"),
    )
    op.create_table(
        "reference",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("role_confirmed", sa.Boolean(), nullable=True),
        sa.Column("relationship", sa.String(length=500), nullable=True),
        sa.Column("endorsed_by", sa.String(length=40), nullable=True),
        sa.Column("endorsed_as", sa.String(length=40), nullable=True),
        sa.Column("vetted", sa.Boolean(), nullable=False),
        sa.Column("signed_as", sa.String(length=200), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "received_at IS NULL OR (signed_as IS NOT NULL AND relationship IS NOT NULL)",
            name="reference_signed",
        ),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("application_id", "email"),
        sa.UniqueConstraint("token_hash"),
    )
    with op.batch_alter_table("reference", schema=None) as batch_op:
        batch_op.create_index("ix_reference_application_id", ["application_id"], unique=False)

    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.add_column(sa.Column("application_id", sa.Integer(), nullable=True))
        batch_op.alter_column("endorsement_id", existing_type=sa.Integer(), nullable=True)
        batch_op.create_unique_constraint(
            "notice_application_key",
            ["application_id", "kind", "subject_key", "due_on", "step"],
        )
        batch_op.create_foreign_key("notice_application", "application", ["application_id"], ["id"])
        batch_op.create_check_constraint("notice_about_one", _ABOUT_ONE)
