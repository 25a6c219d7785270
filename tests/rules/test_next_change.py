"""The judgment against a second opinion, and day by day: random people, both rule sets."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session

from tests.rules import oracle
from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, judge_person, populate, verdicts
from tests.rules.history_oracle import read_held, with_history
from tests.rules.strategies import any_day, cases
from tracker.db.engine import open_engine
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import RenewalPlan
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Facts, Standing

DAY = timedelta(days=1)
# Long enough for a three-year cycle, its extension and its grace to pass.
HORIZON = timedelta(days=4 * 366)
RULEBOOKS = [pytest.param(REAL, id="real"), pytest.param(IMAGINED, id="imagined")]
same_database = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def renewals(
    case: dict[str, Any], rulebooks: Rulebooks, day: date
) -> Iterator[tuple[str, RenewalPlan, Facts]]:
    """Each endorsement of Alice's with its plan for the cycle that contains the day."""
    everything = read_held(case, rulebooks)
    for endorsement, held in zip(case["endorsed"], everything, strict=True):
        plan = rulebooks.plan(held.association, held.category, held.starts_on, day)
        if plan:
            plan = with_history(rulebooks, plan, held, everything)
            facts = oracle.read_facts(case, rulebooks, endorsement, plan)
            yield (
                f"{held.association} {held.category}",
                plan,
                facts._replace(ends_on=held.ends_on),
            )


@pytest.mark.parametrize("rulebooks", RULEBOOKS)
@settings(max_examples=60)
@given(data=st.data())
def test_standing_does_not_change_before_its_day(rulebooks: Rulebooks, data: st.DataObject) -> None:
    case, as_of, cycle_day = data.draw(cases(rulebooks)), data.draw(any_day), data.draw(any_day)
    for _, plan, facts in renewals(case, rulebooks, cycle_day):

        def stand(day: date, plan: RenewalPlan = plan, facts: Facts = facts) -> Standing | None:
            return judge_renewal(plan, oracle.facts_on(case, rulebooks, facts, plan, day), day)

        first = stand(as_of)
        assume(first is not None)
        assert first
        change = first.next_change_on
        assert change is None or change > as_of
        day = as_of + DAY
        while day < (change or as_of + HORIZON):
            assert oracle.opinion_of(stand(day)) == oracle.opinion_of(first), day
            day += DAY


@pytest.mark.parametrize(
    "later",
    [
        {"payments": ["WHOLE IFS 2026-01-01 renewal 90 2026-03-12"]},
        # At 22:00 UTC, when it is the next day in Guam.
        {"submitted": ["WHOLE IFS 2026-01-01 2026-03-11 ethics"]},
    ],
)
def test_a_payment_or_submission_on_record_changes_a_standing(later: dict[str, Any]) -> None:
    nothing = ("members", "entries", "leave", "inactive", "emeritus", "waived", "extended")
    case: dict[str, Any] = {name: [] for name in (*nothing, "submitted", "payments", "applied")}
    case |= {"endorsed": ["WHOLE IFS 2023-07-16"], "provides_rsc": False, "providers": {}, **later}
    [(_, plan, facts)] = renewals(case, IMAGINED, date(2026, 1, 30))
    as_of, change = date(2026, 1, 30), date(2026, 3, 12)
    before, after = (
        judge_renewal(plan, oracle.facts_on(case, IMAGINED, facts, plan, day), day)
        for day in (as_of, change)
    )
    assert before
    assert before.next_change_on == change
    assert oracle.opinion_of(before) != oracle.opinion_of(after)


@pytest.mark.parametrize("rulebooks", RULEBOOKS)
@settings(max_examples=100)
@given(data=st.data())
def test_judgment_matches_the_oracle(rulebooks: Rulebooks, data: st.DataObject) -> None:
    case, as_of, cycle_day = data.draw(cases(rulebooks)), data.draw(any_day), data.draw(any_day)
    for _, plan, facts in renewals(case, rulebooks, cycle_day):
        counted = oracle.facts_on(case, rulebooks, facts, plan, as_of)
        standing = judge_renewal(plan, counted, as_of)
        assert oracle.opinion_of(standing) == oracle.expect(plan, counted, as_of)


@pytest.mark.parametrize("rulebooks", RULEBOOKS)
@same_database
@given(data=st.data())
def test_database_sums_match_explained_entries(
    engine: Engine, rulebooks: Rulebooks, data: st.DataObject
) -> None:
    case, as_of, cycle_day = data.draw(cases(rulebooks)), data.draw(any_day), data.draw(any_day)
    with Session(engine) as connection:
        people = populate(connection, rulebooks, case)
        found = judge_person(
            connection, rulebooks, lambda _: as_of, people.ids[ENDORSEE], cycle_day
        )
        for standing in found.values():
            assert_explained(connection, standing, as_of)
        connection.rollback()
    expected = {}
    for name, plan, facts in renewals(case, rulebooks, cycle_day):
        opinion = judge_renewal(plan, oracle.facts_on(case, rulebooks, facts, plan, as_of), as_of)
        if opinion:
            expected[name] = (oracle.opinion_of(opinion), opinion.next_change_on)
    assert {k: (oracle.opinion_of(s), s.next_change_on) for k, s in found.items()} == expected


def assert_explained(session: Session, standing: Standing, as_of: date) -> None:
    """The explanations of the entries add up to the sums."""
    explained = verdicts(session, standing, as_of)
    kinds = {a.counts for a in standing.plan.requirements} & {"training", "rsc"}
    sums = {
        kind: sum(e.minutes for e, v in explained if v.counts and e.activity == kind)
        for kind in kinds
    }
    assert sums == {kind: standing.facts.minutes.get(kind, 0) for kind in kinds}
    assert all(v.counts or v.reason for _, v in explained)
