"""What is read of applications: everything that counts up to the day, and nothing of others."""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlmodel import Session

from tests.rules.applicants import populate
from tests.rules.case_data import IMAGINED, REAL, CasePeople, insert_row
from tracker.db.engine import is_postgresql
from tracker.rules.application.candidate import (
    Candidate,
    CandidateDegree,
    CandidatePosition,
    CandidateReference,
    CandidateSession,
)
from tracker.rules.fees import PaidShare
from tracker.rules.standing import ApplicationFacts, ApplicationStanding, Removed, Span
from tracker.services import application_facts
from tracker.services.application_facts import judge_applications

TODAY = date(2025, 6, 1)
NO_TOPICS: dict[str, int] = {}
# A clinical mentor's RSC must also be about RSC that was provided.
MENTOR: dict[str, Any] = {
    "applies": "VAIMH IMHM-C 2025-01-01",
    "submitted": date(2025, 2, 1),
    "provides_rsc": True,
    "providers": {
        "New": ["VAIMH IMHM-C 2025-05-31"],
        "Maya": ["MI-AIMH IMHM-C 2010-01-01", "vetted VAIMH 2024-01-01..2025-01-01"],
        "Gone": ["VAIMH IMHM-C 2010-01-01..2024-06-30", "CT-AIMH IMHM-R/F 2024-06-29"],
    },
    "members": [
        "VAIMH 2025-01-01..2025-12-31",
        "VAIMH 2024-01-01..2024-06-30",
        "CT-AIMH 2025-01-01",
    ],
    "degrees": ["master 2015-05-15 official", "bachelor 2025-06-01", "doctorate 2025-06-02"],
    "entries": [
        "training 15h RSC 3h 2022-03-03",
        "training 2h RSC 1h DEIA 1h 2025-06-01",
        "training 4h RSC 4h 2025-06-02",
        "rsc 4h RSC-GIVEN 1h DEIA 3h 2024-06-30 with Gone",
        "rsc 8h 2024-07-01 with Gone",
        "rsc 2h 2025-05-30 with New",
        "rsc 1h 2025-05-31 with New",
        "rsc 16h 2025-06-01 with Maya",
        "rsc 20h 2025-06-02 with Maya",
        "rsc 22h 2025-05-01 with Stranger",
    ],
    "references": [
        "program-supervisor as IFS on 2025-06-02T03:59:00+00:00",
        "rsc-provider by Maya",
        "colleague by Gone vetted denied on 2024-06-30T03:59:00+00:00",
        "trainer waiting",
        "parent as IFS vetted on 2025-06-02T04:00:00+00:00",
        "teacher declined",
    ],
    "signed": ["ethics", "agreement 2025-06-01", "other 2025-06-02"],
    "exams": ["failed 2025-01-05", "passed 2025-06-01", "passed 2025-06-02"],
}

CLINIC = (
    "prevention,policy paid 2020-01-01..2020-12-31 infants families=9 supervised trained"
    " gives-rsc confirms=a,b under=Sue"
)
SUPERVISED: dict[str, Any] = {
    "providers": {"Sue": ["VAIMH IFS 2010-01-01..2020-01-01", "VAIMH IMHS 2021-01-01"]},
    "work": [
        CLINIC,
        "teaching volunteer 2025-06-01",
        "teaching volunteer 2025-06-02",
    ],
}


def judge(
    session: Session,
    day: date = TODAY,
    association: str | None = None,
    application_ids: Iterable[int] | None = None,
) -> list[ApplicationStanding]:
    found = judge_applications(
        session,
        REAL,
        lambda _: day,
        association=association,
        application_ids=application_ids,
    )
    return sorted(found, key=lambda standing: standing.facts.subject_id)


def read(
    session: Session,
    day: date = TODAY,
    association: str | None = None,
    application_ids: Iterable[int] | None = None,
) -> ApplicationFacts:
    [standing] = judge(session, day, association, application_ids)
    return standing.facts


def apply(session: Session, people: CasePeople, where: str, **values: object) -> int:
    """Store an application of Alice's; its id."""
    association, category = where.split()
    own: dict[str, object] = {"opened_on": date(2025, 1, 1), "state": "open", **values}
    person_id = people.ids["Alice"]
    named = {"association": association, "category": category}
    return insert_row(session, "application", person_id=person_id, **named, **own)


def test_facts_hold_what_counts_through_the_day(session: Session) -> None:
    people = populate(session, REAL, MENTOR)
    own = {"application_id": read(session).subject_id, "recorded_by": "alice@example.org"}
    for day in (date(2025, 5, 2), date(2025, 5, 3)):
        insert_row(session, "exam_result", taken_on=day, passed=True, **own)
    facts = read(session)
    assert set(facts.memberships) == {
        Span(date(2025, 1, 1), date(2025, 12, 31)),
        Span(date(2024, 1, 1), date(2024, 6, 30)),
    }
    nothing = Candidate("", TODAY, None)
    assert facts._replace(memberships=(), candidate=nothing) == ApplicationFacts(
        subject_id=facts.subject_id,
        person_id=people.ids["Alice"],
        email="alice@example.org",
        name="Alice",
        provides_rsc=True,
        minutes={"training": 17 * 60, "topic:RSC": 4 * 60, "topic:DEIA": 60},
        memberships=(),
        candidate=nothing,
    )
    assert facts.candidate == Candidate(
        state="submitted",
        opened_on=date(2025, 1, 1),
        submitted_on=date(2025, 2, 1),
        degrees=(
            CandidateDegree("bachelor", "bachelor of 2025-06-01", TODAY, "none"),
            CandidateDegree("master", "master of 2015-05-15", date(2015, 5, 15), "official"),
        ),
        sessions=(
            CandidateSession(
                date(2024, 6, 30),
                "rsc 4h RSC-GIVEN 1h DEIA 3h 2024-06-30 with Gone",
                240,
                {"RSC-GIVEN": 60},
            ),
            CandidateSession(date(2025, 5, 31), "rsc 1h 2025-05-31 with New", 60, NO_TOPICS),
            CandidateSession(TODAY, "rsc 16h 2025-06-01 with Maya", 16 * 60, NO_TOPICS),
        ),
        references=(
            CandidateReference(
                MENTOR["references"][0], "program-supervisor", TODAY, frozenset({"IFS"})
            ),
            CandidateReference(
                MENTOR["references"][1],
                "rsc-provider",
                date(2025, 1, 1),
                frozenset({"IMHM-C"}),
                vetted=True,
            ),
            CandidateReference(
                MENTOR["references"][2],
                "colleague",
                date(2024, 6, 29),
                frozenset({"IMHM-C", "IMHM-R/F"}),
                vetted=True,
                in_role=False,
            ),
            CandidateReference("trainer waiting", "trainer", None),
            CandidateReference(MENTOR["references"][4], "parent", None),
        ),
        signed=frozenset({"ethics", "agreement"}),
        exam_passed_on=TODAY,
        exam_reported_on=date(2025, 5, 2),
    )


def test_before_its_submission_an_application_is_open(session: Session) -> None:
    populate(session, REAL, MENTOR)
    opened = read(session, date(2025, 1, 31)).candidate
    assert (opened.state, opened.submitted_on) == ("open", None)
    submitted = read(session, date(2025, 2, 1)).candidate
    assert (submitted.state, submitted.submitted_on) == ("submitted", date(2025, 2, 1))


def test_work_is_read_with_what_its_supervisor_held(session: Session) -> None:
    populate(session, REAL, {"applies": MENTOR["applies"], **SUPERVISED})
    clinic = "UPDATE position SET employer = 'Clinic' WHERE families = 9"
    session.connection().exec_driver_sql(clinic)
    first, second = read(session).candidate.positions
    assert first == CandidatePosition(
        title=f"{CLINIC} (Clinic)",
        pay="paid",
        services=frozenset({"prevention", "policy"}),
        ages="birth to 36 months",
        families=9,
        supervised=True,
        trained=True,
        gives_rsc=True,
        statements=frozenset({"a", "b"}),
        starts_on=date(2020, 1, 1),
        ends_on=date(2020, 12, 31),
        supervisor_held=frozenset({"IFS"}),
        position_id=first.position_id,
    )
    assert second == CandidatePosition(
        title=SUPERVISED["work"][1],
        pay="volunteer",
        services=frozenset({"teaching"}),
        ages=None,
        starts_on=TODAY,
        ends_on=None,
        families=0,
        supervised=False,
        trained=False,
        gives_rsc=False,
        statements=frozenset(),
        position_id=second.position_id,
    )
    assert 0 < first.position_id != second.position_id


def test_decided_applications_are_judged_until_their_day(session: Session) -> None:
    people = populate(session, REAL, {"applies": "VAIMH IMHS 2025-01-01"})
    decided = date(2025, 3, 1)
    declined = apply(session, people, "CT-AIMH IFS", state="declined", decided_on=decided)
    other, undecided = judge(session, date(2025, 2, 28))
    assert other.facts.candidate.state == undecided.facts.candidate.state == "open"
    assert undecided.facts.subject_id == declined
    for day in (decided, TODAY):
        assert read(session, day).subject_id != declined


def test_each_association_has_its_own_day(session: Session) -> None:
    people = populate(session, REAL, {"applies": "VAIMH IMHS 2025-01-01"})
    decided_on = date(2025, 3, 1)
    connecticut = apply(session, people, "CT-AIMH IFS", state="declined", decided_on=decided_on)
    apply(session, people, "NCIMHA IFS", state="declined", decided_on=TODAY)
    days = {"CT-AIMH": date(2025, 2, 28), "VAIMH": date(2025, 2, 1)}
    judged = judge_applications(session, REAL, lambda name: days.get(name, TODAY))
    found = {each.plan.association: each for each in judged}
    assert found.keys() == days.keys()
    assert found["CT-AIMH"].facts.subject_id == connecticut


def test_applications_are_narrowed_to_an_association_and_ids(session: Session) -> None:
    people = populate(session, REAL, {"applies": "VAIMH IMHS 2025-01-01"})
    others = [apply(session, people, "CT-AIMH IFS"), apply(session, people, "NCIMHA IFS")]
    # No rulebook knows this association any more.
    gone = apply(session, people, "GONE IFS")
    everything = [each.facts.subject_id for each in judge(session)]
    assert len(everything) == 3
    assert read(session, association="CT-AIMH").subject_id == others[0]
    assert read(session, application_ids=[others[1], gone]).subject_id == others[1]
    assert judge(session, association="CT-AIMH", application_ids=others[1:]) == []
    assert judge(session, application_ids=[]) == []
    assert judge(session, association="GONE") == []


def test_more_applications_are_read_than_one_statement_takes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_facts, "_BATCH", 2)
    people = populate(session, REAL, MENTOR)
    categories = ("IFA", "IFS", "IMHS", "IMHM-P")
    others = [apply(session, people, f"VAIMH {category}") for category in categories]
    everything = judge(session)
    assert len(everything) == 5
    if not is_postgresql(session):
        driver: Any = session.connection().connection.driver_connection
        # A batch of two applications takes twelve values.
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 12)
    unknown = range(1_000, 1_020)
    assert (
        judge(session, association="VAIMH", application_ids=[*others, *unknown]) == everything[1:]
    )


def test_reviews_count_from_their_local_day_on(session: Session) -> None:
    populate(session, REAL, MENTOR)
    application_id = read(session).subject_id
    for requirement, accepted, instant in (
        ("rsc", True, datetime(2025, 6, 1, 12, tzinfo=UTC)),
        ("experience", False, datetime(2025, 6, 2, 3, 59, tzinfo=UTC)),
        ("leadership", True, datetime(2025, 6, 2, 4, tzinfo=UTC)),
    ):
        insert_row(
            session,
            "review",
            application_id=application_id,
            requirement=requirement,
            accepted=accepted,
            reviewed_by="Carol",
            reviewed_at=instant,
        )
    reviews = read(session).candidate.reviews
    assert reviews == {"rsc": True, "experience": False}
    assert all(isinstance(accepted, bool) for accepted in reviews.values())


def test_an_association_excludes_entries_for_itself(session: Session) -> None:
    people = populate(session, REAL, {**MENTOR, "entries": []})
    for association, line in (
        ("VAIMH", "training 2h RSC 1h 2025-03-01"),
        ("CT-AIMH", "training 4h RSC 2h 2025-03-01"),
        ("VAIMH", "rsc 2h 2025-03-01 with Maya"),
        ("CT-AIMH", "rsc 4h 2025-03-01 with Maya"),
    ):
        insert_row(
            session,
            "entry_decision",
            person_id=people.ids["Alice"],
            entry_id=people.log(line),
            association=association,
            kind="excluded",
            title="Training",
            held_on=date(2025, 3, 1),
            minutes=120,
            reason="No certificate",
            decided_at=datetime(2025, 4, 1, tzinfo=UTC),
            decided_by="carol@example.org",
        )
    facts = read(session)
    assert facts.minutes == {"training": 240, "topic:RSC": 120}
    assert [each.minutes for each in facts.candidate.sessions] == [240]


def test_only_a_reinstatement_has_what_was_removed(session: Session) -> None:
    case = {
        "endorsed": ["WHOLE IFS 2020-01-01..2025-02-28"],
        "applies": "WHOLE IFRS 2025-05-01",
        "entries": ["training 3h 2025-04-01"],
    }
    people = populate(session, IMAGINED, case)
    session.connection().exec_driver_sql("UPDATE endorsement SET ended_as = 'removed'")
    for day in (TODAY, date(2025, 6, 2)):
        people.pay(f"WHOLE IFS 2025-03-01 reinstatement 25.00 {day}")
    opened = {"purpose": "reinstatement", "opened_on": date(2025, 5, 1)}
    back = apply(session, people, "WHOLE IFS", **opened)
    judged = judge_applications(session, IMAGINED, lambda _: TODAY)
    found = {each.facts.subject_id: each.facts for each in judged}
    asked = found.pop(back)
    removed = people.endorsements["Alice: WHOLE IFS"]
    assert asked.removed == Removed(removed, date(2020, 1, 1), date(2025, 2, 28))
    assert [(day.held_on, day.minutes) for day in asked.days] == [(date(2025, 4, 1), 180)]
    assert asked.payments == (PaidShare("reinstatement", TODAY, 2500),)
    [other] = found.values()
    assert (other.removed, other.days, other.payments) == (None, (), ())
