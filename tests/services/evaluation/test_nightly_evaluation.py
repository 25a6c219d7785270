"""What a night finds due, judges batch by batch, and settles."""

import sqlite3
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, CasePeople, populate
from tests.services.evaluation.test_evaluation import IFS, night, noon, status_of
from tests.support.nights import evaluate_due
from tracker.db.certificates import Certificate
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.people import REMOVED
from tracker.db.submissions import Submission
from tracker.rulebooks import with_rulebook
from tracker.services import evaluation
from tracker.services.evaluation import (
    evaluate_association,
    evaluate_batch,
    evaluate_people,
    prepare_evaluation,
)

# The cycle of 2026 has its last day of grace on the day before.
CLOSED = "2027-02-01"
SUBMITTED: dict[str, Any] = {
    "endorsed": ["ATTESTING IFS 2020-05-01"],
    "members": ["ATTESTING 2020-01-01..2030-12-31"],
    "submitted": ["ATTESTING IFS 2025-01-01 2027-11-15 ethics hours"],
}


def populate_more(session: Session) -> CasePeople:
    """Alice, Cora, and Dora have renewals; Bob's category has none."""
    people = populate(session, REAL, {**IFS, "entries": []})
    people.add("Cora", ["CT-AIMH IFS 2015-03-01"])
    people.add("Dora", ["CT-AIMH IFS 2015-03-01"])
    return people


def list_judged(session: Session, day: str) -> set[int]:
    """The endorsements that were last judged on a day."""
    query = select(StandingRow.endorsement_id).where(
        StandingRow.judged_on == date.fromisoformat(day)
    )
    return set(session.exec(query))


def test_a_batch_leaves_out_what_was_judged_meanwhile(session: Session) -> None:
    people = populate_more(session)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-12-31"))
    new_year = noon("2027-01-01")
    due = prepare_evaluation(session, REAL, "CT-AIMH", new_year, since=date(2026, 12, 31))
    alice, cora, dora = due.endorsement_ids
    assert not due.is_of_all
    assert evaluate_batch(session, REAL, due, [alice], new_year) == 1
    assert list_judged(session, "2027-01-01") == {alice}
    evaluate_people(session, REAL, [people.ids["Cora"]], new_year)
    assert evaluate_batch(session, REAL, due, due.endorsement_ids, new_year) == 1
    assert list_judged(session, "2027-01-01") == {alice, cora, dora}
    assert evaluate_batch(session, REAL, due, due.endorsement_ids, new_year) == 0


def test_small_batches_judge_everyone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_BATCH", 1)
    people = populate_more(session)
    held = {*people.endorsements.values()}
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    assert list_judged(session, "2026-06-01") == held
    due = prepare_evaluation(session, REAL, "CT-AIMH", noon("2026-06-02"))
    assert due.is_of_all
    assert sorted(due.batches) == [[each] for each in sorted(held)]
    judged = evaluate_batch(session, REAL, due, due.endorsement_ids, noon("2026-06-02"))
    assert judged == len(held) == 4
    assert list_judged(session, "2026-06-02") == held


def test_more_people_are_judged_than_a_statement_can_name(session: Session) -> None:
    many = range(3_000)
    connection = session.connection().connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2_500)
    evaluate_people(session, REAL, many, noon("2026-06-01"), named_providers=())
    due = prepare_evaluation(session, REAL, "CT-AIMH", noon("2026-06-01"))
    assert evaluate_batch(session, REAL, due, many, noon("2026-06-01")) == len(many)


@pytest.mark.parametrize(
    ("ended_on", "number"), [("2026-05-31", 1), ("2026-06-01", 2), ("2026-06-02", 2)]
)
def test_endorsements_that_ended_before_stay_without_a_standing(
    session: Session, ended_on: str, number: int
) -> None:
    """Bob has no standing either."""
    endorsed = [f"CT-AIMH IFS 2015-03-01..{ended_on}"]
    populate(session, REAL, {**IFS, "endorsed": endorsed})
    assert night(session, REAL, "2026-06-02", since="2026-06-01") == number


@pytest.mark.parametrize("digest", ["", "~"])
@pytest.mark.parametrize("name", [ENDORSEE, "Bob"])
def test_one_standing_by_other_rules_makes_all_due(
    session: Session, name: str, digest: str
) -> None:
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    session.connection().execute(
        text(
            "UPDATE standing SET rules_digest = :digest WHERE endorsement_id IN"
            " (SELECT id FROM endorsement WHERE person_id = :id)"
        ),
        {"digest": digest, "id": people.ids[name]},
    )
    assert night(session, REAL, "2026-06-02") == 2
    assert night(session, REAL, "2026-06-02") == 0


def test_a_changed_rulebook_moves_only_supervisees_elsewhere(session: Session) -> None:
    people = populate_more(session)
    people.log("rsc 12h 2026-03-01 with Bob")
    people.hold(ENDORSEE, "NCIMHA IFS 2015-03-01")
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    session.connection().execute(text("DELETE FROM provider_span"))
    changed = REAL.associations["NCIMHA"].model_copy(update={"name": "Another name"})
    rulebooks = with_rulebook(REAL, changed)
    day, last = noon("2026-06-02"), date(2026, 6, 1)
    due = prepare_evaluation(session, rulebooks, "NCIMHA", day, since=last)
    assert list_judged(session, "2026-06-02") == {people.endorsements["Alice: CT-AIMH IFS"]}
    assert due.endorsement_ids == [people.endorsements["Alice: NCIMHA IFS"]]


def test_an_association_is_evaluated_by_itself(session: Session) -> None:
    people = populate(session, REAL, IFS)
    people.hold(ENDORSEE, "NCIMHA IFS 2015-03-01")
    evaluate_association(session, REAL, "CT-AIMH", noon("2026-06-01"))
    everyone = {*people.endorsements.values()}
    assert list_judged(session, "2026-06-01") == everyone - {
        people.endorsements["Alice: NCIMHA IFS"]
    }


def test_a_cycle_changed_on_its_last_day_is_settled(session: Session) -> None:
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon("2027-01-31"))
    night(session, REAL, CLOSED)
    [settled] = session.exec(select(SettledCycle))
    assert settled.endorsement_id == people.endorsements["Alice: CT-AIMH IFS"]
    assert settled.cycle_starts_on == date(2026, 1, 1)
    assert settled.settled_on == date.fromisoformat(CLOSED)


def test_first_evaluation_settles_nothing(session: Session) -> None:
    populate(session, REAL, IFS)
    assert evaluate_due(session, REAL, "CT-AIMH", noon(CLOSED)) == 2
    assert session.exec(select(SettledCycle)).all() == []


def test_later_changes_to_a_settled_cycle_are_noted(session: Session) -> None:
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon("2027-01-31"))
    night(session, REAL, CLOSED)
    session.connection().execute(text("DELETE FROM membership"))
    evaluate_people(session, REAL, people.ids.values(), noon("2027-03-01"))
    [settled] = session.exec(select(SettledCycle))
    assert settled.differs_since == date(2027, 3, 1)
    assert status_of(session, "2026-01-01") == "met"


def test_a_complete_submission_is_accepted_with_a_certificate(session: Session) -> None:
    populate(session, IMAGINED, SUBMITTED)
    evaluate_due(session, IMAGINED, "ATTESTING", noon("2027-11-15"))
    [submission] = session.exec(select(Submission))
    [certificate] = session.exec(select(Certificate))
    assert submission.state == "accepted"
    assert (certificate.name, certificate.valid_from) == (ENDORSEE, date(2027, 11, 15))


def test_each_night_reissues_its_own_associations_certificates(session: Session) -> None:
    populate(session, IMAGINED, SUBMITTED)
    last, day = date(2027, 11, 15), noon("2027-11-16")
    evaluate_due(session, IMAGINED, "ATTESTING", noon(last))
    session.connection().execute(text("UPDATE person SET name = 'Alicia'"))
    prepare_evaluation(session, IMAGINED, "FORMATS", day, since=last)
    assert [each.name for each in session.exec(select(Certificate))] == [ENDORSEE]
    prepare_evaluation(session, IMAGINED, "ATTESTING", day, since=last)
    assert [each.name for each in session.exec(select(Certificate))] == [ENDORSEE, "Alicia"]


def test_a_removed_endorsement_leaves_the_table(session: Session) -> None:
    """Neither Bob, who is not removed, nor Alice's other endorsement leaves it."""
    people = populate(session, REAL, {**IFS, "entries": []})
    people.hold(ENDORSEE, "NCIMHA IFS 2015-03-01")
    removed = people.endorsements["Alice: CT-AIMH IFS"]
    session.connection().execute(
        text("UPDATE endorsement SET ended_as = :how, ends_on = '2027-02-02' WHERE id = :id"),
        {"how": REMOVED, "id": removed},
    )
    everyone, day = people.ids.values(), "2027-01-31"
    evaluate_people(session, REAL, everyone, noon(day))
    assert list_judged(session, day) == {*people.endorsements.values()}
    evaluate_people(session, REAL, everyone, noon("2027-02-03"))
    assert list_judged(session, "2027-02-03") == {*people.endorsements.values()} - {removed}
