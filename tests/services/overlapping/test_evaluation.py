"""Standings are worked out while somebody else writes what they follow from."""

import json
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, populate
from tests.support.cast import ALICE, ATTESTING, BOB, BOOKS, DANA, KAI, NOW, Cast, acting
from tests.support.overlap import overlap, overlap_call
from tests.support.submitting import CYCLE, GIL, submit_for_gil
from tracker.db.engine import open_engine, writing
from tracker.db.log import Entry
from tracker.db.people import Waiver
from tracker.db.submissions import Submission
from tracker.services.context import lock_person
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import (
    DueEvaluation,
    evaluate_association,
    evaluate_batch,
    evaluate_people,
    prepare_evaluation,
)

CLUB = EntryInput("training", date(2026, 6, 1), 60, "Book club")


def log(session: Session, cast: Cast, email: str, entry: EntryInput = CLUB) -> int:
    person_id = cast.people[email]
    return create_entry(acting(session, cast, email), person_id, entry, EntrySource("key")).id


def counted(cast: Cast, email: str) -> dict[str, int]:
    """Counted minutes by requirement in this year's cycle."""
    [row] = cast.rows(
        "standing", endorsement_id=cast.endorsements[email], cycle_starts_on=date(2026, 1, 1)
    )
    return {each["id"]: each["counted"] for each in json.loads(row["requirements"])}


def test_a_night_counts_a_session_saved_meanwhile(cast: Cast) -> None:
    due = DueEvaluation("NCIMHA", sorted(cast.endorsements.values()), is_of_all=True)
    _, judged = overlap(
        cast.engine,
        lambda s: log(s, cast, BOB),
        lambda s: evaluate_batch(s, BOOKS, due, due.endorsement_ids, NOW),
    )
    assert judged == len(due.endorsement_ids)
    assert counted(cast, BOB)["training"] == CLUB.minutes


def test_two_supervisees_name_a_provider_at_once(cast: Cast) -> None:
    dana = cast.people[DANA]
    # Of people who are not listed as providers nothing is stored until a session names them.
    with writing(cast.engine) as session:
        session.connection().execute(text("UPDATE person SET provides_rsc = false"))
        session.connection().execute(text("DELETE FROM provider_span"))
        held: dict[str, Any] = {"activity": "rsc", "minutes": 60, "title": "RSC"}
        # Whom somebody named before may be named again.
        before = date(2025, 6, 3)
        session.add(Entry(person_id=cast.people[BOB], held_on=before, **held, provider_id=dana))
    rsc = EntryInput("rsc", date(2026, 6, 2), 60, "RSC", dana)
    _, saved = overlap(
        cast.engine, lambda s: log(s, cast, ALICE, rsc), lambda s: log(s, cast, BOB, rsc)
    )
    assert isinstance(saved, int), saved
    assert counted(cast, BOB)["rsc"] == rsc.minutes


def test_two_nights_store_last_days_by_rule_once(postgres_database_url: str) -> None:
    engine = open_engine(postgres_database_url)
    held: dict[str, Any] = {"endorsed": ["ADDING EIFS 2024-09-01"]}
    with writing(engine) as session:
        populate(session, IMAGINED, held)
        session.connection().execute(text("DELETE FROM endorsement_end"))
    _, due = overlap(
        engine,
        lambda s: prepare_evaluation(s, IMAGINED, "ADDING", NOW),
        lambda s: prepare_evaluation(s, IMAGINED, "ADDING", NOW),
    )
    assert isinstance(due, DueEvaluation), due
    engine.dispose()


def test_a_night_and_a_decision_do_not_deadlock(cast: Cast) -> None:
    with writing(cast.engine) as session:
        submission_id, gil = submit_for_gil(session, cast), cast.people[GIL]
        held = cast.endorsements[GIL]
        # Now nothing is missing, and the night would accept the renewal.
        for name in ("training", "rsc", "hours", "membership"):
            new = Waiver(endorsement_id=held, cycle_starts_on=CYCLE, requirement=name, reason="")
            session.add(new)

    def send_back(session: Session) -> None:
        lock_person(session, gil)
        returned = {"state": "returned", "returned_at": NOW, "returned_by": KAI}
        session.get_one(Submission, submission_id).sqlmodel_update(returned)

    def judge() -> int:
        due = DueEvaluation(ATTESTING, [held], is_of_all=True)
        with writing(cast.engine) as session:
            return evaluate_batch(session, BOOKS, due, [held], NOW)

    _, judged = overlap_call(
        cast.engine, send_back, judge, lambda s: evaluate_people(s, BOOKS, {gil}, NOW)
    )
    assert judged == 1
    assert cast.rows("submission")[0]["state"] == "returned"


def test_two_evaluations_of_an_association_take_turns(cast: Cast) -> None:
    _, error = overlap(
        cast.engine,
        lambda s: evaluate_association(s, BOOKS, "NCIMHA", NOW),
        lambda s: evaluate_association(s, BOOKS, "NCIMHA", NOW),
    )
    assert error is None
