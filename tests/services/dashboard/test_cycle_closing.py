"""What is left before a cycle closes: counted as the desk counts it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, CasePeople
from tests.support.cast import ALICE, BOB, BOOKS, ERIN, NOW, Cast, fill
from tests.support.held import settle_last_year
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.services.cycle_closing import (
    ChecklistItem,
    ClosingStep,
    CycleClosing,
    LaterClosing,
    UnsettledPast,
    check_closing,
    find_closing_cycle,
    is_year,
)
from tracker.services.dashboard import STATES
from tracker.services.evaluation import evaluate_people

TODAY = NOW.date()


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def check(cast: Cast, today: date = TODAY) -> CycleClosing:
    with reading(cast.engine) as session:
        return check_closing(session, BOOKS, "NCIMHA", today)


def left(cast: Cast, today: date = TODAY) -> dict[ClosingStep, int]:
    return {item.step: item.left for item in check(cast, today).items if item.left}


def add(cast: Cast, table: str, *rows: dict[str, Any]) -> None:
    with writing(cast.engine) as session:
        session.connection().execute(insert(METADATA.tables[table]), list(rows))


def test_days_of_the_cycle_are_named(cast: Cast) -> None:
    closing = check(cast)
    assert (closing.association, closing.today) == ("NCIMHA", TODAY)
    assert closing.cycle is not None
    assert closing.cycle.due_on == date(2026, 12, 31)
    assert closing.closes_on == date(2027, 1, 31)
    assert closing.settles_on == date(2027, 2, 1)
    assert (closing.past, closing.later) == ([], [])


@pytest.mark.parametrize(
    ("association", "today", "year"),
    [
        ("NCIMHA", date(2027, 1, 31), 2026),
        ("NCIMHA", date(2027, 2, 1), 2027),
        ("NCIMHA", date(2027, 12, 31), 2027),
        # The first cycle, and the last day before it.
        ("LATER", date(2022, 1, 1), 2022),
        ("LATER", date(2021, 12, 31), None),
        ("ANNIVERSARY", TODAY, None),
    ],
)
def test_the_cycle_that_closes_next_is_found(
    association: str, today: date, year: int | None
) -> None:
    books = {**BOOKS.associations, **IMAGINED.associations}
    books["LATER"] = books["ATTESTING"]
    cycle = find_closing_cycle(books[association], today)
    assert (cycle.starts_on.year if cycle else None) == year


def test_a_cycle_of_three_years_is_no_year() -> None:
    found = {}
    for association in ("NCIMHA", "ATTESTING"):
        cycle = find_closing_cycle(BOOKS.associations[association], TODAY)
        assert cycle is not None
        found[association] = is_year(cycle)
    assert found == {"NCIMHA": True, "ATTESTING": False}


def test_totals_add_up_states_and_steps() -> None:
    counts = {state: 10**number for number, state in enumerate(STATES)}
    steps = [ChecklistItem(ClosingStep.JOBS, 0), ChecklistItem(ClosingStep.OPEN, 1)]
    closing = CycleClosing("NCIMHA", TODAY, None, counts, steps, [], [])
    assert closing.left == 1
    assert (closing.closes_on, closing.settles_on) == (None, None)
    assert closing.renewals == sum(counts.values()) - counts["no rules"]
    unmet = ("lapsed", "overdue", "behind", "open")
    assert closing.incomplete == sum(counts[state] for state in unmet)


def test_open_renewals_are_left(cast: Cast) -> None:
    """Alice's is behind, and Bob's is on pace."""
    standing = METADATA.tables["standing"]
    on_pace = standing.c.endorsement_id == cast.endorsements[BOB]
    with writing(cast.engine) as session:
        values = {"falls_behind_on": TODAY + timedelta(days=1)}
        session.connection().execute(update(standing).where(on_pace).values(values))
    closing = check(cast)
    assert {state: count for state, count in closing.counts.items() if count} == {
        "behind": 1,
        "open": 1,
    }
    assert left(cast) == {ClosingStep.PROVIDERS: 1, ClosingStep.OPEN: 2}
    assert [item.step for item in closing.items] == [*ClosingStep]


def test_overdue_renewals_are_in_grace(cast: Cast) -> None:
    with writing(cast.engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), datetime(2027, 1, 31, 18, tzinfo=UTC))
    assert left(cast, date(2027, 1, 31)) == {ClosingStep.PROVIDERS: 1, ClosingStep.GRACE: 2}


def test_failed_jobs_and_undecided_requests_are_left(cast: Cast) -> None:
    failed = {"job": "notices", "subject": "", "error": "busy", "attempts": 1}
    failed |= {"first_failed_at": NOW, "last_failed_at": NOW}
    add(cast, "run_failure", *({**failed, "association": name} for name in ("NCIMHA", "CT-AIMH")))
    asked = {"kind": "leave", "starts_on": TODAY, "reason": "Illness", "asked_at": NOW}
    decided = {"state": "declined", "decided_at": NOW}
    undecided = {"state": "asked", "decided_at": None}
    add(
        cast,
        "time_request",
        {**asked, **undecided, "endorsement_id": cast.endorsements[ALICE], "form_key": "a"},
        {**asked, **undecided, "endorsement_id": cast.endorsements[BOB], "form_key": "b"},
        {**asked, **decided, "endorsement_id": cast.endorsements[BOB], "form_key": "c"},
        {**asked, **undecided, "endorsement_id": cast.endorsements[ERIN], "form_key": "d"},
    )
    found = left(cast)
    assert (found[ClosingStep.JOBS], found[ClosingStep.REQUESTS]) == (1, 2)


def test_unconfirmed_provider_and_bounced_address_are_left(cast: Cast) -> None:
    """Alice has an hour with somebody who is not confirmed; Bob holds two endorsements."""
    second = {"person_id": cast.people[BOB], "association": "NCIMHA", "category": "IFRS"}
    add(cast, "endorsement", {**second, "starts_on": date(2026, 1, 1)})
    person = METADATA.tables["person"]
    with writing(cast.engine) as session:
        refused = person.c.id.in_([cast.people[BOB], cast.people[ERIN]])
        session.connection().execute(update(person).where(refused).values(email_refused_at=NOW))
        evaluate_people(session, BOOKS, [cast.people[BOB]], NOW)
    found = left(cast)
    assert (found[ClosingStep.PROVIDERS], found[ClosingStep.ADDRESSES]) == (1, 1)
    assert check(cast).renewals == 2
    [providers] = [i for i in check(cast).items if i.step is ClosingStep.PROVIDERS]
    assert providers.minutes == 60


def test_reopened_and_differing_cycles_are_listed(cast: Cast) -> None:
    """By name, whatever the case, and each person's from the oldest on."""
    tables = METADATA.tables
    settled, person = tables["settled_cycle"], tables["person"]
    alice, bob, erin = (cast.endorsements[email] for email in (ALICE, BOB, ERIN))
    with writing(cast.engine) as session:
        settle_last_year(session, cast, BOB)
        execute = session.connection().execute
        [row] = execute(settled.select().where(settled.c.endorsement_id == bob))
        other = {"association": "NCIMHA", "category": "IMHS", "starts_on": date(2024, 3, 2)}
        new = insert(tables["endorsement"]).values(person_id=cast.people[BOB], **other)
        former = execute(new.returning(tables["endorsement"].c.id)).scalar_one()
        for email, name in ((ALICE, "alma Moreno"), (BOB, "Albert Osei")):
            this_person = person.c.id == cast.people[email]
            execute(update(person).where(this_person).values(name=name))
        reopened = {"reopened_at": NOW, "reopened_by": "carol@example.org"}
        differing = {"differs_since": TODAY}
        execute(update(settled).values(reopened))
        for endorsement_id, year, values in (
            (alice, 2025, differing),
            (alice, 2024, {}),
            (former, 2023, reopened),
            (erin, 2025, differing),
        ):
            key = {"endorsement_id": endorsement_id, "cycle_starts_on": date(year, 1, 1)}
            execute(insert(settled).values({**row._mapping, **key, **values}))
    assert check(cast).past == [
        UnsettledPast(former, "Albert Osei", "IMHS", date(2023, 1, 1), is_reopened=True),
        UnsettledPast(bob, "Albert Osei", "IFS", date(2025, 1, 1), is_reopened=True),
        UnsettledPast(alice, "alma Moreno", "IFS", date(2025, 1, 1), is_reopened=False),
    ]
    found = left(cast)
    assert (found[ClosingStep.REOPENED], found[ClosingStep.DIFFERING]) == (2, 1)


def test_extended_renewals_close_later(cast: Cast) -> None:
    """In the order of the days, and only those of this cycle."""
    extended = {"cycle_starts_on": date(2026, 1, 1), "reason": "Illness"}
    alice, bob, erin = (cast.endorsements[email] for email in (ALICE, BOB, ERIN))
    add(
        cast,
        "renewal",
        {**extended, "endorsement_id": alice, "extended_due_on": date(2027, 3, 1)},
        {**extended, "endorsement_id": bob, "extended_due_on": date(2027, 2, 1)},
        {**extended, "endorsement_id": erin, "extended_due_on": date(2027, 2, 1)},
    )
    with writing(cast.engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    assert check(cast).later == [
        LaterClosing(date(2027, 3, 4), 1),
        LaterClosing(date(2027, 4, 1), 1),
    ]


def test_renewals_of_own_cycles_are_counted_together(cast: Cast) -> None:
    """Each cycle runs from the day of endorsement: the last one is not counted once it is met."""
    with Session(cast.engine) as session:
        people = CasePeople(session)
        for name, since in (("Ann", "2020-05-01"), ("Beth", "2021-08-01")):
            people.add(name, [f"ANNIVERSARY IFS {since}"])
        evaluate_people(session, IMAGINED, people.ids.values(), NOW)
        closing = check_closing(session, IMAGINED, "ANNIVERSARY", TODAY)
    assert (closing.cycle, closing.later, closing.renewals) == (None, [], 4)
