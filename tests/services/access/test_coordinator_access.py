"""Which entries and files coordinators may see: those of their association's time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, Cast
from tracker.db.applications import Application
from tracker.db.people import Endorsement
from tracker.services.coordinator_access import (
    AccessWindow,
    access_windows,
    sees_entry,
    sees_file,
)

JUNE = date(2026, 6, 30)
DAY = timedelta(days=1)
# The end of June 30 where CT-AIMH is.
MIDNIGHT = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
HELD = AccessWindow("CT-AIMH", held_to=JUNE)
DECIDED = AccessWindow("CT-AIMH", held_to=JUNE, added_to=JUNE)
UNLIMITED = AccessWindow("NCIMHA")


def test_endorsements_and_applications_open_windows(session: Session, cast: Cast) -> None:
    common: dict[str, Any] = {
        "person_id": cast.people[ALICE],
        "association": "CT-AIMH",
        "category": "IFS",
    }
    session.add(Endorsement(**common, starts_on=date(2018, 3, 1), ends_on=JUNE))
    for opened_on, state, decided_on in (
        (date(2026, 5, 1), "declined", JUNE),
        (date(2026, 8, 1), "open", None),
    ):
        session.add(Application(**common, opened_on=opened_on, state=state, decided_on=decided_on))
    session.flush()
    alice = cast.people[ALICE]
    assert access_windows(session, alice, ["NCIMHA"]) == [UNLIMITED]
    undecided = AccessWindow("CT-AIMH")
    assert access_windows(session, alice, ["CT-AIMH"]) == [HELD, undecided, DECIDED]
    assert len(access_windows(session, alice, ["CT-AIMH", "NCIMHA"])) == 4
    assert access_windows(session, cast.people[BOB], ["CT-AIMH"]) == []


@pytest.mark.parametrize(
    ("windows", "held_on", "is_visible"),
    [
        ([], JUNE, False),
        ([HELD], JUNE, True),
        ([HELD], JUNE + DAY, False),
        ([HELD, UNLIMITED], JUNE + DAY, True),
        # A decided application shows files, but no entries.
        ([DECIDED], JUNE, False),
    ],
)
def test_entries_are_visible_through_the_last_day(
    windows: list[AccessWindow], held_on: date, *, is_visible: bool
) -> None:
    assert sees_entry(windows, held_on) == is_visible


@pytest.mark.parametrize(
    ("windows", "held_on", "added_at", "is_visible"),
    [
        ([], JUNE, MIDNIGHT - DAY, False),
        ([HELD], JUNE, MIDNIGHT + DAY, True),
        ([HELD], JUNE + DAY, MIDNIGHT - DAY, False),
        ([DECIDED], JUNE, MIDNIGHT - timedelta(seconds=1), True),
        ([DECIDED], JUNE, MIDNIGHT, False),
        ([DECIDED], JUNE + DAY, MIDNIGHT - DAY, False),
        ([DECIDED, UNLIMITED], JUNE + DAY, MIDNIGHT, True),
        ([DECIDED, UNLIMITED], JUNE, MIDNIGHT, True),
    ],
)
def test_files_are_visible_if_a_decision_had_them(
    windows: list[AccessWindow], held_on: date, added_at: datetime, *, is_visible: bool
) -> None:
    assert sees_file(BOOKS, windows, held_on, added_at) == is_visible


def test_days_are_utc_without_a_rulebook() -> None:
    window = AccessWindow("GONE", held_to=JUNE, added_to=JUNE)
    midnight = datetime(2026, 7, 1, tzinfo=UTC)
    assert sees_file(BOOKS, [window], JUNE, midnight - timedelta(seconds=1))
    assert not sees_file(BOOKS, [window], JUNE, midnight)
