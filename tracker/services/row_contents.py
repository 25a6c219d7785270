"""A row with everything that belongs to it, and the values of rows as JSON keeps them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, DateTime, Table, delete, select
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.services.context import ServiceContext

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowContents:
    """What a removal deletes (table and values, referred ones first), and links to it.

    A link is a table, the key of the row, and the column that held the id of a deleted row.
    """

    rows: list[tuple[str, Values]]
    links: list[tuple[str, Values, str, int]]


def delete_what_belongs_to(context: ServiceContext, table: str, row_id: int) -> None:
    """Delete the rows that belong to a row, before the caller deletes that itself.

    The database would delete them with it, and the history would not say so.
    """
    delete_rows(context, collect_row(context.session, METADATA.tables[table], row_id).rows[1:])


def delete_rows(context: ServiceContext, rows: Sequence[tuple[str, Values]]) -> None:
    """Delete rows, the last first, with an audit event for each that has a number."""
    for name, deleted in reversed(rows):
        delete_row(context.session, METADATA.tables[name], deleted)
        if "id" in deleted:
            context.record_change(name, deleted["id"], before=audited_values(deleted))


def collect_row(session: Session, table: Table, row_id: int) -> RowContents:
    """A row, and everything that belongs to it; without rows if it is gone."""
    query = select(table).where(table.c.id == row_id)
    content = RowContents([], [])
    for values in session.connection().execute(query).mappings().all():
        _collect(session, table, dict(values), content)
    return content


def _collect(session: Session, table: Table, values: Values, content: RowContents) -> None:
    """Note a row, the rows that belong to it, and the links of others to it."""
    noted = (table.name, values)
    # An audited renewal belongs to its endorsement, and to its submission.
    if noted in content.rows:
        return
    content.rows.append(noted)
    if "id" not in values:
        return
    for other in METADATA.sorted_tables:
        for key in other.foreign_keys:
            if key.column is not table.c.id:
                continue
            column = key.parent
            query = select(other).where(column == values["id"])
            for row in session.connection().execute(query).mappings().all():
                if key.ondelete == "SET NULL":
                    primary = {each.name: row[each.name] for each in other.primary_key}
                    content.links.append((other.name, primary, column.name, values["id"]))
                else:
                    _collect(session, other, dict(row), content)


def delete_row(session: Session, table: Table, values: Values) -> None:
    """Delete the row that has these values of its key."""
    same = [column == values[column.name] for column in table.primary_key]
    session.connection().execute(delete(table).where(*same))


def audited_values(values: Values) -> Values:
    """The values that the audit log may hold: no keys of forms and links."""
    secret = {"form_key", "token_hash"}
    return {name: value for name, value in values.items() if name not in secret}


def to_plain(values: Values) -> Values:
    """A row's values as JSON has them; `from_json` is the other way."""
    plain: Values = json.loads(json.dumps(values, default=to_iso))
    return plain


def to_iso(value: object) -> str:
    """A day or an instant as JSON has it."""
    if isinstance(value, date):  # an instant is a date too
        return value.isoformat()
    raise TypeError(f"a removal cannot hold {value!r}")


def from_json(table: Table, values: Values) -> Values:
    """The values of a row of ``table`` that JSON has kept."""
    return {name: _read(table, name, value) for name, value in values.items()}


def _read(table: Table, name: str, value: Any) -> Any:  # noqa: ANN401 - of any column
    kind: Any = table.c[name].type
    kind = getattr(kind, "impl", kind)
    if isinstance(value, str) and isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    if isinstance(value, str) and isinstance(kind, Date):
        return date.fromisoformat(value)
    return value
