"""Tables of the desk's long work: what was asked for, how far it has come, and files of it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant

WORKING, DONE, FAILED, STOPPED = "working", "done", "failed", "stopped"


class DeskTask(SQLModel, table=True):
    """Long work that a coordinator asked for, done in batches.

    ``arguments`` are the ids of rows that it is about, in order, as JSON; ``done`` of all ``total``
    are behind it, of which ``left_out`` gave nothing. ``about_id`` is the mailing or the draw for
    which it was begun, or 0. ``file_name`` is empty if no file comes of it. ``problem`` says why it
    failed.
    """

    __tablename__ = "desk_task"
    __table_args__ = (
        CheckConstraint(
            "state IN ('working', 'done', 'failed', 'stopped')", name="desk_task_state"
        ),
        CheckConstraint("(state = 'working') = (ended_at IS NULL)", name="desk_task_ended"),
        CheckConstraint("done BETWEEN 0 AND total", name="desk_task_done"),
        Index("desk_task_list", "association", "id"),
        Index("desk_task_about", "kind", "about_id"),
        Index("desk_task_state_index", "state"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    kind: str = Field(max_length=20)
    about_id: int
    arguments: str
    asked_at: datetime = Field(sa_type=Instant)
    asked_by: str = Field(max_length=254)
    state: str = Field(default=WORKING, max_length=10)
    done: int = 0
    total: int
    left_out: int = 0
    file_name: str = Field(default="", max_length=200)
    problem: str = Field(default="", max_length=500)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class DeskTaskPiece(SQLModel, table=True):
    """A piece of a file that the desk's work makes: a member of its ZIP file, or a part of one.

    Pieces with the same ``name`` are one member, in the order of ``number``.
    """

    __tablename__ = "desk_task_piece"
    task_id: int = Field(primary_key=True, foreign_key="desk_task.id", ondelete="CASCADE")
    name: str = Field(primary_key=True, max_length=200)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    content: bytes = Field(sa_type=LargeBinary)
