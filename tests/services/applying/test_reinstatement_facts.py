"""What a reinstatement is judged by: the endorsement that was removed, hours, and payments."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.cast import ALICE, BOB, BOOKS, DANA, NOW, REMOVING, Cast
from tracker.db.applications import APPLICATION, REINSTATEMENT
from tracker.db.ledgers import ProviderSpan
from tracker.db.people import REMOVED
from tracker.rules.application.candidate import Candidate
from tracker.rules.fees import PaidShare
from tracker.rules.plan import ApplicationPlan
from tracker.rules.standing import ApplicationFacts, DaySum, Removed
from tracker.services.reinstatement_facts import (
    PlannedApplication,
    ReturnFacts,
    find_removed,
    list_asked_returns,
    read_returns,
)

DAY = timedelta(days=1)
ASKED = date(2026, 6, 1)
FIRST, LAST = date(2023, 1, 1), date(2026, 2, 28)
CANDIDATE = Candidate("open", ASKED, None)
FACTS = ApplicationFacts(7, 1, ALICE, "Alice", False, {}, (), CANDIDATE)  # noqa: FBT003 - of a named tuple


def endorse(
    session: Session,
    person_id: int,
    *days: date,
    held: str = f"{REMOVING} IFS",
    ended_as: str | None = REMOVED,
) -> int:
    """Store an endorsement; by default one that was removed."""
    association, category = held.split()
    return insert_row(
        session,
        "endorsement",
        person_id=person_id,
        association=association,
        category=category,
        starts_on=days[0],
        ends_on=days[1],
        ended_as=ended_as,
    )


def ask(
    session: Session,
    person_id: int,
    opened_on: date = ASKED,
    asked: str = f"{REMOVING} IFS",
    purpose: str = REINSTATEMENT,
) -> int:
    """Store a reinstatement, or another application."""
    association, category = asked.split()
    return insert_row(
        session,
        "application",
        person_id=person_id,
        association=association,
        category=category,
        opened_on=opened_on,
        purpose=purpose,
    )


def plan_of(category: str = "IFS") -> ApplicationPlan:
    return BOOKS.application_plan(REMOVING, category, ASKED, "reinstatement")


def test_the_endorsement_removed_last_is_asked_back(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    last = endorse(session, alice, FIRST, ASKED - DAY)
    endorse(session, alice, date(2020, 1, 1), date(2022, 1, 1))
    endorse(session, alice, date(2025, 1, 1), date(2025, 12, 31), ended_as=None)
    endorse(session, alice, date(2025, 2, 1), ASKED)
    endorse(session, alice, date(2025, 3, 1), LAST, held=f"{REMOVING} IFRS")
    endorse(session, alice, date(2025, 3, 1), LAST, held="NCIMHA IFS")
    others = endorse(session, bob, date(2025, 4, 1), LAST)
    asked, by_bob = ask(session, alice), ask(session, bob)
    assert find_removed(session, [asked]) == {asked: Removed(last, FIRST, ASKED - DAY)}
    assert find_removed(session, [by_bob]) == {by_bob: Removed(others, date(2025, 4, 1), LAST)}


def test_the_last_reinstatement_of_each_is_listed(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    first, second = (
        endorse(session, alice, FIRST, LAST, held=held)
        for held in (f"{REMOVING} IFS", "NCIMHA IFS")
    )
    endorse(session, bob, FIRST, LAST)
    ask(session, alice, ASKED - DAY)
    asked = ask(session, alice)
    ask(session, alice, ASKED + DAY, purpose=APPLICATION)
    ask(session, alice, asked="NCIMHA IFS")
    ask(session, alice, asked=f"{REMOVING} IFRS")
    ask(session, bob)
    [found] = list_asked_returns(session, {first})
    assert (found.application.id, found.person.id) == (asked, alice)
    assert found.removed == Removed(first, FIRST, LAST)
    both = list_asked_returns(session, {first, second})
    assert [each.removed.endorsement_id for each in both] == [first, second]


def log(session: Session, person_id: int, held_on: date, **more: object) -> None:
    values = {"activity": "training", "minutes": 60, "title": "A day", **more}
    insert_row(session, "entry", person_id=person_id, held_on=held_on, **values)


def read(
    session: Session, plan: ApplicationPlan, person_id: int, *application_ids: int
) -> ReturnFacts:
    planned = [PlannedApplication(each, person_id, plan, ASKED) for each in application_ids]
    return read_returns(session, planned)


def days_of(sums: Sequence[DaySum]) -> list[tuple[date, str]]:
    return sorted((each.held_on, each.activity) for each in sums)


def test_hours_are_read_for_twice_the_window(session: Session, cast: Cast) -> None:
    dana = cast.people[DANA]
    first = date(2024, 6, 1)
    for day in (first - DAY, first, ASKED, ASKED + DAY):
        log(session, dana, day)
    held = endorse(session, dana, FIRST, LAST)
    nothing, asked = ask(session, dana, asked=f"{REMOVING} IFRS"), ask(session, dana)
    found = read(session, plan_of(), dana, nothing, asked)
    assert set(found.days) == set(found.removed) == {asked}
    assert days_of(found.days[asked]) == [(first, "training"), (ASKED, "training")]
    assert found.removed[asked].endorsement_id == held


def test_hours_since_an_earlier_removal_are_read(session: Session, cast: Cast) -> None:
    dana, bob = cast.people[DANA], cast.people[BOB]
    removed_on = date(2024, 1, 1)
    span = {"starts_on": FIRST, "ends_on": date(9999, 12, 31)}
    session.add(ProviderSpan(rule=f"{REMOVING}/rsc", provider_id=bob, **span))
    session.flush()
    rsc = {"activity": "rsc", "format": "individual", "provider_id": bob}
    for day in (removed_on - DAY, removed_on, ASKED):
        log(session, dana, day, **rsc)
    endorse(session, dana, FIRST, removed_on - DAY, held=f"{REMOVING} IFRS")
    asked = ask(session, dana, asked=f"{REMOVING} IFRS")
    plan = plan_of("IFRS")
    found = read(session, plan, dana, asked)
    assert days_of(found.days[asked]) == [(removed_on, "rsc"), (ASKED, "rsc")]
    assert found.payments == {}


def test_only_what_the_plan_requires_is_read(session: Session, cast: Cast) -> None:
    dana = cast.people[DANA]
    eve_of_removal = ASKED - 2 * DAY
    for day in (eve_of_removal, eve_of_removal + DAY):
        log(session, dana, day)
    endorse(session, dana, FIRST, eve_of_removal)
    asked = ask(session, dana)
    plan = plan_of()
    [training] = [each for each in plan.requirements if each.counts == "training"]
    window = training.rule.window
    assert window
    since = training.rule.model_copy(
        update={"window": window.model_copy(update={"months": None, "since": "removal"})}
    )
    since_removal = replace(plan, requirements=(replace(training, rule=since),))
    without_hours = replace(plan, requirements=())
    found = read(session, since_removal, dana, asked)
    assert days_of(found.days[asked]) == [(eve_of_removal + DAY, "training")]
    assert read(session, without_hours, dana, asked).days == {asked: []}


def test_payments_are_those_since_the_removal(session: Session, cast: Cast) -> None:
    dana, bob = cast.people[DANA], cast.people[BOB]
    payment = insert_row(
        session,
        "payment",
        association=REMOVING,
        form_key="x",
        paid_on=ASKED,
        amount_cents=9000,
        payer="Dana",
        reference="",
        note="",
        recorded_at=NOW,
        recorded_by="rex@example.org",
    )
    own, others = (endorse(session, each, FIRST, LAST) for each in (dana, bob))
    for number in (own, others):
        share = {"endorsement_id": number, "cycle_starts_on": LAST + DAY, "fee": "back.fee"}
        insert_row(session, "payment_share", payment_id=payment, cents=4500, **share)
    asked = ask(session, dana)
    found = read(session, plan_of(), dana, asked)
    assert read(session, replace(plan_of(), fees=()), dana, asked).payments == {}
    assert found.payments == {(own, LAST + DAY): [PaidShare("back.fee", ASKED, 4500)]}


def test_reinstatements_have_what_was_found_for_them() -> None:
    removed = Removed(9, FIRST, LAST)
    own = [PaidShare("back.fee", day, 1) for day in (ASKED, ASKED + DAY)]
    hours = [DaySum(ASKED, "training", None, None, 60)]
    payments = {(9, LAST + DAY): own, (9, LAST): own, (8, LAST + DAY): own}
    found = ReturnFacts({7: removed}, {7: hours}, payments)
    complete = found.complete(FACTS, ASKED)
    assert complete == FACTS._replace(removed=removed, days=tuple(hours), payments=(own[0],))
    assert ReturnFacts({7: removed}, {7: []}, {}).complete(FACTS, ASKED).payments == ()
    another = FACTS._replace(subject_id=6)
    assert found.complete(another, ASKED) == another
