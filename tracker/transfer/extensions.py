"""Rows of extensions.csv beside what is in force: nobody's due date becomes an earlier one."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK
from tracker.transfer.known import Known
from tracker.transfer.problems import Problem
from tracker.transfer.reading import Reading

_ENDORSEMENT = METADATA.tables["endorsement"]
_RENEWAL = METADATA.tables["renewal"]


def check_extensions(connection: Connection, reading: Reading, known: Known) -> Iterator[Problem]:
    """An extension is no earlier than the one in force, as on the coordinator's page.

    People may have been told of that one, and an old file must not take back what was granted.
    """
    rows = reading.rows.get("extensions", ())
    people = {known.person_ids[row.email] for row in rows if row.email in known.person_ids}
    in_force = _in_force(connection, people)
    for row in rows:
        email, *of_cycle = row.key
        stored = in_force.get((known.person_ids.get(email), *of_cycle))
        if stored is not None and row.values["extended_due_on"] < stored:
            what = f"must be {stored} or later: the renewal is extended to that day already"
            yield row.problem("extended_due_on", what)


def _in_force(connection: Connection, people: set[int]) -> dict[tuple[Any, ...], date]:
    """The due dates of people's extended renewals, by what names a cycle in the file."""
    found = {}
    cycle = (
        _ENDORSEMENT.c.person_id,
        _ENDORSEMENT.c.association,
        _ENDORSEMENT.c.category,
        _ENDORSEMENT.c.starts_on,
        _RENEWAL.c.cycle_starts_on,
    )
    for chunk in in_chunks(sorted(people), CHUNK):
        query = (
            select(*cycle, _RENEWAL.c.extended_due_on)
            .join_from(_RENEWAL, _ENDORSEMENT)
            .where(_ENDORSEMENT.c.person_id.in_(chunk))
        )
        for *key, due_on in connection.execute(query):
            found[tuple(key)] = due_on
    return found
