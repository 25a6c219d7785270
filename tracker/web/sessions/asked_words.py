"""What a session that somebody is asked about would count for, in their own words only."""

from datetime import datetime

from sqlalchemy import Connection

from tracker.records.entries.entry_writes import Content
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.web.year.entry_words import EntryRow
from tracker.web.year.year import view_entry

_NOT_STORED = 0


def would_count(
    connection: Connection, books: Rulebooks, person_id: int, content: Content, at: datetime
) -> EntryRow:
    """The entry that confirming would make, with a verdict for each endorsement and application."""
    values = [getattr(content, name) for name in LoggedEntry._fields[2:]]
    return view_entry(connection, books, LoggedEntry(_NOT_STORED, person_id, *values), at)
