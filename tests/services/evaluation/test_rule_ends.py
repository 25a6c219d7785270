"""The last days by rule are stored, and hold wherever a last day matters."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, populate
from tests.services.evaluation.test_evaluation import night, noon
from tests.support.nights import evaluate_due
from tracker.db.engine import is_postgresql
from tracker.db.ledgers import EndorsementEnd, StandingRow
from tracker.db.people import Endorsement
from tracker.db.tables import METADATA
from tracker.rulebooks import with_rulebook
from tracker.rules.model import Category
from tracker.services import rule_ends
from tracker.services.endings import list_endings
from tracker.services.endorsements import endorsements_of
from tracker.services.evaluation import evaluate_people, parse_results
from tracker.services.rule_ends import list_rule_ends, refresh_rule_ends
from tracker.services.rules_reach import count_by_category

TODAY = date(2026, 6, 30)
ADD_ON: dict[str, Any] = {
    "endorsed": ["ADDING IFS 2020-03-01", "ADDING ERS 2022-03-01"],
    "providers": {"Bob": ["ADDING IMHS 2015-01-01", "ADDING ERS 2016-01-01"]},
    "entries": ["rsc 12h 2026-04-01 with Bob"],
}


def statuses(session: Session, person_id: int) -> dict[str, str]:
    standing, endorsement = METADATA.tables["standing"], METADATA.tables["endorsement"]
    query = (
        standing.join(endorsement, endorsement.c.id == standing.c.endorsement_id)
        .select()
        .where(endorsement.c.person_id == person_id, standing.c.cycle_starts_on == date(2026, 1, 1))
    )
    return {row.category: row.status for row in session.connection().execute(query)}


def end(session: Session, endorsement_id: int, last_day: date, person_id: int) -> None:
    session.get_one(Endorsement, endorsement_id).ends_on = last_day
    session.flush()
    evaluate_people(session, IMAGINED, {person_id}, noon(TODAY))


def test_ending_the_base_ends_the_add_on(session: Session) -> None:
    people = populate(session, IMAGINED, ADD_ON)
    alice = people.ids[ENDORSEE]
    evaluate_people(session, IMAGINED, {alice}, noon(TODAY))
    assert statuses(session, alice) == {"IFS": "met", "ERS": "open"}
    end(session, people.endorsements["Alice: ADDING IFS"], date(2026, 5, 31), alice)
    assert statuses(session, alice) == {}
    assert [held.ends_on for held in endorsements_of(session, alice)] == [date(2026, 5, 31)] * 2
    sizes = count_by_category(session, "ADDING", TODAY)
    assert sizes.endorsements == {"IMHS": 1, "ERS": 1}


def test_ending_a_supervisors_base_moves_supervisees(session: Session) -> None:
    people = populate(session, IMAGINED, ADD_ON)
    alice, bob = people.ids[ENDORSEE], people.ids["Bob"]
    evaluate_people(session, IMAGINED, {alice}, noon(TODAY))
    end(session, people.endorsements["Bob: ADDING IMHS"], date(2026, 3, 31), bob)
    assert statuses(session, alice)["IFS"] == "open"
    session.get_one(Endorsement, people.endorsements["Bob: ADDING IMHS"]).ends_on = None
    session.flush()
    evaluate_people(session, IMAGINED, {bob}, noon(TODAY))
    assert statuses(session, alice)["IFS"] == "met"


def test_a_term_that_ends_before_the_due_date_is_listed(session: Session) -> None:
    people = populate(session, IMAGINED, {"endorsed": ["ADDING EIFS 2024-09-01"]})
    (ending,) = list_endings(session, IMAGINED, "ADDING", lambda _: TODAY)
    assert (ending.ends_on, ending.becomes) == (date(2026, 8, 31), ("IFS", "IMHS"))
    people.hold(ENDORSEE, "ADDING IFS 2026-08-01")
    session.flush()
    evaluate_people(session, IMAGINED, {people.ids[ENDORSEE]}, noon(TODAY))
    (ending,) = list_endings(session, IMAGINED, "ADDING", lambda _: TODAY)
    assert ending.ends_on == date(2026, 7, 31)


def test_a_changed_rulebook_moves_the_ends_at_night(session: Session) -> None:
    people = populate(session, IMAGINED, {"endorsed": ["ADDING EIFS 2024-09-01"]})
    alice = people.ids[ENDORSEE]
    evaluate_people(session, IMAGINED, {alice}, datetime(2026, 6, 29, 18, tzinfo=UTC))
    assert statuses(session, alice) == {}
    adding = IMAGINED.associations["ADDING"]
    longer = Category(name="Emerging", term_years=3, becomes=("IFS",))
    categories = adding.categories | {"EIFS": longer}
    changed = with_rulebook(IMAGINED, adding.model_copy(update={"categories": categories}))
    night(session, changed, TODAY)
    assert statuses(session, alice) == {"EIFS": "open"}
    (stored,) = session.connection().execute(METADATA.tables["endorsement_end"].select())
    assert stored.ends_on == date(2027, 8, 31)


def test_moved_ends_move_what_continues_elsewhere(session: Session) -> None:
    people = populate(
        session, REAL, {"endorsed": ["CT-AIMH IFS 2019-09-01", "NCIMHA IFS 2026-09-01"]}
    )
    alice, day = people.ids[ENDORSEE], date(2026, 11, 29)
    evaluate_people(session, REAL, {alice}, noon(day))

    def training() -> str:
        query = select(col(StandingRow.requirements)).where(StandingRow.association == "NCIMHA")
        results = parse_results(session.exec(query).one())
        return next(result.outcome for result in results if result.id == "training")

    # The first endorsement of somebody else requires no hours in its first cycle.
    assert training() == "excused"
    ct_aimh = REAL.associations["CT-AIMH"]
    limited = Category(name="Specialist", term_years=7, becomes=("IMHS",))
    categories = ct_aimh.categories | {"IFS": limited}
    changed = with_rulebook(REAL, ct_aimh.model_copy(update={"categories": categories}))
    evaluate_due(session, changed, "CT-AIMH", noon(day), since=day)
    assert training() == "short"


THREE: dict[str, Any] = {
    "endorsed": ["ADDING EIFS 2024-09-01"],
    "providers": {name: ["ADDING EIFS 2024-09-01"] for name in ("Bob", "Cy")},
}


def stored_ends(session: Session) -> dict[int, date]:
    query = select(col(EndorsementEnd.endorsement_id), col(EndorsementEnd.ends_on))
    return dict(session.exec(query).all())


def test_ends_are_refreshed_for_the_named_people(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = populate(session, IMAGINED, THREE)
    ends = stored_ends(session)
    assert ends == dict.fromkeys(people.endorsements.values(), date(2026, 8, 31))
    session.connection().execute(METADATA.tables["endorsement_end"].delete())
    locked: list[Sequence[str]] = []
    monkeypatch.setattr(rule_ends, "_BATCH", 1)
    monkeypatch.setattr(rule_ends, "lock_names", lambda _, names: locked.append(names))
    named = [people.ids["Bob"], people.ids[ENDORSEE]]
    changed = refresh_rule_ends(session, IMAGINED, named)
    assert changed == {people.endorsements[f"{name}: ADDING EIFS"] for name in ("Alice", "Bob")}
    assert set(stored_ends(session)) == changed
    assert locked == [["last days by rule"]] * 2
    # As a rule no end differs, and nobody waits.
    assert refresh_rule_ends(session, IMAGINED, named) == set()
    assert len(locked) == 2
    assert list_rule_ends(session, IMAGINED) == ends


def test_ends_go_with_the_rule(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    people = populate(session, IMAGINED, THREE)
    adding = IMAGINED.associations["ADDING"]
    plain = {name: Category(name=rule.name) for name, rule in adding.categories.items()}
    changed = with_rulebook(IMAGINED, adding.model_copy(update={"categories": plain}))
    monkeypatch.setattr(rule_ends, "_BATCH", 2)
    if not is_postgresql(session):
        driver = session.connection().connection.driver_connection
        assert driver
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2)
    assert refresh_rule_ends(session, changed) == set(people.endorsements.values())
    assert stored_ends(session) == {}
