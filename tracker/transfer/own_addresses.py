"""What a person has said themselves, which no file of the association's takes back."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK, Values
from tracker.transfer.rows import Row

_PERSON = METADATA.tables["person"]


def keep_own_addresses(
    connection: Connection, wanted: Sequence[tuple[Row, Values]]
) -> list[tuple[Row, Values]]:
    """The rows, without a second address for those who confirmed or removed theirs on the pages."""
    telling = {row.email for row, values in wanted if "second_email" in values}
    own: set[str] = set()
    for chunk in in_chunks(telling, CHUNK):
        settled = _PERSON.c.second_email_confirmed_at.is_not(None)
        query = select(_PERSON.c.email).where(_PERSON.c.email.in_(chunk) & settled)
        own.update(connection.scalars(query))
    return [(row, _without(values) if row.email in own else values) for row, values in wanted]


def _without(values: Values) -> Values:
    return {name: value for name, value in values.items() if name != "second_email"}
