"""Every field of an entry survives each way in and out of the tracker."""

import csv
import dataclasses
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, DANA, NOW, acting, fill
from tests.web.api.calling import Program, make
from tests.web.client import WebClient, settle_all
from tracker.db.engine import reading, writing
from tracker.db.people import Person
from tracker.exports.my_data import export_csv
from tracker.importer.apply import import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.csv_row import format_cell
from tracker.importer.schemas import EntryRow
from tracker.importer.vocabulary import vocabulary_of
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import EntrySource, create_entry, entry_input_of, list_entries
from tracker.services.entry_rules import EntryInput

DAY = date(2026, 11, 20)
# A new field needs a value here, and must then survive everywhere. The provider's id is Dana's.
SAMPLES: dict[str, Any] = {
    "activity": "rsc",
    "held_on": DAY,
    "minutes": 90,
    "title": "Book club",
    "provider_id": 0,
    "provider_name": "Jo Hart",
    "format": "group",
    "reference": "A 7",
    "topics": {"DEIA": 60},
}
# No entry can have all fields: what each of these leaves out.
KINDS = {
    "training": {"provider_id", "provider_name", "format"},
    "rsc with a known provider": {"provider_name", "topics"},
    "rsc with a named provider": {"provider_id", "topics"},
}
COLUMNS = {"held_on": "date", "minutes": "hours", "provider_id": "provider_email"}


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    filled = fill(sqlite_url)
    yield WebClient(filled)
    settle_all()
    filled.engine.dispose()


@pytest.fixture(params=KINDS)
def sample(request: pytest.FixtureRequest, web: WebClient) -> EntryInput:
    values = {**SAMPLES, "provider_id": web.cast.people[DANA]}
    values["activity"] = request.param.split()[0]
    left_out = KINDS[request.param]
    return EntryInput(**{name: values[name] for name in values if name not in left_out})


def given(entry: EntryInput) -> dict[str, Any]:
    """The fields that are filled."""
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    return {name: value for name, value in values.items() if value not in (None, {})}


def stored(session: Session, web: WebClient) -> EntryInput:
    [entry] = list_entries(session, web.cast.people[ALICE], DAY, DAY)
    return entry_input_of(entry)


def create(web: WebClient, entry: EntryInput) -> LoggedEntry:
    with writing(web.cast.engine) as session:
        context = acting(session, web.cast, ALICE)
        return create_entry(context, web.cast.people[ALICE], entry, EntrySource("key"))


def test_every_field_has_a_sample() -> None:
    fields = {field.name for field in dataclasses.fields(EntryInput)}
    assert set(SAMPLES) == fields
    assert fields | {"id", "person_id", "exclusions"} == set(LoggedEntry._fields)


def test_a_created_entry_is_read_whole(web: WebClient, sample: EntryInput) -> None:
    created = create(web, sample)
    assert entry_input_of(created) == sample
    with reading(web.cast.engine) as session:
        assert stored(session, web) == sample


def test_the_api_takes_and_returns_every_field(web: WebClient, sample: EntryInput) -> None:
    program = Program(web, make(web))
    values = given(sample)
    body = {name: value for name, value in values.items() if name != "provider_id"}
    body["held_on"] = DAY.isoformat()
    # The API's example has a provider; None leaves a field out.
    known = DANA if "provider_id" in values else None
    answer = program.log("key", **{"format": None, **body, "provider_email": known})
    assert answer.status_code == 201, answer.text
    with reading(web.cast.engine) as session:
        assert stored(session, web) == sample
    returned = program.get(f"/entries/{answer.json()['id']}").json()
    provider = returned.pop("provider") or {"id": None, "name": None}
    assert provider["id"] == values.get("provider_id")
    name = "Dana Ruiz" if known else values.get("provider_name")
    assert provider["name"] == name
    body.pop("provider_name", None)
    assert {field: returned[field] for field in body} == body


def cells_of(entry: EntryInput) -> dict[str, str]:
    """The row of entries.csv that describes an entry."""
    cells = {}
    for name, value in given(entry).items():
        column = COLUMNS.get(name, name)
        content = tuple(sorted(value.items())) if name == "topics" else value
        cells[column] = format_cell(column, DANA if name == "provider_id" else content)
    return cells


def test_an_import_stores_every_column(web: WebClient, sample: EntryInput, tmp_path: Path) -> None:
    row = {"email": ALICE, **cells_of(sample)}
    path = tmp_path / "entries.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(row), list(row.values())])
    context = ImportContext(vocabulary_of(BOOKS), NOW.date(), "tests", NOW)
    import_paths(web.cast.engine, [path], context)
    with reading(web.cast.engine) as session:
        assert stored(session, web) == sample


def test_my_data_contains_every_field(web: WebClient, sample: EntryInput) -> None:
    create(web, sample)
    with reading(web.cast.engine) as session:
        person = session.get_one(Person, web.cast.people[ALICE])
        text = b"".join(export_csv(session, EntryRow, person)).decode("utf-8-sig")
    [row] = [row for row in csv.DictReader(text.splitlines()) if row["date"] == DAY.isoformat()]
    expected = cells_of(sample)
    # Another person's address is left out.
    if expected.pop("provider_email", None):
        expected["provider_name"] = "Dana Ruiz"
    assert {column: row[column] for column in expected} == expected
