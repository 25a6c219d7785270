"""The legal day on which an instant falls, and the one clock."""

from datetime import UTC, date, datetime

import pytest
from freezegun import freeze_time

from tracker.clock import local_day, now, today


@pytest.mark.parametrize(
    ("instant", "time_zone", "day"),
    [
        ("2025-01-01T04:59:59+00:00", "America/New_York", "2024-12-31"),
        ("2025-01-01T05:00:00+00:00", "America/New_York", "2025-01-01"),
        ("2025-01-01T05:00:00+00:00", "America/Chicago", "2024-12-31"),
        # In summer midnight comes an hour earlier in UTC.
        ("2025-07-01T03:59:59+00:00", "America/Detroit", "2025-06-30"),
        ("2025-07-01T04:00:00+00:00", "America/Detroit", "2025-07-01"),
        # The nights in which the clocks change.
        ("2025-03-09T04:59:59+00:00", "America/New_York", "2025-03-08"),
        ("2025-03-10T04:00:00+00:00", "America/New_York", "2025-03-10"),
        ("2025-11-03T04:59:59+00:00", "America/New_York", "2025-11-02"),
        ("2025-11-03T05:00:00+00:00", "America/New_York", "2025-11-03"),
        # An instant may come in any zone.
        ("2025-01-01T00:30:00+14:00", "UTC", "2024-12-31"),
    ],
)
def test_an_instant_falls_on_a_legal_day(instant: str, time_zone: str, day: str) -> None:
    assert local_day(datetime.fromisoformat(instant), time_zone) == date.fromisoformat(day)


def test_a_naive_instant_is_refused() -> None:
    naive = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="needs a time zone"):
        local_day(naive, "America/New_York")


def test_now_is_aware_and_in_utc() -> None:
    with freeze_time("2025-01-01T03:00:00"):
        assert now() == datetime(2025, 1, 1, 3, tzinfo=UTC)
        assert now().tzinfo is UTC


def test_today_is_another_day_elsewhere() -> None:
    with freeze_time("2025-01-01T03:00:00"):
        assert today("America/New_York") == date(2024, 12, 31)
        assert today("Europe/Berlin") == date(2025, 1, 1)
