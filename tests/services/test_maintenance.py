"""Maintenance mode: its beginning, its text, and its end."""

from datetime import timedelta

from sqlmodel import Session

from tests.support.cast import NOW
from tracker.db.operations import Maintenance
from tracker.services.maintenance import end_maintenance, find_maintenance, start_maintenance


def test_maintenance_keeps_its_beginning_until_it_ends(session: Session) -> None:
    assert find_maintenance(session) is None
    assert not end_maintenance(session)
    started = start_maintenance(session, NOW, None, " We  move\n house ")
    assert started.model_dump() == {
        "id": 1,
        "since": NOW,
        "ends_at": None,
        "message": "We move house",
    }
    later = NOW + timedelta(hours=1)
    changed = start_maintenance(session, later, later, "Longer")
    expected = Maintenance(id=1, since=NOW, ends_at=later, message="Longer")
    assert changed.model_dump() == expected.model_dump()
    assert find_maintenance(session) is changed
    assert end_maintenance(session)
    assert start_maintenance(session, later, None, "").since == later
