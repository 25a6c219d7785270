"""Evaluations that wait until the end of a block."""

from collections.abc import Collection
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, CasePeople, populate
from tests.services.evaluation.test_evaluation import IFS, noon, status_of
from tracker.db.ledgers import EndorsementEnd, StandingRow
from tracker.db.people import Endorsement
from tracker.services.evaluation import (
    deferred_evaluation,
    evaluate_people,
    immediate_evaluation,
)

DAY = noon("2026-06-02")


@pytest.fixture
def people(session: Session) -> CasePeople:
    """Alice and Bob, whose days as a provider are not stored: he does not say that he is one."""
    people = populate(session, REAL, IFS)
    session.connection().execute(text("DELETE FROM provider_span"))
    session.connection().execute(text("UPDATE person SET provides_rsc = false"))
    return people


def list_judged(session: Session) -> set[int]:
    """The ids of people with a stored standing."""
    query = select(Endorsement.person_id).join(
        StandingRow, col(StandingRow.endorsement_id) == Endorsement.id
    )
    return set(session.exec(query))


def test_a_block_evaluates_everyone_at_its_end(session: Session, people: CasePeople) -> None:
    alice, bob = people.ids[ENDORSEE], people.ids["Bob"]
    with deferred_evaluation(session):
        with deferred_evaluation(session):
            evaluate_people(session, REAL, [bob], DAY)
        evaluate_people(session, REAL, [alice], noon("2026-06-01"))
        assert list_judged(session) == set()
    assert list_judged(session) == {alice, bob}
    assert set(session.exec(select(col(StandingRow.judged_on)))) == {DAY.date()}


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ([()], "open"),
        ([None], "met"),
        ([("Bob",)], "met"),
        ([(), ()], "open"),
        ([None, ()], "met"),
        ([(), None], "met"),
        ([("Bob",), ()], "met"),
        ([(), ("Bob",)], "met"),
    ],
)
def test_a_block_refreshes_the_providers_of_each_change(
    session: Session, people: CasePeople, named: list[Collection[str] | None], status: str
) -> None:
    with deferred_evaluation(session):
        for names in named:
            providers = None if names is None else {people.ids[name] for name in names}
            evaluate_people(session, REAL, [people.ids[ENDORSEE]], DAY, named_providers=providers)
    assert status_of(session, "2026-01-01") == status


def test_an_entry_refreshes_no_providers_on_the_list(session: Session, people: CasePeople) -> None:
    """What qualifies them has not changed, and their days are stored already."""
    session.connection().execute(text("UPDATE person SET provides_rsc = true"))
    bob = {people.ids["Bob"]}
    evaluate_people(session, REAL, [people.ids[ENDORSEE]], DAY, named_providers=bob)
    assert session.scalar(text("SELECT count(*) FROM provider_span")) == 0


def test_a_save_refreshes_no_days_of_other_people(session: Session) -> None:
    """Those of everyone would take too long; the night refreshes them."""
    ends_by_rule = "ADDING EIFS 2024-09-01"
    people = populate(session, IMAGINED, {"endorsed": [ends_by_rule]})
    people.add("Bob", ["ADDING IMHS 2015-01-01", ends_by_rule], provides_rsc=True)
    session.connection().execute(text("DELETE FROM endorsement_end"))
    evaluate_people(session, IMAGINED, [people.ids[ENDORSEE]], DAY)
    assert session.exec(select(EndorsementEnd.endorsement_id)).all() == [
        people.endorsements["Alice: ADDING EIFS"]
    ]
    assert session.scalar(text("SELECT count(*) FROM provider_span")) == 0


def test_a_block_that_fails_or_is_empty_evaluates_nobody(
    session: Session, people: CasePeople
) -> None:
    everyone = people.ids.values()
    with suppress(ZeroDivisionError), deferred_evaluation(session):
        evaluate_people(session, REAL, everyone, DAY)
        raise ZeroDivisionError
    with deferred_evaluation(session):
        pass
    assert list_judged(session) == set()
    evaluate_people(session, REAL, everyone, DAY)
    assert list_judged(session) == {*everyone}


def test_an_immediate_evaluation_does_not_wait(session: Session, people: CasePeople) -> None:
    alice, bob = people.ids[ENDORSEE], people.ids["Bob"]
    with deferred_evaluation(session):
        with immediate_evaluation(session):
            evaluate_people(session, REAL, [alice], DAY)
            assert list_judged(session) == {alice}
        evaluate_people(session, REAL, [bob], DAY)
        assert list_judged(session) == {alice}
    assert list_judged(session) == {alice, bob}
    with immediate_evaluation(session):
        evaluate_people(session, REAL, [bob], noon("2026-06-03"))
    assert max(session.exec(select(col(StandingRow.judged_on)))) == noon("2026-06-03").date()
