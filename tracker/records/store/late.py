"""What is left for the end of a transaction in which several things are saved together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tracker.rulebooks import Rulebooks

_OPTION = "late"


@dataclass(slots=True)
class Late:
    """Audit events to write, and whom to judge by which rulebooks.

    ``changed`` are those of them of whom more may have changed than entries; ``providers`` are
    those whom changed entries name; ``instant`` is the latest change's.
    """

    events: list[Mapping[str, Any]] = field(default_factory=list)
    books: Rulebooks | None = None
    people: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    providers: set[int] = field(default_factory=set)
    instant: datetime | None = None


def late_on(connection: Connection) -> Late | None:
    """What is left for the end of this connection's transaction; None where nothing may be."""
    found: Late | None = connection.get_execution_options().get(_OPTION)
    return found


def leave(connection: Connection, late: Late | None) -> None:
    """From now on leave things for the end, or, with None, no longer."""
    connection.execution_options(**{_OPTION: late})
