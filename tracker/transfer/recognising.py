"""Which rows of entries.csv say just what is stored already, though no import remembers them.

Such are the rows of all my data where the entries were logged on the pages, or taken in with the
provider's address, which a person's own files do not tell.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK, rows_where
from tracker.transfer.cells import Topics
from tracker.transfer.known import Known
from tracker.transfer.rows import EntryRow

_ENTRY = METADATA.tables["entry"]
_TOPIC = METADATA.tables["entry_topic"]
_PERSON = METADATA.tables["person"]
_SAME = ("person_id", "activity", "held_on", "minutes", "title", "format", "reference")
# All but the topics: the columns, and the provider's id, name, or None.
Content = tuple[Any, ...]


def recognise(
    connection: Connection, rows: Sequence[EntryRow], known: Known, taken: Collection[int]
) -> dict[int, int]:
    """The ids of the stored entries that rows (by their position) speak of.

    Each entry is found for one row at most, and none that is ``taken`` by another row of the
    import: of two equal rows where one session is stored, the second is a second session.
    """
    by_content = defaultdict[Content, list[int]](list)
    for position, row in enumerate(rows):
        if row.email in known.person_ids:
            by_content[_content(row, known)].append(position)
    if not by_content:
        return {}
    alike = {
        each["id"]: [position for way in _ways(each) for position in by_content.get(way, ())]
        for each in _stored(connection, by_content)
        if each["id"] not in taken and not by_content.keys().isdisjoint(_ways(each))
    }
    topics = topics_of(connection, alike)
    found = dict[int, int]()
    for entry_id, positions in alike.items():
        about = topics.get(entry_id, ())
        for position in positions:
            if position not in found and rows[position].topics == about:
                found[position] = entry_id
                break
    return found


def topics_of(connection: Connection, entry_ids: Collection[int]) -> dict[int, Topics]:
    """Each entry's topics with their minutes, in the order of the names."""
    topics = defaultdict[int, list[tuple[str, int]]](list)
    for row in rows_where(connection, _TOPIC, "entry_id", entry_ids):
        topics[row["entry_id"]].append((row["topic"], row["minutes"]))
    return {entry_id: tuple(sorted(found)) for entry_id, found in topics.items()}


def _content(row: EntryRow, known: Known) -> Content:
    ids = known.person_ids
    # Nobody has the id 0: a provider whom the files bring along has no sessions yet.
    provider = ids.get(row.provider_email, 0) if row.provider_email else row.provider_name
    about = (getattr(row, name) for name in _SAME[1:])
    return (ids[row.email], *about, provider)


def _ways(stored: RowMapping) -> Iterator[Content]:
    """How a row can tell of a stored entry: its provider by address, or by name."""
    same = tuple(stored[name] for name in _SAME)
    if stored["provider_id"] is None:
        yield (*same, stored["provider_name"])
    else:
        yield (*same, stored["provider_id"])
        yield (*same, stored["provider"])


def _stored(connection: Connection, wanted: Collection[Content]) -> Iterator[RowMapping]:
    """The people's entries of the days in question and between, oldest entry first."""
    days = [content[_SAME.index("held_on")] for content in wanted]
    first, last = min(days), max(days)
    for chunk in in_chunks(sorted({content[0] for content in wanted}), CHUNK):
        query = (
            select(_ENTRY, _PERSON.c.name.label("provider"))
            .outerjoin_from(_ENTRY, _PERSON, _PERSON.c.id == _ENTRY.c.provider_id)
            .where(_ENTRY.c.person_id.in_(chunk))
            .where(_ENTRY.c.held_on.between(first, last))
            .order_by(_ENTRY.c.id)
        )
        yield from connection.execute(query).mappings()
