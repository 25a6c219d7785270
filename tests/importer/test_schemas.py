"""The files' columns fit the tables in which they are stored."""

import pytest

from tests.importer.importer import Importer
from tracker.db.engine import writing
from tracker.importer.schemas import (
    SCHEMAS,
    PersonRow,
)
from tracker.importer.table_rows import store_rows, table_of

# What a row is about: stored as the id of a person, an endorsement, or an application.
OWNER = {"email", "association", "category"}
# Columns of files that are stored in a column of another name, or in a table of their own.
CONVERTED = {
    "entries": {"date", "hours", "topics", "provider_email", "shared_reference", "similar", "days"},
    "extensions": {"endorsed_on"},
    "people": {"previous_email"},
    "positions": {"supervisor_email"},
    "references": {"referee_email", "referee_name", "received_on"},
    "waivers": {"endorsed_on"},
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_column_of_a_file_is_stored(kind: str) -> None:
    schema = SCHEMAS[kind]
    table = table_of(schema.table)
    unknown = {name for name in schema.columns() if name not in table.c}
    assert unknown - OWNER == CONVERTED.get(kind, set())


def test_a_value_without_a_column_is_refused(sqlite_importer: Importer) -> None:
    zoe = PersonRow.model_construct(email="zoe@example.org", name="Zoe")
    row = {"email": "zoe@example.org", "name": "Zoe", "shoe_size": 38}
    with (
        pytest.raises(LookupError, match="the table person has no column shoe_size"),
        writing(sqlite_importer.engine) as session,
    ):
        store_rows(session, PersonRow, [(zoe, row)])
