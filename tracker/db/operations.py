"""Tables of how the installation is run: maintenance, and backups that were tried."""

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import Instant


class Maintenance(SQLModel, table=True):
    """That maintenance mode is on, since when, and until when probably; one row, or none.

    ``message`` is what pages say, in the operator's words; it can be empty.
    """

    __tablename__ = "maintenance"
    __table_args__ = (CheckConstraint("id = 1", name="maintenance_once"),)
    id: int = Field(default=1, primary_key=True)
    since: datetime = Field(sa_type=Instant)
    ends_at: datetime | None = Field(default=None, sa_type=Instant)
    message: str = Field(default="", max_length=500)


class RestoreDrill(SQLModel, table=True):
    """A backup that was restored into a scratch place and checked.

    ``backup`` is the name of its folder, ``backed_up_at`` when it was begun. ``detail`` is what was
    checked, or why it failed. If the drill itself could not be done, which says nothing about any
    backup, ``backup`` is empty and ``detail`` is why.
    """

    __tablename__ = "restore_drill"
    id: int = Field(default=None, primary_key=True)
    tried_at: datetime = Field(sa_type=Instant)
    backup: str = Field(max_length=200)
    backed_up_at: datetime | None = Field(default=None, sa_type=Instant)
    is_proven: bool
    detail: str = Field(max_length=500)

    @property
    def backup_age(self) -> timedelta | None:
        """How old the backup was when it was tried; None if its date could not be read."""
        return self.tried_at - self.backed_up_at if self.backed_up_at else None
