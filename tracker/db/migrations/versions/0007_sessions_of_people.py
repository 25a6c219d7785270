"""Sessions know whose they are: an address that has become another person's opens nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Whose first address it is, needs no word: nobody else has it. Of second addresses only those that
# one person alone has say who signed in.
_SECOND = """
UPDATE web_session SET person_id = (
    SELECT min(id) FROM person WHERE lower(second_email) = web_session.email
) WHERE email NOT IN (SELECT email FROM person)
  AND (SELECT count(*) FROM person WHERE lower(second_email) = web_session.email) = 1
"""


def upgrade() -> None:
    """Add the person to sessions, and fill it in for those that are open."""
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key("web_session_person", "person", ["person_id"], ["id"])
        batch_op.create_index("ix_web_session_person_id", ["person_id"], unique=False)
    op.execute(_SECOND)
