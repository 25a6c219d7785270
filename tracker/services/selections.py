"""Rows of the list of people that a coordinator chose for an action, kept for a day.

A selection names its rows for good: what matches the filter by the time of the action doesn't
matter. Only the coordinator who made it can use it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlmodel import Session, col, delete

from tracker.db.lists import PeopleSelection
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_access import check_association
from tracker.services.people_list import PeopleRow, RowKey, RowKind

KEPT = timedelta(days=1)
# An action on more rows would keep everyone else from saving for too long.
MAX_ROWS = 5_000


class SelectedRow(NamedTuple):
    """A row that was chosen, whose it is, and how it stood then."""

    key: RowKey
    person_id: int
    name: str
    status: str
    due_on: date | None


@dataclass(frozen=True, slots=True)
class SelectedPeople:
    """What a coordinator chose at an association, in the order of the list.

    ``query`` is the filter of the list in which they chose; ``is_whole``: they checked no row, so
    that the whole list was chosen as it was then.
    """

    id: int
    association: str
    rows: tuple[SelectedRow, ...]
    query: str
    selected_at: datetime
    is_whole: bool = False

    @property
    def person_ids(self) -> list[int]:
        """The people, each once, in the order of the list."""
        return list(dict.fromkeys(row.person_id for row in self.rows))


def forget_selections(session: Session, now: datetime) -> int:
    """Delete selections that are more than a day old; return how many."""
    is_over = col(PeopleSelection.selected_at) <= now - KEPT
    return session.exec(delete(PeopleSelection).where(is_over)).rowcount


def create_selection(
    context: ServiceContext,
    association: str,
    rows: Sequence[PeopleRow],
    query: str = "",
    *,
    is_whole: bool = False,
) -> int:
    """Keep the rows for an action and return the selection's id; the rest as of `SelectedPeople`.

    Raises NotFound for somebody else's association, and Refused without a row or with too many.
    """
    check_association(context.actor, association)
    if not rows:
        raise Refused(Refusal("rows", "nobody-selected"))
    if len(rows) > MAX_ROWS:
        raise Refused(Refusal("rows", "too-many-selected", {"limit": MAX_ROWS}))
    session = context.session
    forget_selections(session, context.now)
    selection = PeopleSelection(
        association=association,
        selected_by=context.actor.label,
        selected_at=context.now,
        content=json.dumps(
            {"query": query, "rows": [_to_json(row) for row in rows], "is_whole": is_whole}
        ),
    )
    # Nothing of a person changes by it, so there is no audit event.
    session.add(selection)
    session.flush()
    return selection.id


def get_selection(
    session: Session, actor: Actor, selection_id: int, now: datetime
) -> SelectedPeople:
    """A selection of the actor's own. Raises NotFound for any other, and after a day."""
    stored = session.get(PeopleSelection, selection_id)
    if stored is None or stored.selected_by != actor.label or stored.selected_at <= now - KEPT:
        raise NotFound
    check_association(actor, stored.association)
    content = json.loads(stored.content)
    rows = tuple(_from_json(row) for row in content["rows"])
    return SelectedPeople(
        stored.id,
        stored.association,
        rows,
        content["query"],
        stored.selected_at,
        content.get("is_whole", False),
    )


def _to_json(row: PeopleRow) -> list[str | int | None]:
    cycle_starts_on = row.cycle_starts_on.isoformat() if row.cycle_starts_on else None
    due_on = row.due_on.isoformat() if row.due_on else None
    return [row.kind, row.id, cycle_starts_on, row.person_id, row.name, row.status, due_on]


def _from_json(values: Sequence[Any]) -> SelectedRow:
    kind, row_id, cycle_starts_on, person_id, name, status, due_on = values
    cycle = date.fromisoformat(cycle_starts_on) if cycle_starts_on else None
    return SelectedRow(
        RowKey(RowKind(kind), row_id, cycle),
        person_id,
        name,
        status,
        date.fromisoformat(due_on) if due_on else None,
    )
