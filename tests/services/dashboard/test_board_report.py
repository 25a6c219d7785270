"""The report for the board: its sums reconcile with what is stored."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from tests.rules.case_data import IMAGINED, populate
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, NOW, Cast, fill
from tests.support.databases import copy_sqlite
from tests.support.held import settle_last_year
from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.rules.movements import Movement, MovementCounts
from tracker.services.board_report import (
    ACTIVITIES,
    NOT_ENDORSED,
    HoursReport,
    ReportPeriod,
    count_hours,
    count_movements,
    name_movements,
)
from tracker.services.evaluation import evaluate_people

TODAY = NOW.date()
LAST_YEAR = ReportPeriod("NCIMHA", date(2025, 1, 1), date(2025, 12, 31))
THIS_YEAR = ReportPeriod("NCIMHA", date(2026, 1, 1), TODAY)
DAYS = st.dates(date(2023, 1, 1), date(2027, 3, 1))


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def movements(cast: Cast, period: ReportPeriod) -> MovementCounts:
    with reading(cast.engine) as session:
        return count_movements(session, BOOKS, period).total


def hours(cast: Cast, period: ReportPeriod) -> HoursReport:
    with reading(cast.engine) as session:
        return count_hours(session, BOOKS, period, TODAY)


def log(cast: Cast, email: str, held_on: date, minutes: int, **more: object) -> None:
    with writing(cast.engine) as session:
        values = {"activity": "training", "title": "Course", "person_id": cast.people[email]}
        values |= {"held_on": held_on, "minutes": minutes} | more
        session.connection().execute(insert(METADATA.tables["entry"]).values(values))


def test_hours_beyond_a_cap_are_not_counted(database_url: str) -> None:
    """At most 6 hours among peers, and 15 of self-study, count in the three years."""
    case = {
        "endorsed": ["FORMATS IFS 2020-05-01"],
        "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
        "entries": [
            "rsc 4:00 peer 2025-03-01 with Frances",
            "rsc 5:00 peer 2026-03-01 with Frances",
            "rsc 1:00 individual 2026-03-02 with Frances",
            "training 20:00 SELF-STUDY 18:00 2026-04-01",
        ],
    }
    engine = open_engine(database_url)
    with writing(engine) as session:
        people = populate(session, IMAGINED, case)
        evaluate_people(session, IMAGINED, people.ids.values(), NOW)
        first = ReportPeriod("FORMATS", date(2025, 1, 1), date(2025, 12, 31))
        second = ReportPeriod("FORMATS", date(2026, 1, 1), TODAY)
        before = count_hours(session, IMAGINED, first, TODAY)
        report = count_hours(session, IMAGINED, second, TODAY)
    engine.dispose()
    assert (before.counted, before.uncounted) == ({"training": 0, "rsc": 240}, ())
    assert report.logged == {"training": 1200, "rsc": 360}
    assert report.counted == {"training": 1020, "rsc": 180}
    assert [tuple(one) for one in report.uncounted] == [
        ("training", "topic_cap", 180, 1, 1),
        ("rsc", "format_cap", 180, 1, 1),
    ]


def test_settled_lapse_is_counted_and_named(cast: Cast) -> None:
    """Bob logged nothing in 2025; the grace period ended on January 31."""
    with writing(cast.engine) as session:
        settle_last_year(session, cast, BOB)
    assert movements(cast, LAST_YEAR) == MovementCounts(opening=2, closing=2)
    assert movements(cast, THIS_YEAR) == MovementCounts(opening=2, lapsed=1, closing=1)
    with reading(cast.engine) as session:
        [one] = name_movements(session, count_movements(session, BOOKS, THIS_YEAR).events)
    assert (one.name, one.email, one.event.movement, one.event.day) == (
        "Bob Osei",
        BOB,
        Movement.LAPSED,
        date(2026, 2, 1),
    )


def test_other_categories_are_left_out(cast: Cast) -> None:
    assert movements(cast, THIS_YEAR._replace(category="IMHS")) == MovementCounts()
    assert hours(cast, THIS_YEAR._replace(category="IMHS")).entries == 0


def test_other_associations_are_left_out(cast: Cast) -> None:
    before = hours(cast, THIS_YEAR)
    log(cast, "erin@example.org", TODAY, 600)
    assert hours(cast, THIS_YEAR) == before


def test_hours_outside_of_an_endorsement_say_so(cast: Cast) -> None:
    log(cast, ALICE, date(2023, 5, 1), 120)
    report = hours(cast, ReportPeriod("NCIMHA", date(2023, 1, 1), date(2023, 12, 31)))
    assert (report.logged["training"], report.counted["training"]) == (120, 0)
    assert [(one.code, one.minutes) for one in report.uncounted] == [(NOT_ENDORSED, 120)]


def test_unconfirmed_provider_is_a_reason(cast: Cast) -> None:
    counted = hours(cast, THIS_YEAR).counted["rsc"]
    log(cast, BOB, TODAY, 90, activity="rsc", title="", provider_name="Jo Hart")
    report = hours(cast, THIS_YEAR)
    assert report.counted["rsc"] == counted
    # An hour of Alice's with the same unconfirmed provider was there before.
    assert [one[:5] for one in report.uncounted] == [("rsc", "unconfirmed", 150, 2, 2)]


def test_excluded_sessions_do_not_count(cast: Cast) -> None:
    before = hours(cast, THIS_YEAR)
    with writing(cast.engine) as session:
        decision = {
            "person_id": cast.people[ALICE],
            "entry_id": cast.entries["training"],
            "association": "NCIMHA",
            "kind": "excluded",
            "title": "Infant mental health week",
            "held_on": date(2026, 5, 2),
            "minutes": 990,
            "reason": "A staff meeting",
            "decided_at": NOW,
            "decided_by": CAROL,
        }
        session.connection().execute(insert(METADATA.tables["entry_decision"]).values(decision))
    after = hours(cast, THIS_YEAR)
    assert after.logged == before.logged
    assert after.counted["training"] == before.counted["training"] - 990
    assert ("training", "excluded", 990) in {u[:3] for u in after.uncounted}


def test_counted_hours_are_those_of_the_standing(cast: Cast) -> None:
    """Alice is short of 3.5 of 12 RSC hours, and nobody else has any."""
    assert hours(cast, THIS_YEAR).counted["rsc"] == 12 * 60 - 210


def test_single_days_add_up_to_the_year(cast: Cast) -> None:
    """Alice's provider and Bob's endorsement end in the year, so not all of their hours count."""
    with writing(cast.engine) as session:
        for table, person_id in (("vetting", cast.people[DANA]), ("endorsement", cast.people[BOB])):
            rows = METADATA.tables[table]
            held = rows.update().where(rows.c.person_id == person_id)
            session.connection().execute(held.values(ends_on=date(2026, 7, 1)))
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    for month in (6, 7, 8):
        log(cast, BOB, date(2026, month, 2), 60)
    year = hours(cast, THIS_YEAR)
    assert [(one.activity, one.code, one.minutes) for one in year.uncounted] == [
        ("training", NOT_ENDORSED, 60 * 2),
        ("rsc", "credential_ended", 90 + 60),
        ("rsc", "unconfirmed", 60),
    ]
    held_on = {row["held_on"] for row in cast.rows("entry") if row["held_on"].year == TODAY.year}
    days = [hours(cast, THIS_YEAR._replace(first=day, last=day)) for day in held_on]
    for activity in ACTIVITIES:
        assert year.counted[activity] == sum(day.counted[activity] for day in days)


entries = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB]),
        DAYS,
        st.integers(1, 480),
        st.sampled_from(["training", "confirmed", "named", "nobody"]),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def shared_cast(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return fill(copy_sqlite(migrated_sqlite, tmp_path_factory.mktemp("report")))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(logged=entries, ends_on=st.none() | DAYS, days=st.tuples(DAYS, DAYS, DAYS))
def test_sums_reconcile(
    shared_cast: Cast,
    logged: list[tuple[str, date, int, str]],
    ends_on: date | None,
    days: tuple[date, date, date],
) -> None:
    cast = shared_cast
    set_facts(cast, logged, ends_on)
    first, middle, last = sorted(days)
    whole = ReportPeriod("NCIMHA", first, last)
    parts = [whole._replace(last=middle), whole._replace(first=middle + timedelta(days=1))]
    report, halves = hours(cast, whole), [hours(cast, part) for part in parts]
    for activity in ACTIVITIES:
        reasons = sum(one.minutes for one in report.uncounted if one.activity == activity)
        assert report.logged[activity] == report.counted[activity] + reasons
        assert report.logged[activity] == sum(
            minutes
            for _, day, minutes, kind in logged
            if first <= day <= last and (kind == "training") == (activity == "training")
        )
        if middle < last:
            assert report.counted[activity] == sum(half.counted[activity] for half in halves)
    assert movements(cast, whole).adds_up
    if middle < last:
        assert movements(cast, parts[0]).closing == movements(cast, parts[1]).opening


def set_facts(cast: Cast, logged: list[tuple[str, date, int, str]], ends_on: date | None) -> None:
    """Let exactly these sessions be logged, and Bob's endorsement end on a day."""
    entry, held = METADATA.tables["entry"], METADATA.tables["endorsement"]
    bobs = held.update().where(held.c.id == cast.endorsements[BOB])
    with writing(cast.engine) as session:
        connection = session.connection()
        connection.execute(delete(METADATA.tables["entry_topic"]))
        connection.execute(delete(entry))
        ends_on = max(ends_on, date(2024, 3, 1)) if ends_on else None
        connection.execute(bobs.values(ends_on=ends_on))
    for email, day, minutes, kind in logged:
        provider: dict[str, object] = {}
        if kind == "confirmed":
            provider["provider_id"] = cast.people[DANA]
        elif kind == "named":
            provider["provider_name"] = "Jo Hart"
        activity = "training" if kind == "training" else "rsc"
        log(cast, email, day, minutes, activity=activity, **provider)
    with writing(cast.engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
