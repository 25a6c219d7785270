"""What is due when: dates, whatever the clock and daylight saving do."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs.harness import at
from tracker.clock import instant_of
from tracker.jobs.schedule import Due, Job, find_due
from tracker.settings import Schedule, Weekday

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ZONES = [
    "America/New_York",
    "America/Detroit",
    "America/Chicago",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/St_Johns",
    "Pacific/Honolulu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Europe/London",
    "Africa/Casablanca",
]
WEEKDAYS: list[Weekday] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
]


def ticked(schedule: Schedule, job: Job, zone: str, first: datetime, hours: int) -> list[date]:
    """The dates for which the job runs, asked every hour."""
    ran: list[date] = []
    for hour in range(hours):
        owed = find_due(schedule, job, zone, first + hour * HOUR, ran[-1] if ran else None)
        if owed is not None:
            ran += [*owed.missed, owed.local_date]
    return ran


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 12, 23])
def test_a_year_of_hours_holds_each_local_date_once(zone: str, hour: int) -> None:
    schedule = Schedule(evaluate_at=time(hour, 30))
    ran = ticked(schedule, Job.EVALUATE, zone, datetime(2025, 1, 1, tzinfo=UTC), 366 * 24)
    assert all(later - earlier == DAY for earlier, later in pairwise(ran))
    assert len(ran) >= 366


@pytest.mark.parametrize("zone", ZONES)
def test_ten_years_of_days_hold_each_local_date_once(zone: str) -> None:
    schedule = Schedule()
    ran: list[date] = []
    for day in range(3653):
        # The hours drift, so that each is tried on each side of each change of the clock.
        now = datetime(2020, 1, 1, tzinfo=UTC) + day * DAY + (day * 7 % 24) * HOUR
        owed = find_due(schedule, Job.EVALUATE, zone, now, ran[-1] if ran else None)
        if owed is not None:
            ran += [*owed.missed, owed.local_date]
    assert all(later - earlier == DAY for earlier, later in pairwise(ran))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("weekday", WEEKDAYS)
def test_digests_fall_on_the_weekday_of_the_configuration(zone: str, weekday: Weekday) -> None:
    schedule = Schedule(digest_on=weekday)
    ran = ticked(schedule, Job.DIGEST, zone, datetime(2025, 3, 1, tzinfo=UTC), 60 * 24)
    assert {day.strftime("%A").lower() for day in ran} == {weekday}
    assert all(later - earlier == 7 * DAY for earlier, later in pairwise(ran))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2024-12-02 07:59", date(2024, 11, 25)),
        ("2024-12-02 08:00", date(2024, 12, 2)),
        ("2024-12-08 23:59", date(2024, 12, 2)),
    ],
)
def test_a_digest_is_due_from_its_hour_on_monday(now: str, expected: date) -> None:
    assert find_due(Schedule(), Job.DIGEST, "America/New_York", at(now), None) == Due(expected, ())


def test_a_job_is_due_at_its_minute_and_not_a_second_before() -> None:
    now = at("2024-12-02 07:00")
    yesterday = date(2024, 12, 1)
    zone = "America/New_York"
    assert find_due(Schedule(), Job.NOTICES, zone, now - timedelta(seconds=1), yesterday) is None
    assert find_due(Schedule(), Job.NOTICES, zone, now, yesterday) == Due(
        date(2024, 12, 2), (), last=yesterday
    )


def test_an_hour_that_the_clock_skips_is_taken_as_before_the_change() -> None:
    # At 02:00 it was 03:00 at once: 02:30 is 03:30 in the new time.
    moment = instant_of(date(2025, 3, 9), time(2, 30), "America/New_York")
    assert moment == datetime(2025, 3, 9, 7, 30, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_the_first() -> None:
    moment = instant_of(date(2025, 11, 2), time(1, 30), "America/New_York")
    assert moment == datetime(2025, 11, 2, 5, 30, tzinfo=UTC)


def test_the_second_half_of_a_doubled_hour_runs_nothing_again() -> None:
    schedule = Schedule(evaluate_at=time(1, 30))
    first = datetime(2025, 11, 2, 5, 30, tzinfo=UTC)
    zone = "America/New_York"
    owed = find_due(schedule, Job.EVALUATE, zone, first, date(2025, 11, 1))
    assert owed == Due(date(2025, 11, 2), (), last=date(2025, 11, 1))
    assert find_due(schedule, Job.EVALUATE, zone, first + HOUR, date(2025, 11, 2)) is None


def test_missed_dates_are_named_oldest_first() -> None:
    last = date(2024, 12, 1)
    owed = find_due(Schedule(), Job.NOTICES, "America/New_York", at("2024-12-05"), last)
    missed = (date(2024, 12, 2), date(2024, 12, 3), date(2024, 12, 4))
    assert owed == Due(date(2024, 12, 5), missed, last)


def test_missed_digests_are_the_missed_weeks() -> None:
    last = date(2024, 11, 25)
    owed = find_due(Schedule(), Job.DIGEST, "America/New_York", at("2024-12-18"), last)
    assert owed == Due(date(2024, 12, 16), (date(2024, 12, 2), date(2024, 12, 9)), last)


def test_a_first_run_has_missed_nothing() -> None:
    owed = find_due(Schedule(), Job.NOTICES, "America/New_York", at("2024-12-05"), None)
    assert owed == Due(date(2024, 12, 5), ())


def test_a_clock_that_goes_back_makes_nothing_due() -> None:
    owed = find_due(
        Schedule(), Job.NOTICES, "America/New_York", at("2024-12-03"), date(2024, 12, 5)
    )
    assert owed is None


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
    st.sampled_from(ZONES),
    st.times(),
    st.sampled_from(list(Job)),
)
def test_the_latest_date_is_the_last_whose_moment_has_come(
    naive: datetime, zone: str, moment: time, job: Job
) -> None:
    now = naive.replace(tzinfo=UTC)
    schedule = Schedule(evaluate_at=moment, notices_at=moment, digest_at=moment)
    owed = find_due(schedule, job, zone, now, None)
    assert owed is not None
    step = 7 * DAY if job is Job.DIGEST else DAY
    assert instant_of(owed.local_date, moment, zone) <= now
    assert instant_of(owed.local_date + step, moment, zone) > now
    assert owed.local_date <= now.astimezone(ZoneInfo(zone)).date()
