"""To which person a row of a table belongs."""

from typing import Any

from sqlalchemy import Table, func, select

from tracker.db.payments import Payment
from tracker.db.people import Person
from tracker.db.tables import METADATA

# A row belongs to the person of the row that it refers to.
_THROUGH = {"endorsement_id": "endorsement", "application_id": "application", "entry_id": "entry"}


def find_owner(table: Table) -> tuple[Any, Any]:
    """The column with the id of the person to whom a row belongs, and what to select it from."""
    if table.name == Person.__tablename__:
        return table.c.id, table
    if "person_id" in table.c:
        return table.c.person_id, table
    if table.name == Payment.__tablename__:
        return _last_payee(table), table
    for column, name in _THROUGH.items():
        if column in table.c:
            parent = METADATA.tables[name]
            return parent.c.person_id, table.join(parent)
    message = f"no column says to whom a row of {table.name} belongs"
    raise ValueError(message)


def _last_payee(table: Table) -> Any:  # noqa: ANN401 - a column, as SQLAlchemy has it
    """A payment belongs to the last person it is for: when they are undone, nobody else is left."""
    share, held = METADATA.tables["payment_share"], METADATA.tables["endorsement"]
    last = select(func.max(held.c.person_id)).select_from(share.join(held))
    return last.where(share.c.payment_id == table.c.id).scalar_subquery()
