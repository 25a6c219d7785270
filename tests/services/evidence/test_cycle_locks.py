"""Until when an entry may be written: to the end of grace of some cycle that holds its day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOOKS, ERIN, NOW, Cast, fill
from tests.support.referees import apply
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.services.endorsements import CycleLock, load_person_locks


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def closed(cast: Cast, email: str, day: date, at: datetime = NOW) -> CycleLock | None:
    with reading(cast.engine) as session:
        return load_person_locks(session, BOOKS, cast.people[email], at).lock_on(day)


def add(cast: Cast, table: str, **values: object) -> None:
    with writing(cast.engine) as session:
        session.connection().execute(insert(METADATA.tables[table]).values(**values))


def test_a_cycle_is_open_to_the_end_of_its_last_day_of_grace(cast: Cast) -> None:
    day = date(2025, 12, 31)
    # The association's day ends at five in the morning, as the clock of the world says it.
    assert closed(cast, ALICE, day, datetime(2026, 2, 1, 4, 59, tzinfo=UTC)) is None
    found = closed(cast, ALICE, day, datetime(2026, 2, 1, 5, 0, tzinfo=UTC))
    assert found is not None
    assert (found.association, found.cycle.starts_on.year, found.grace_ends_on) == (
        "NCIMHA",
        2025,
        date(2026, 1, 31),
    )


def test_the_current_cycle_and_the_time_before_the_endorsement_are_open(cast: Cast) -> None:
    assert closed(cast, ALICE, date(2026, 1, 1)) is None
    assert closed(cast, ALICE, date(2023, 12, 31)) is None
    assert closed(cast, ALICE, date(2024, 1, 1)) is not None


def test_an_extension_opens_its_cycle_again(cast: Cast) -> None:
    add(cast, "renewal", endorsement_id=cast.endorsements[ALICE], reason="illness",
        cycle_starts_on=date(2025, 1, 1), extended_due_on=date(2026, 11, 1))  # fmt: skip
    assert closed(cast, ALICE, date(2025, 6, 1)) is None
    assert closed(cast, ALICE, date(2024, 6, 1)) is not None


def test_one_open_cycle_keeps_a_day_open(cast: Cast) -> None:
    add(cast, "endorsement", person_id=cast.people[ALICE], association="CT-AIMH", category="IFS",
        starts_on=date(2024, 3, 1))  # fmt: skip
    add(cast, "renewal", endorsement_id=cast.endorsements[ALICE] + 3, reason="illness",
        cycle_starts_on=date(2025, 1, 1), extended_due_on=date(2026, 12, 1))  # fmt: skip
    assert closed(cast, ALICE, date(2025, 6, 1)) is None


def test_an_application_keeps_every_day_open(cast: Cast) -> None:
    with writing(cast.engine) as session:
        apply(session, cast.people[ALICE], association="NCIMHA")
    assert closed(cast, ALICE, date(2025, 6, 1)) is None


def test_a_day_without_a_cycle_is_open(cast: Cast) -> None:
    assert closed(cast, ERIN, date(2025, 6, 1)) is None
