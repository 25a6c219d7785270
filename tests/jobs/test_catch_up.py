"""After an outage of any length, and whatever the clock does: each step once, none lost."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.jobs.harness import NEW_YORK, JobHarness, at
from tracker.jobs.schedule import Job

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
AUTUMN = at("2024-09-15")
STEPS = (-90, -60, -30, -14, -7, -1, 1, 14)


@contextmanager
def alices_desk(migrated: Path) -> Iterator[JobHarness]:
    """A desk of its own for each example: Alice lacks hours, this year and every year."""
    with TemporaryDirectory() as folder:
        for file in migrated.parent.glob(f"{migrated.name}*"):
            shutil.copy(file, Path(folder) / file.name)
        jobs = JobHarness(f"sqlite:///{folder}/{migrated.name}")
        try:
            jobs.add_alice(AUTUMN)
            yield jobs
        finally:
            jobs.engine.dispose()


class Expected(NamedTuple):
    """What an oracle that knows only the calendar says of Alice."""

    decided: set[tuple[str, int, date]]
    sent: list[tuple[str, int, date]]
    mails: int


def oracle(instants: Sequence[datetime]) -> Expected:
    """Work out the decisions from the steps in notices.toml, without any of the tracker's code."""
    decided: set[tuple[str, int, date]] = set()
    sent: list[tuple[str, int, date]] = []
    mails = 0
    last = date.min
    for instant in instants:
        local = instant.astimezone(ZoneInfo(NEW_YORK))
        today = local.date()
        due_for = today if local.hour >= 7 else today - DAY
        if due_for <= last:
            continue
        last = due_for
        news = []
        for year in (today.year - 1, today.year):
            if year >= 2023:
                news += _news(date(year, 12, 31), today, decided)
        news += _membership(today, decided)
        mails += bool(news)
        sent += news
    return Expected(decided, sent, mails)


def _news(
    due_on: date, today: date, decided: set[tuple[str, int, date]]
) -> list[tuple[str, int, date]]:
    lapses_on = due_on + 32 * DAY
    reached = [("renewal", step, due_on) for step in STEPS if due_on + step * DAY <= today]
    if today >= lapses_on:
        reached.append(("lapse", 32, due_on))
    new = [key for key in reached if key not in decided]
    decided.update(new)
    if not new or new[-1] != reached[-1]:
        return []
    kind, step, _ = new[-1]
    late = (today - due_on).days - step
    return [new[-1]] if late <= 60 and (kind == "lapse" or today < lapses_on) else []


def _membership(today: date, decided: set[tuple[str, int, date]]) -> list[tuple[str, int, date]]:
    """Hers ends with 2026; a cycle that begins later no longer knows of it."""
    until = date(2026, 12, 31)
    if today.year > 2027:
        return []
    reached = [("membership", s, until) for s in (-30, -7, 1) if until + s * DAY <= today]
    new = [key for key in reached if key not in decided]
    decided.update(new)
    if not new or new[-1] != reached[-1] or (today - until).days - new[-1][1] > 60:
        return []
    return [new[-1]]


def check(jobs: JobHarness, instants: Sequence[datetime]) -> None:
    expected = oracle(instants)
    rows = jobs.decisions(category="IFS")
    keys = [(row["kind"], row["step"], row["due_on"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert set(keys) == expected.decided
    assert [
        (row["kind"], row["step"], row["due_on"]) for row in rows if row["outcome"] == "sent"
    ] == expected.sent
    assert all(row["reason"] for row in rows if row["outcome"] == "skipped")
    mails = jobs.mails()
    assert len(mails) == expected.mails
    assert len({mail.dedupe_key for mail in mails}) == len(mails)
    assert {row["message_id"] for row in rows} - {None} == {mail.message_id for mail in mails}


gaps = st.integers(1, 400 * 24 * 60).map(lambda minutes: minutes * MINUTE)
quickly = settings(
    max_examples=int(os.environ.get("TRACKER_TEST_EXAMPLES", "12")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@quickly
@given(
    start=st.integers(0, 120).map(lambda days: at("2024-09-16 07:00") + days * DAY),
    gap=gaps,
)
@example(start=at("2024-12-30 07:00"), gap=MINUTE)
@example(start=at("2024-12-30 07:00"), gap=400 * DAY)
@example(start=at("2024-12-01 07:00"), gap=62 * DAY)
def test_after_any_outage_there_is_one_mail_and_no_date_missing(
    migrated_sqlite: Path, start: datetime, gap: timedelta
) -> None:
    back = start + gap
    with alices_desk(migrated_sqlite) as jobs:
        jobs.run(start)
        before = len(jobs.mails())
        jobs.run(back, back + MINUTE)
        check(jobs, [start, back, back + MINUTE])
        assert len(jobs.mails()) - before <= 1
        for job, hour in (("evaluate", 2), ("notices", 7)):
            assert jobs.runs(job, "NCIMHA") == days_between(start, back + MINUTE, hour)


def days_between(first: datetime, last: datetime, hour: int) -> list[date]:
    """Each local day whose hour came, from that of the first run to that of the last."""
    ends = []
    for instant in (first, last):
        local = instant.astimezone(ZoneInfo(NEW_YORK))
        ends.append(local.date() - DAY * (local.hour < hour))
    return [ends[0] + number * DAY for number in range((ends[1] - ends[0]).days + 1)]


# Daylight saving nights, a leap day, the due date and the ends of the year.
MOMENTS = [
    at("2024-11-03 01:30"),
    at("2024-12-31 23:59"),
    at("2025-01-01 00:00"),
    at("2025-03-09 01:59"),
    at("2025-03-09 03:00"),
    at("2024-12-30 07:00"),
    at("2025-02-01 07:00"),
]
jumps = st.one_of(
    st.integers(-2 * 24 * 60, 2 * 24 * 60),
    st.integers(0, 40 * 24 * 60),
    st.sampled_from([0, 1, -1, 60, -60, 24 * 60, -24 * 60]),
)


@quickly
@given(start=st.sampled_from(MOMENTS), minutes=st.lists(jumps, min_size=1, max_size=25))
def test_whatever_the_clock_does_each_step_is_decided_once(
    migrated_sqlite: Path, start: datetime, minutes: list[int]
) -> None:
    instants = [start]
    for jump in minutes:
        instants.append(max(instants[-1] + jump * MINUTE, AUTUMN))
    with alices_desk(migrated_sqlite) as jobs:
        jobs.run(*instants)
        check(jobs, instants)


def test_a_leap_day_is_a_day_like_others(sqlite_jobs: JobHarness) -> None:
    leap = datetime(2028, 2, 27, 17, tzinfo=UTC)
    days = [leap + number * DAY for number in range(4)]
    sqlite_jobs.run(*days)
    assert sqlite_jobs.runs("notices", "NCIMHA") == [
        date(2028, 2, 27),
        date(2028, 2, 28),
        date(2028, 2, 29),
        date(2028, 3, 1),
    ]


def test_a_second_run_at_the_same_instant_changes_nothing(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(at("2024-12-02"))
    before = jobs.everything()
    assert jobs.run(at("2024-12-02"), at("2024-12-02 09:01"), at("2024-12-01")) == []
    assert jobs.everything() == before


def test_the_run_after_an_outage_says_what_it_caught_up(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(at("2024-11-25"))
    ran = {(r.job, r.association): r for r in jobs.run(at("2024-12-10"))}
    missed = ran[Job.NOTICES, "NCIMHA"].due.missed
    assert missed == tuple(date(2024, 11, 26) + number * DAY for number in range(14))
    assert ran[Job.DIGEST, "NCIMHA"].due.local_date == date(2024, 12, 9)
    assert ran[Job.DIGEST, "NCIMHA"].due.missed == (date(2024, 12, 2),)
    assert len(jobs.mails("digest")) == 2 * len({r.association for r in ran.values()})


def test_a_step_missed_while_down_is_recorded_with_its_reason(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(at("2024-11-25"))
    sqlite_jobs.run(at("2024-12-20"))
    assert sqlite_jobs.sent()[-1] == "renewal -14 2024-12-31"
    [thirty] = [step for step in sqlite_jobs.steps() if step.what == "renewal -30 2024-12-31"]
    assert thirty.reason == "a later step was due as well"


@pytest.mark.parametrize("minutes", [1, 60, 24 * 60, 400 * 24 * 60])
def test_nobody_gets_two_mails_however_long_it_was_down(
    sqlite_jobs: JobHarness, minutes: int
) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(at("2024-12-17"))
    before = len(sqlite_jobs.mails())
    back = at("2024-12-17") + minutes * MINUTE
    sqlite_jobs.run(back, back, back + MINUTE)
    assert len(sqlite_jobs.mails()) - before <= 1
