"""The stream of facts: a row for each renewal, no more and no fewer, on both engines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import pytest
from sqlalchemy import insert
from sqlmodel import Session, col, select

from tests.rules.case_data import REAL, populate
from tracker.db.engine import open_engine
from tracker.db.people import Endorsement
from tracker.db.tables import METADATA
from tracker.rules.standing import Absence, Facts, Span
from tracker.services.facts import Triple, Window, read_facts

TODAY = date(2026, 6, 1)
MORE_THAN_A_BATCH = 4_500


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    engine = open_engine(database_url)
    with Session(engine) as session:
        yield session
        session.rollback()
    engine.dispose()


def this_year(triple: Triple) -> Iterable[Window]:
    plan = REAL.plan(*triple, TODAY)
    return (Window(plan, triple[2], TODAY),) if plan else ()


def this_year_and_last(triple: Triple) -> Iterable[Window]:
    for day in (TODAY, date(2025, 6, 1)):
        plan = REAL.plan(*triple, day)
        if plan:
            yield Window(plan, triple[2], TODAY)


def endorsements(session: Session) -> Sequence[int]:
    return session.exec(select(col(Endorsement.id))).all()


def facts_of(session: Session, **case: object) -> list[Facts]:
    populate(session, REAL, {"endorsed": ["CT-AIMH IFS 2015-03-01"], **case})
    return [facts for _, facts in read_facts(session, REAL, this_year, endorsements(session))]


def enrol(session: Session, count: int) -> None:
    """So many people, each an IFS in Connecticut."""
    people = [
        {
            "id": n,
            "email": f"p{n}@example.org",
            "name": f"P{n}",
            "highest_degree": "none",
            "provides_rsc": False,
        }
        for n in range(1, count + 1)
    ]
    own = {"association": "CT-AIMH", "category": "IFS", "starts_on": date(2015, 3, 1)}
    session.connection().execute(insert(METADATA.tables["person"]), people)
    held = [{"id": n, "person_id": n, **own} for n in range(1, count + 1)]
    session.connection().execute(insert(METADATA.tables["endorsement"]), held)


def test_one_endorsement_gives_one_row(session: Session) -> None:
    (facts,) = facts_of(session)
    assert (facts.name, facts.email) == ("Alice", "alice@example.org")


def test_nobody_gives_no_row(session: Session) -> None:
    assert list(read_facts(session, REAL, this_year, endorsements(session))) == []


def test_more_rows_than_are_fetched_at_once_come_once_each(session: Session) -> None:
    enrol(session, MORE_THAN_A_BATCH)
    rows = read_facts(session, REAL, this_year, endorsements(session))
    found = Counter(facts.subject_id for _, facts in rows)
    assert found == Counter(range(1, MORE_THAN_A_BATCH + 1))


def test_two_windows_give_two_rows(session: Session) -> None:
    enrol(session, 3)
    found = [
        (facts.subject_id, window.plan.cycle.starts_on.year)
        for window, facts in read_facts(session, REAL, this_year_and_last, endorsements(session))
        if window.plan.cycle
    ]
    assert sorted(found) == [(1, 2025), (1, 2026), (2, 2025), (2, 2026), (3, 2025), (3, 2026)]


def test_only_those_who_are_wanted_are_read(session: Session) -> None:
    enrol(session, 9)
    found = [f.subject_id for _, f in read_facts(session, REAL, this_year, [2, 7])]
    assert sorted(found) == [2, 7]


def test_nobody_wanted_is_nobody_read(session: Session) -> None:
    enrol(session, 3)
    assert list(read_facts(session, REAL, this_year, [])) == []


def test_a_reading_that_is_broken_off_leaves_the_connection_usable(session: Session) -> None:
    enrol(session, 2_000)
    rows = read_facts(session, REAL, this_year, endorsements(session))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert len(list(read_facts(session, REAL, this_year, endorsements(session)))) == 2_000


def test_several_memberships_and_entries_multiply_nothing(session: Session) -> None:
    (facts,) = facts_of(
        session,
        endorsed=["CT-AIMH IMHS 2015-03-01"],
        members=["CT-AIMH 2026-01-01..2026-12-31", "WAIMH 2026-01-01..2026-06-30"],
        entries=["training 2h RSC 1h 2026-02-01", "training 3h RSC 1h 2026-02-02"],
        leave=["CT-AIMH IMHS 2026-01-01..2026-01-31"],
        inactive=["CT-AIMH IMHS 2026-03-01"],
    )
    assert facts.minutes == {"training": 300, "topic:RSC": 120}
    assert sorted(facts.memberships) == [
        Span(date(2026, 1, 1), date(2026, 6, 30)),
        Span(date(2026, 1, 1), date(2026, 12, 31)),
    ]
    assert sorted(facts.leaves) == [
        Absence(date(2026, 1, 1), date(2026, 1, 31)),
        Absence(date(2026, 3, 1), date(9999, 12, 31), "inactive"),
    ]


def test_topics_that_a_plan_does_not_ask_are_not_summed(session: Session) -> None:
    by_category = {
        facts.subject_id: facts.minutes
        for facts in facts_of(
            session,
            endorsed=["CT-AIMH IMHS 2015-03-01", "NCIMHA IFS 2015-03-01", "CT-AIMH IFS 2015-03-01"],
            entries=["training 4h DEIA 1h RSC 2h 2026-02-01"],
        )
    }
    assert [by_category[i] for i in sorted(by_category)] == [
        {"training": 240, "topic:RSC": 120},
        {"training": 240, "topic:DEIA": 60},
        {"training": 240},
    ]


def test_what_belongs_to_another_cycle_is_left_out(session: Session) -> None:
    (facts,) = facts_of(
        session,
        waived=["CT-AIMH IFS 2025-01-01 training", "CT-AIMH IFS 2026-01-01 rsc"],
        extended=["CT-AIMH IFS 2025-01-01 2026-02-28"],
        members=["CT-AIMH 2024-01-01..2024-12-31"],
    )
    assert facts.waived == ("rsc",)
    assert facts.extended_due_on is None
    assert facts.memberships == ()


def test_the_next_entry_is_the_first_after_the_as_of_date_in_the_cycle(
    session: Session,
) -> None:
    (facts,) = facts_of(
        session,
        entries=[
            *("training 1h 2026-06-01", "training 1h 2026-09-01", "training 1h 2026-08-01"),
            "training 1h 2027-01-01",
        ],
    )
    assert facts.next_fact_on == date(2026, 8, 1)
    assert facts.minutes == {"training": 60}
