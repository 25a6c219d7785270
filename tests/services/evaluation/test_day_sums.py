"""Hours day by day: the same for one endorsement as for everybody, and only where needed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, REAL, insert_row, populate
from tracker.db.engine import open_engine
from tracker.rulebooks import with_rulebook
from tracker.rules.parse import parse_rulebook
from tracker.rules.standing import DaySum
from tracker.services import day_sums, facts
from tracker.services.evaluation import judge_all, judge_current

RULEBOOKS = Path(__file__).parents[2] / "rulebooks" / "rulebooks"
TODAY = date(2026, 6, 1)
PEER = DaySum(date(2025, 3, 1), "rsc", "peer", None, 60)
TRAINING = DaySum(date(2025, 4, 1), "training", None, None, 180)
SELF_STUDY = DaySum(date(2025, 4, 1), "training", None, "SELF-STUDY", 120)
CASE = {
    "endorsed": ["FORMATS IFS 2020-05-01"],
    "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
    "entries": [
        "rsc 0:30 peer 2025-03-01 with Frances",
        "rsc 0:30 peer 2025-03-01 with Frances",
        "rsc 1:00 group 2025-03-01 with Stranger",
        "training 3:00 SELF-STUDY 2:00 2025-04-01",
        "training 1:00 2024-12-31",
        "training 1:00 2026-06-02",
    ],
}


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    engine = open_engine(database_url)
    with Session(engine) as session:
        yield session
        session.rollback()
    engine.dispose()


def today(_: str) -> date:
    return TODAY


def days_of(session: Session, ids: list[int] | None) -> dict[int, set[DaySum]]:
    judged = judge_all(session, IMAGINED, today, endorsement_ids=ids)
    return {standing.facts.subject_id: {*standing.facts.days} for standing in judged}


def test_days_have_what_counts_by_format_and_topic(session: Session) -> None:
    people = populate(session, IMAGINED, CASE)
    alice = people.endorsements["Alice: FORMATS IFS"]
    assert days_of(session, [alice]) == {alice: {PEER, TRAINING, SELF_STUDY}}


def test_without_windows_there_are_no_days(session: Session) -> None:
    """As for a reinstatement whose rules ask for no recent hours."""
    assert day_sums.read_days(session, [], [1], facts.EXCLUSIONS) == {}


def test_everybody_has_the_days_that_each_has_alone(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many people are read in another way than those whom a page shows."""
    monkeypatch.setattr(facts, "_MANY", 3)
    monkeypatch.setattr(day_sums, "_MANY", 3)
    people = populate(session, IMAGINED, CASE)
    for month in (1, 2, 3):
        people.add(f"P{month}", ["FORMATS IFS 2020-05-01"])
        people.log(f"P{month}: training 1:00 2025-0{month}-01")
    everybody = days_of(session, None)
    # Frances's category has no rules.
    assert everybody.pop(people.endorsements["Frances: FORMATS IFRS"]) == set()
    alices = {PEER, TRAINING, SELF_STUDY}
    logged = [{DaySum(date(2025, month, 1), "training", None, None, 60)} for month in (1, 2, 3)]
    assert [*everybody.values()] == [alices, *logged]
    assert days_of(session, [*everybody]) == everybody
    for endorsement_id, days in everybody.items():
        assert days_of(session, [endorsement_id]) == {endorsement_id: days}


def test_each_cycle_has_its_own_days(session: Session) -> None:
    people = populate(session, IMAGINED, CASE)
    alice = people.endorsements["Alice: FORMATS IFS"]
    judged = judge_current(session, IMAGINED, today, endorsement_ids=[alice])
    days = {s.plan.cycle.starts_on.year: len(s.facts.days) for s in judged if s.plan.cycle}
    assert days == {2025: 3, 2022: 1}


def test_a_session_that_the_association_excluded_is_in_no_day(session: Session) -> None:
    people = populate(session, IMAGINED, {**CASE, "entries": []})
    alice = people.endorsements["Alice: FORMATS IFS"]
    entry_id = people.log("training 3:00 SELF-STUDY 2:00 2025-04-01")
    insert_row(
        session,
        "entry_decision",
        person_id=people.ids["Alice"],
        entry_id=entry_id,
        association="FORMATS",
        kind="excluded",
        title="Training",
        held_on=date(2025, 4, 1),
        minutes=180,
        reason="No certificate",
        decided_at=datetime(2026, 1, 1, tzinfo=UTC),
        decided_by="dana@example.org",
    )
    assert days_of(session, [alice]) == {alice: set()}


def test_rulebooks_without_such_rules_are_read_by_one_query(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(facts, "read_days", fail)
    people = populate(session, REAL, {"endorsed": ["CT-AIMH IFS 2015-03-01"]})
    (standing,) = judge_all(session, REAL, today)
    assert standing.facts.person_id == people.ids["Alice"]
    assert standing.facts.days == ()


def test_days_before_a_first_cycle_count_unless_it_is_continued(session: Session) -> None:
    text = (RULEBOOKS / "formats.toml").read_text(encoding="utf-8")
    first = 'first_cycle = "fraction by month"\n'
    more = 'first_cycle_months_before = 6\ncontinues = ["same category"]\n'
    changed, problems = parse_rulebook(text.replace(first, first + more), "formats.toml")
    assert changed, problems
    rulebooks = with_rulebook(IMAGINED, changed)
    people = populate(session, rulebooks, {**CASE, "endorsed": [], "entries": []})
    early, continued = "FORMATS IFS 2025-02-01", "FORMATS IFS 2020-05-01..2025-01-31"
    people.add("Beth", [early])
    people.add("Cora", [continued, early])
    people.add("Dina", [early])
    for name in ("Beth", "Cora", "Dina"):
        people.log(f"{name}: training 1:00 2024-12-31")
        people.log(f"{name}: training 1:00 2025-03-01")
    days = {}
    for standing in judge_all(session, rulebooks, today):
        if standing.facts.starts_on == date(2025, 2, 1):
            days[standing.facts.person_id] = sorted(day.held_on for day in standing.facts.days)
    assert days == {
        people.ids["Beth"]: [date(2024, 12, 31), date(2025, 3, 1)],
        people.ids["Cora"]: [date(2025, 3, 1)],
        people.ids["Dina"]: [date(2024, 12, 31), date(2025, 3, 1)],
    }
