"""The stream of facts: a row for each renewal, no more and no fewer, on both engines."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlmodel import Session, col, select

from tests.rules.case_data import IMAGINED, REAL, insert_row, populate
from tracker.db.engine import is_postgresql
from tracker.db.people import Endorsement
from tracker.db.submissions import Submission
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.fees import PaidShare
from tracker.rules.parse import parse_rulebook
from tracker.rules.standing import Absence, AuditFinding, DaySum, Facts, Span, Submitted
from tracker.services import facts as facts_module
from tracker.services.facts import Triple, Window, WindowsOf, read_facts
from tracker.services.payment_facts import find_paid, read_payments
from tracker.services.submission_facts import find_submitted, read_submissions

HISTORY = Path(__file__).parents[2] / "rulebooks" / "rulebooks" / "history.toml"
TODAY = date(2026, 6, 1)
MORE_THAN_A_BATCH = 1_100
# SQLite's own limit; Linux distributions raise it.
MOST_VALUES = 32_766
PAID: dict[str, list[str]] = {
    "endorsed": ["PAYING IFS 2024-03-01"],
    "entries": ["training 1h 2026-10-20"],
    "submitted": ["PAYING IFS 2026-01-01 2026-11-15 ethics"],
    "payments": [
        "PAYING IFS 2025-01-01 renewal 50.00 2026-10-15",
        "PAYING IFS 2026-01-01 renewal 30.00 2026-10-01",
        "PAYING IFS 2026-01-01 renewal 45.00 2026-12-31",
    ],
}
FIRST_SHARE, SECOND_SHARE = (
    PaidShare("renewal", date(2026, 10, 1), 3000),
    PaidShare("renewal", date(2026, 12, 31), 4500),
)


def of_2026(rulebooks: Rulebooks, as_of: date) -> WindowsOf:
    """Windows of the cycle that contains June 1, 2026."""

    def windows_of(triple: Triple) -> Iterable[Window]:
        plan = rulebooks.plan(*triple, TODAY)
        return (Window(plan, triple[2], as_of),) if plan else ()

    return windows_of


this_year = of_2026(REAL, TODAY)


def this_year_and_last(triple: Triple) -> Iterable[Window]:
    for day in (TODAY, date(2025, 6, 1)):
        plan = REAL.plan(*triple, day)
        if plan:
            yield Window(plan, triple[2], TODAY)


def endorsements(session: Session) -> Sequence[int]:
    return session.exec(select(col(Endorsement.id))).all()


def facts_of(session: Session, **case: object) -> list[Facts]:
    populate(session, REAL, {"endorsed": ["CT-AIMH IFS 2015-03-01"], **case})
    found = list(read_facts(session, REAL, this_year, endorsements(session)))
    # Everybody's facts are read by another form of the query.
    assert sorted(read_facts(session, REAL, this_year), key=place) == sorted(found, key=place)
    return [facts for _, facts in found]


def place(row: tuple[Window, Facts]) -> int:
    return row[1].subject_id


def read_only(
    session: Session, rulebooks: Rulebooks, as_of: date, endorsement_id: int | None = None
) -> tuple[Window, Facts]:
    """What is read of one endorsement; by default of the last one."""
    number = endorsement_id or max(endorsements(session))
    [row] = read_facts(session, rulebooks, of_2026(rulebooks, as_of), [number])
    return row


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
    session.get_one(Endorsement, 5).category = "IMHS"
    session.flush()
    planned = []

    def plan(triple: Triple) -> Iterable[Window]:
        planned.append(triple)
        return this_year(triple)

    found = [f.subject_id for _, f in read_facts(session, REAL, plan, [2, 7])]
    assert sorted(found) == [2, 7]
    assert planned == [("CT-AIMH", "IFS", date(2015, 3, 1))]


def test_nobody_wanted_is_nobody_read(session: Session) -> None:
    enrol(session, 3)
    assert list(read_facts(session, REAL, this_year, [])) == []


def test_a_reading_that_is_broken_off_leaves_the_connection_usable(session: Session) -> None:
    enrol(session, MORE_THAN_A_BATCH)
    rows = read_facts(session, REAL, this_year, endorsements(session))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert (
        len(list(read_facts(session, REAL, this_year, endorsements(session)))) == MORE_THAN_A_BATCH
    )


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


def test_only_the_associations_own_exclusions_matter(session: Session) -> None:
    people = populate(session, IMAGINED, {"endorsed": ["WHOLE IFS 2022-03-01"]})
    people.log("training 4h DEIA 1h RETURN 0:30 2026-02-01")
    for association in ("WHOLE", "CT-AIMH"):
        entry_id = people.log("training 2h DEIA 1h 2026-03-01")
        insert_row(
            session,
            "entry_decision",
            person_id=people.ids["Alice"],
            entry_id=entry_id,
            association=association,
            kind="excluded",
            title="Training",
            held_on=date(2026, 3, 1),
            minutes=120,
            reason="No certificate",
            decided_at=datetime(2026, 4, 1, tzinfo=UTC),
            decided_by="carol@example.org",
        )
    _, facts = read_only(session, IMAGINED, TODAY)
    assert facts.minutes == {"training": 360, "topic:DEIA": 120, "topic:RETURN": 30}


def test_what_belongs_to_another_cycle_is_left_out(session: Session) -> None:
    (facts,) = facts_of(
        session,
        waived=[
            "CT-AIMH IFS 2025-01-01 membership",
            "CT-AIMH IFS 2026-01-01 rsc",
            "CT-AIMH IFS 2026-01-01 training",
        ],
        extended=["CT-AIMH IFS 2025-01-01 2026-02-28"],
        members=["CT-AIMH 2024-01-01..2024-12-31"],
    )
    assert sorted(facts.waived) == ["rsc", "training"]
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


def test_more_ids_are_read_than_one_statement_takes(session: Session) -> None:
    if not is_postgresql(session):
        driver = session.connection().connection.driver_connection
        assert driver
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, MOST_VALUES)
    assert list(read_facts(session, REAL, this_year, range(1, MOST_VALUES * 2 + 3))) == []


@pytest.mark.parametrize(("count", "has_table"), [(200, False), (201, True)])
def test_only_many_need_a_table_of_windows(
    session: Session, count: int, *, has_table: bool
) -> None:
    enrol(session, count)
    assert len(list(read_facts(session, REAL, this_year, range(1, count + 1)))) == count
    tables = "SELECT name FROM sqlite_temp_master WHERE type = 'table'"
    if is_postgresql(session):
        tables, has_table = "SELECT relname FROM pg_class", False
    assert ("renewal_window" in session.scalars(text(tables)).all()) == has_table


def test_category_without_rules_has_no_sums(session: Session) -> None:
    case = {
        "endorsed": ["CT-AIMH IFS 2015-03-01", "VAIMH IFS 2015-03-01"],
        "entries": ["training 1h 2026-02-01", "training 1h 2026-08-01"],
        "members": ["VAIMH 2026-01-01..2026-12-31"],
    }
    populate(session, REAL, case)
    window, facts = read_only(session, REAL, TODAY)
    assert window.plan.cycle is None
    assert (facts.minutes, facts.next_fact_on, facts.memberships) == ({}, None, ())


def test_last_days_and_first_days_are_read(session: Session) -> None:
    insert_row(
        session,
        "association_start",
        association="CT-AIMH",
        first_day=date(2025, 7, 1),
        reason="No older records",
        set_at=datetime(2025, 7, 1, tzinfo=UTC),
        set_by="carol@example.org",
    )
    (facts,) = facts_of(
        session,
        endorsed=["CT-AIMH IFS 2015-03-01..2026-09-30"],
        extended=["CT-AIMH IFS 2026-01-01 2027-02-28"],
        provides_rsc=True,
    )
    assert (facts.starts_on, facts.ends_on) == (date(2015, 3, 1), date(2026, 9, 30))
    assert (facts.first_day, facts.extended_due_on) == (date(2025, 7, 1), date(2027, 2, 28))
    assert facts.provides_rsc is True


@pytest.mark.parametrize(
    ("name", "as_of", "last", "is_read"),
    [
        ("CT-AIMH", TODAY, "2025-12-31", True),
        ("CT-AIMH", TODAY, "2025-12-30", False),
        # Before the cycle begins, the membership of the as-of day matters.
        ("CT-AIMH", date(2025, 6, 1), "2025-05-31", True),
        ("CT-AIMH", date(2025, 6, 1), "2025-05-30", False),
        ("GRACE", TODAY, "2025-12-30", True),
    ],
)
def test_memberships_that_have_just_lapsed_are_read(
    session: Session, name: str, as_of: date, last: str, *, is_read: bool
) -> None:
    rulebooks = REAL if name == "CT-AIMH" else IMAGINED
    held = f"{name} IFS 2015-03-01"
    populate(session, rulebooks, {"endorsed": [held], "members": [f"{name} 2025-01-01..{last}"]})
    _, facts = read_only(session, rulebooks, as_of)
    assert bool(facts.memberships) == is_read


def test_only_accepted_memberships_are_read(session: Session) -> None:
    members = ["GRACE agency 2026-01-01..2026-12-31", "OTHER 2026-01-01..2026-12-31"]
    populate(session, IMAGINED, {"endorsed": ["GRACE IMHS 2015-03-01"], "members": members})
    assert read_only(session, IMAGINED, TODAY)[1].memberships == ()


@pytest.mark.parametrize(
    ("as_of", "next_fact_on"),
    [
        ("2026-10-01", "2026-10-20"),
        ("2026-10-20", "2026-11-15"),
        ("2026-11-15", "2026-12-31"),
        ("2026-12-31", None),
    ],
)
def test_next_fact_is_the_first_after_the_as_of_day(
    session: Session, as_of: str, next_fact_on: str | None
) -> None:
    populate(session, IMAGINED, PAID)
    _, facts = read_only(session, IMAGINED, date.fromisoformat(as_of))
    assert facts.next_fact_on == (date.fromisoformat(next_fact_on) if next_fact_on else None)
    paid = (FIRST_SHARE, SECOND_SHARE) if as_of == "2026-12-31" else (FIRST_SHARE,)
    assert facts.payments == paid
    is_submitted = as_of >= "2026-11-15"
    submitted = Submitted(date(2026, 11, 15), frozenset({"ethics"})) if is_submitted else None
    assert facts.submitted == submitted


def test_audit_is_a_fact_from_its_decision(session: Session) -> None:
    populate(session, IMAGINED, PAID)
    (submission,) = session.exec(select(Submission)).all()
    decided_at = datetime(2027, 1, 10, 18, tzinfo=UTC)
    draw_id = insert_row(
        session,
        "audit_draw",
        association="PAYING",
        ends_from=date(2026, 12, 31),
        ends_through=date(2026, 12, 31),
        quota="number",
        amount=1,
        strata="{}",
        frame="",
        frame_hash="",
        seed="",
        frozen_at=decided_at,
        frozen_by="carol@example.org",
    )
    drawn = {"endorsement_id": submission.endorsement_id, "decided_at": decided_at}
    case_id = insert_row(
        session,
        "audit_case",
        draw_id=draw_id,
        submission_id=submission.id,
        position=1,
        state="not passed",
        due_on=date(2027, 1, 9),
        **drawn,
    )
    found = {"requirement": "training", "supported": 60, "decided_by": "carol@example.org"}
    insert_row(session, "audit_hours", case_id=case_id, **drawn, **found)

    _, before = read_only(session, IMAGINED, date(2027, 1, 9))
    assert (before.audit, before.next_fact_on) == (None, date(2027, 1, 10))
    _, decided = read_only(session, IMAGINED, date(2027, 1, 10))
    assert (decided.audit, decided.next_fact_on) == (AuditFinding(True, {"training": 60}), None)  # noqa: FBT003 - of a named tuple
    # The audit hides none of the other days.
    assert read_only(session, IMAGINED, TODAY)[1].next_fact_on == date(2026, 10, 1)


def test_few_are_read_without_the_records_of_others(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = populate(session, IMAGINED, PAID).endorsements["Alice: PAYING IFS"]
    asked = []

    def note(_: Session, ids: Sequence[int] | None) -> dict[int, list[object]]:
        asked.append(ids)
        return {number: []}

    for name in ("read_submissions", "read_audits", "read_payments"):
        monkeypatch.setattr(facts_module, name, note)
    read_only(session, IMAGINED, TODAY, number)
    assert asked == [[number]] * 3


def test_filed_records_are_those_of_their_endorsement(session: Session) -> None:
    more = {
        "providers": {"Bob": ["PAYING IFS 2024-03-01"]},
        "submitted": [*PAID["submitted"], "Bob: PAYING IFS 2026-01-01 2026-11-15"],
        "payments": [*PAID["payments"], "Bob: PAYING IFS 2026-01-01 renewal 9.00 2026-10-01"],
    }
    people = populate(session, IMAGINED, PAID | more)
    own, bob = (people.endorsements[f"{name}: PAYING IFS"] for name in ("Alice", "Bob"))
    everything, payments = (read_payments(session, ids) for ids in (None, [own]))
    assert {number for number, _ in everything} == {own, bob}
    assert {number for number, _ in payments} == {own}
    assert set(read_submissions(session, None)) == {own, bob}
    submissions = read_submissions(session, [own])
    assert set(submissions) == {own}
    # A category without rules has no cycle that could be submitted or paid for.
    plan = REAL.plan("VAIMH", "IFS", date(2024, 3, 1), TODAY)
    assert plan
    assert find_submitted(plan, date.max, submissions[own]) is None
    assert find_paid(plan, date.max, own, payments) == ()


def test_unrequired_submission_and_payment_are_no_facts(session: Session) -> None:
    (facts,) = facts_of(
        session,
        submitted=["CT-AIMH IFS 2026-01-01 2026-05-01"],
        payments=["CT-AIMH IFS 2026-01-01 renewal 30.00 2026-08-01"],
    )
    assert (facts.submitted, facts.payments, facts.next_fact_on) == (None, (), None)


@pytest.mark.parametrize(
    ("applied", "is_first", "share"),
    [
        ([], True, Fraction(7, 12)),
        (["FIRST-A IFS 2026-03-20"], True, Fraction(3, 4)),
        (["FIRST-A IFS 2025-11-20"], False, Fraction(1)),
    ],
)
def test_first_cycle_can_count_from_the_application(
    session: Session, applied: list[str], share: Fraction, *, is_first: bool
) -> None:
    case = {
        "endorsed": ["FIRST-A IFS 2026-05-10"],
        "applied": applied,
        "entries": ["training 2h 2026-04-01"],
    }
    populate(session, IMAGINED, case)
    window, facts = read_only(session, IMAGINED, TODAY)
    assert window.plan.cycle
    assert (window.plan.cycle.is_first, window.plan.cycle.share) == (is_first, share)
    assert facts.minutes == {"training": 120}


@pytest.mark.parametrize(
    ("terms", "minutes", "days"),
    [
        pytest.param(
            'counts = "training"\ntopic = "DEIA"',
            {"training": 120, "rsc": 60, "topic:DEIA": 60},
            (),
            id="topic",
        ),
        pytest.param(
            'counts = "rsc"\nproviders = "rsc"\nformats = ["group"]',
            {"training": 120, "rsc": 60},
            (
                DaySum(date(2026, 2, 1), "training", None, None, 120),
                DaySum(date(2026, 2, 1), "training", None, "DEIA", 60),
                DaySum(date(2026, 3, 1), "rsc", "group", None, 60),
            ),
            id="days",
        ),
    ],
)
def test_years_elsewhere_can_change_what_is_summed(
    session: Session, terms: str, minutes: dict[str, int], days: tuple[DaySum, ...]
) -> None:
    more = f"""
[[requirements]]
id = "more"
label = "More"
about = "After five years"
categories = ["IFS"]
{terms}

  [[requirements.values]]
  from = 2020-01-01
  held_years = 5
  hours = 2
  source = {{ document = "guide", section = "More" }}

[memberships.own]
says = "GRACE"
organizations = ["GRACE"]

[[requirements]]
id = "membership"
label = "Membership"
about = "On the due date"
categories = ["IFS"]
counts = "membership"
membership = "own"

  [[requirements.values]]
  from = 2020-01-01
  source = {{ document = "guide", section = "More" }}
"""
    rulebook, problems = parse_rulebook(HISTORY.read_text("utf-8") + more, "history.toml")
    assert rulebook, problems
    rulebooks = with_rulebook(IMAGINED, rulebook)
    case = {
        "endorsed": ["FIRST IFS 2015-03-01..2024-12-31", "HISTORY IFS 2025-01-01"],
        "providers": {"Bob": ["HISTORY IMHM 2010-01-01"]},
        "entries": ["training 2h DEIA 1h 2026-02-01", "rsc 1h group 2026-03-01 with Bob"],
        "members": ["GRACE 2026-01-01..2026-12-31"],
    }
    people = populate(session, rulebooks, case)
    number = people.endorsements["Alice: HISTORY IFS"]
    window, facts = read_only(session, rulebooks, TODAY, number)
    assert "more" in [requirement.id for requirement in window.plan.requirements]
    assert facts.minutes == minutes
    assert facts.memberships == (Span(date(2026, 1, 1), date(2026, 12, 31)),)
    assert sorted(facts.days, key=str) == sorted(days, key=str)
