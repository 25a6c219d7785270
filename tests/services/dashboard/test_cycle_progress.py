"""How many renewals of a cycle were complete on each day, beside those of the cycle before."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlmodel import Session, col, select

from tests.rules.case_data import IMAGINED, CasePeople, insert_row
from tracker.db.engine import open_engine
from tracker.db.ledgers import RunRow
from tracker.db.people import Person
from tracker.services.cycle_progress import CycleProgress, ProgressPoint, read_cycle_progress

# Calendar years since 2023.
YEARLY = IMAGINED.associations["PROVIDING"]
JANUARY_12 = date(2026, 1, 12)


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    engine = open_engine(database_url)
    with Session(engine) as session:
        yield session
        session.rollback()
    engine.dispose()


def read(session: Session, today: date) -> CycleProgress:
    progress = read_cycle_progress(session, YEARLY, today)
    assert progress
    return progress


def run(session: Session, day: date, association: str = YEARLY.id) -> None:
    """Store that a job ran for an association on a day."""
    at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    key = {"job": "renewals", "association": association, "local_date": day}
    session.add(RunRow.model_validate({**key, "started_at": at, "finished_at": at, "report": "{}"}))


def enroll(
    session: Session,
    year: int,
    complete_since: date | None = None,
    *,
    endorsed_on: str = "2015-03-01",
    association: str = YEARLY.id,
    status: str = "open",
) -> None:
    """Store the standing of an endorsee's renewal for a year."""
    people = CasePeople(session)
    number = len(session.exec(select(col(Person.id))).all())
    people.add(f"P{number}", [f"{association} IFS {endorsed_on}"])
    last_day = date(year, 12, 31)
    insert_row(
        session,
        "standing",
        endorsement_id=people.endorsements.popitem()[1],
        cycle_starts_on=date(year, 1, 1),
        cycle_ends_on=last_day,
        due_on=None if status == "no rules" else last_day,
        association=association,
        status="met" if complete_since else status,
        status_since=complete_since or date(year, 1, 5),
        requirements="[]",
        judged_on=JANUARY_12,
        rules_digest="",
        short_minutes=0,
    )


@pytest.mark.parametrize(
    ("today", "days"),
    [
        (1, [1]),
        (2, [1, 2]),
        (12, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (13, [1, 3, 5, 7, 9, 11, 13]),
        (14, [2, 4, 6, 8, 10, 12, 14]),
        (24, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]),
    ],
)
def test_points_are_spread_and_end_with_today(
    session: Session, today: int, days: list[int]
) -> None:
    progress = read(session, date(2026, 1, today))
    assert [point.day for point in progress.points] == [date(2026, 1, day) for day in days]
    assert [point.day_before for point in progress.points] == [date(2025, 1, day) for day in days]


def test_a_leap_day_is_beside_the_last_day_of_the_year_before(session: Session) -> None:
    progress = read(session, date(2028, 12, 31))
    assert progress.points[-1].day_before == date(2027, 12, 31)


def test_complete_renewals_are_counted_by_day(session: Session) -> None:
    run(session, date(2020, 1, 1))
    enroll(session, 2026)
    enroll(session, 2026, date(2025, 12, 20))
    enroll(session, 2026, date(2026, 1, 1))
    enroll(session, 2026, date(2026, 1, 5))
    enroll(session, 2026, date(2026, 1, 5), endorsed_on="2026-01-08")
    enroll(session, 2026, date(2026, 1, 11), endorsed_on="2026-01-08")
    enroll(session, 2025, date(2025, 1, 2))
    enroll(session, 2025)
    # Of none of the two cycles, of another association, and without rules.
    enroll(session, 2024, date(2024, 1, 2))
    enroll(session, 2026, date(2026, 1, 2), association="ADDING")
    enroll(session, 2026, status="no rules")

    progress = read(session, JANUARY_12)
    assert progress.recorded_from == date(2020, 1, 1)
    assert (progress.cycle.starts_on.year, progress.before.starts_on.year) == (2026, 2025)
    assert [point.this for point in progress.points] == [
        *[(2, 4)] * 4,
        *[(3, 4)] * 3,
        *[(4, 6)] * 3,
        *[(5, 6)] * 2,
    ]
    assert [point.last for point in progress.points] == [(0, 2), *[(1, 2)] * 11]
    end = read(session, date(2026, 12, 31)).points[-1]
    assert end == ProgressPoint(date(2026, 12, 31), date(2025, 12, 31), (5, 6), (1, 2))


@pytest.mark.parametrize(
    ("first_run", "this", "last"),
    [
        (None, 0, 0),
        (date(2026, 1, 11), 2, 0),
        (date(2026, 1, 1), 12, 0),
        (date(2025, 1, 11), 12, 2),
        (date(2025, 1, 1), 12, 12),
    ],
)
def test_days_before_the_first_evaluation_are_empty(
    session: Session, first_run: date | None, this: int, last: int
) -> None:
    enroll(session, 2025)
    enroll(session, 2026)
    run(session, date(2020, 1, 1), "ADDING")
    if first_run:
        run(session, first_run)
    progress = read(session, JANUARY_12)
    assert progress.recorded_from == first_run
    assert sum(point.this == (0, 1) for point in progress.points) == this
    assert sum(point.last == (0, 1) for point in progress.points) == last
    assert sum(point.this is None for point in progress.points) == 12 - this
    assert sum(point.last is None for point in progress.points) == 12 - last
    assert progress.has_records == bool(this)
    assert progress.has_comparison == bool(last)


@pytest.mark.parametrize(("year", "has_comparison"), [(2025, True), (2026, False)])
def test_one_cycle_with_renewals_is_a_record(
    session: Session, year: int, *, has_comparison: bool
) -> None:
    run(session, date(2020, 1, 1))
    enroll(session, year)
    progress = read(session, JANUARY_12)
    assert (progress.has_records, progress.has_comparison) == (True, has_comparison)
    assert {point.this for point in progress.points} == {None if has_comparison else (0, 1)}


@pytest.mark.parametrize(
    ("association", "today"),
    [
        ("ANNIVERSARY", JANUARY_12),
        ("APPLYING", JANUARY_12),
        # Without a cycle, without one before, and after cycles of each person's own.
        ("ADDING", date(2019, 6, 1)),
        ("ADDING", date(2020, 6, 1)),
        ("LEAP", date(2030, 6, 1)),
    ],
)
def test_without_two_common_cycles_there_is_no_progress(
    session: Session, association: str, today: date
) -> None:
    assert read_cycle_progress(session, IMAGINED.associations[association], today) is None


def test_cycles_before_and_after_a_change_are_compared(session: Session) -> None:
    progress = read_cycle_progress(session, IMAGINED.associations["CHANGING"], date(2025, 3, 1))
    assert progress
    assert (progress.cycle.starts_on, progress.cycle.ends_on) == (
        date(2025, 1, 1),
        date(2027, 12, 31),
    )
    assert (progress.before.starts_on, progress.before.ends_on) == (
        date(2024, 1, 1),
        date(2024, 12, 31),
    )


def test_cycles_of_each_endorsement_are_not_compared(session: Session) -> None:
    first_day = date(2026, 1, 1)
    [own] = IMAGINED.associations["ANNIVERSARY"].cycles
    own = own.model_copy(update={"starts_from": first_day})
    rulebook = YEARLY.model_copy(update={"cycles": (*YEARLY.cycles, own)})
    assert read_cycle_progress(session, rulebook, first_day) is None
    assert read_cycle_progress(session, rulebook, date(2025, 12, 31)) is not None
