"""Tables of imports: what a file would do, what it did, and what lists of an association mean."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant

IMPORT_STATES = (
    "mapping",
    "planning",
    "planned",
    "applying",
    "applied",
    "undoing",
    "undone",
    "discarded",
)


class ImportPlanRecord(SQLModel, table=True):
    """An import: files, what their columns mean, and how far it has come.

    ``association`` is None for an import by an operator. ``files`` and ``mapping`` and ``summary``
    are JSON. ``sheets`` are the cells of the files, compressed, until the import is applied or
    discarded. ``problem`` says why it went back to an earlier state. ``change_id`` is the change
    that an applied import is, by which it can be undone; ``remembered`` is what it stored besides
    about the rows that it took (compressed JSON).
    """

    __tablename__ = "import_plan"
    __table_args__ = (
        CheckConstraint(f"state IN {IMPORT_STATES}", name="import_plan_state"),
        Index("import_plan_association", "association", "id"),
        Index("import_plan_state_index", "state"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str | None = Field(default=None, max_length=40)
    state: str = Field(default="mapping", max_length=10)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str = Field(max_length=254)
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str = Field(max_length=254)
    files: str
    mapping: str = ""
    summary: str = ""
    problem: str = Field(default="", max_length=500)
    sheets: bytes | None = Field(default=None, sa_type=LargeBinary)
    change_id: int | None = None
    remembered: bytes | None = Field(default=None, sa_type=LargeBinary)


class ImportProgress(SQLModel, table=True):
    """How far a worker has come with an import, in steps; pages of other processes show it.

    There is no foreign key: the work on an import holds its row, and progress would wait for that.
    """

    __tablename__ = "import_progress"
    plan_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    done: int
    total: int


class ImportPlanRow(SQLModel, table=True):
    """What becomes of one row of an import; ``cells`` and ``changes`` are JSON.

    ``undone`` says what undoing the import did to it.
    """

    __tablename__ = "import_plan_row"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('added', 'changed', 'unchanged', 'refused')", name="import_row_outcome"
        ),
        Index("import_plan_row_outcome", "plan_id", "outcome", "number"),
    )
    plan_id: int = Field(primary_key=True, foreign_key="import_plan.id", ondelete="CASCADE")
    number: int = Field(primary_key=True)
    kind: str = Field(max_length=20)
    file: str = Field(max_length=300)
    line: int
    email: str = Field(max_length=254)
    outcome: str = Field(max_length=10)
    reason: str = ""
    code: str = Field(default="", max_length=40)
    cells: str
    changes: str = ""
    undone: str = Field(default="", max_length=300)


class ImportMemory(SQLModel, table=True):
    """What an association's lists mean, as it was answered before.

    ``topic`` is "sheet" (``source`` is a digest of the columns, ``meaning`` JSON), "heading", or
    the target of a value.
    """

    __tablename__ = "import_memory"
    association: str = Field(primary_key=True, max_length=40)
    topic: str = Field(primary_key=True, max_length=60)
    source: str = Field(primary_key=True, max_length=200)
    meaning: str
    changed_at: datetime = Field(sa_type=Instant)
