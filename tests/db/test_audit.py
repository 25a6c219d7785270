"""Audit events."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from tracker.db.audit import Change, record_changes
from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA

NOON = datetime(2024, 6, 30, 12, tzinfo=UTC)


def record(
    url: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> list[tuple[Any, ...]]:
    engine = open_engine(url)
    with writing(engine) as session:
        record_changes(session, [Change("alice@example.org", NOON, "entry", 7, before, after)])
    with reading(engine) as session:
        found = session.connection().execute(select(METADATA.tables["audit_event"])).all()
    engine.dispose()
    return [tuple(row)[1:] for row in found]


def test_an_event_says_who_when_what_before_and_after(database_url: str) -> None:
    before = {"title": "Zoë", "held_on": date(2024, 2, 1)}
    assert record(database_url, before, before | {"title": "Bonds"}) == [
        (
            NOON,
            "alice@example.org",
            "entry",
            7,
            '{"held_on": "2024-02-01", "title": "Zoë"}',
            '{"held_on": "2024-02-01", "title": "Bonds"}',
            None,
        )
    ]


def test_a_new_row_has_no_before_and_a_deleted_one_no_after(database_url: str) -> None:
    assert record(database_url, None, {"minutes": 60})[0][4:6] == (None, '{"minutes": 60}')
    assert record(database_url, {"minutes": 60}, None)[1][4:6] == ('{"minutes": 60}', None)


def test_an_event_names_the_person_of_a_deleted_row(database_url: str) -> None:
    [event] = record(database_url, {"person_id": 4, "minutes": 60}, None)
    assert event[6] == 4


def test_no_change_leaves_no_event(database_url: str) -> None:
    assert record(database_url, {"minutes": 60}, {"minutes": 60}) == []


def test_a_value_without_a_json_form_is_refused(sqlite_url: str) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        record(sqlite_url, None, {"hours": Decimal("1.5")})


def test_the_events_go_with_the_transaction(database_url: str) -> None:
    engine = open_engine(database_url)
    change = Change("alice@example.org", NOON, "entry", 7, None, {"minutes": 60})
    with writing(engine) as session:
        assert record_changes(session, [change, change]) == 2
        session.rollback()
    with reading(engine) as session:
        assert session.connection().execute(select(METADATA.tables["audit_event"])).all() == []
    engine.dispose()
