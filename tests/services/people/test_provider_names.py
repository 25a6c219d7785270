"""Sessions with a provider's name wait until the person is known, and count then."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, DAN, ERIN, EVE, Cast
from tests.support.held import settle_last_year
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.declined_providers import list_declined_keys, store_decline
from tracker.services.evaluation import evaluate_people
from tracker.services.provider_names import (
    LinkedSession,
    LinkScope,
    confirm_provider,
    find_settled_days,
    link_known_providers,
    link_names,
    list_linked,
)

ENTRY, PERSON, VETTING = (METADATA.tables[name] for name in ("entry", "person", "vetting"))


@pytest.fixture
def operator(act: Act) -> ServiceContext:
    return replace(act(ALICE), actor=Actor("tracker import"))


def name_provider(act: Act, email: str, name: str, held_on: date = date(2026, 3, 1)) -> int:
    """Log two hours of RSC with somebody known by name; return the entry's id."""
    context = act(email)
    values = {
        "person_id": context.person_id,
        "activity": "rsc",
        "held_on": held_on,
        "minutes": 120,
        "title": "RSC",
        "provider_name": name,
        "logged_at": context.now,
    }
    statement = insert(ENTRY).values(values).returning(ENTRY.c.id)
    return int(context.session.connection().execute(statement).scalar_one())


def add_provider(
    context: ServiceContext, email: str, name: str, *, provides_rsc: bool = True
) -> int:
    """Add a person who provides RSC and whom NCIMHA vetted long ago."""
    session = context.session
    row = {"email": email, "name": name, "provides_rsc": provides_rsc, "highest_degree": "master"}
    number = int(
        session.connection().execute(insert(PERSON).values(row).returning(PERSON.c.id)).scalar_one()
    )
    vetted = {"person_id": number, "association": "NCIMHA", "starts_on": date(2015, 1, 1)}
    session.connection().execute(insert(VETTING).values(vetted))
    evaluate_people(session, context.rulebooks, {number}, context.now)
    return number


def providers_of(session: Session, entry_id: int) -> tuple[int | None, str | None]:
    query = select(ENTRY.c.provider_id, ENTRY.c.provider_name).where(ENTRY.c.id == entry_id)
    found = session.connection().execute(query).one()
    return found[0], found[1]


def rsc_of(context: ServiceContext, year: int) -> int:
    standing = METADATA.tables["standing"]
    endorsement = METADATA.tables["endorsement"]
    query = (
        select(standing.c.short_minutes)
        .join(endorsement, endorsement.c.id == standing.c.endorsement_id)
        .where(endorsement.c.person_id == context.person_id)
        .where(standing.c.cycle_starts_on == date(year, 1, 1))
    )
    return int(context.session.connection().execute(query).scalar_one())


@pytest.mark.parametrize("year", [2026, 2025])
def test_waiting_sessions_count_once_the_person_is_known(
    act: Act, operator: ServiceContext, year: int
) -> None:
    bob = act(BOB)
    entry = name_provider(act, BOB, "petra  VALE", date(year, 3, 1))
    evaluate_people(bob.session, bob.rulebooks, {bob.person_id}, bob.now)
    before = rsc_of(bob, year)
    petra = add_provider(operator, "petra@example.org", "Petra Vale")
    [linked] = link_known_providers(operator, {petra})
    assert linked == LinkedSession(
        entry, bob.actor.person_id or 0, petra, date(year, 3, 1), 120, is_logged=True
    )
    assert providers_of(bob.session, entry) == (petra, None)
    assert rsc_of(bob, year) == before - 120


@pytest.mark.parametrize(("name", "provides_rsc"), [("Petra Valen", True), ("Petra Vale", False)])
def test_other_people_are_not_linked(
    act: Act, operator: ServiceContext, name: str, *, provides_rsc: bool
) -> None:
    entry = name_provider(act, ALICE, "Petra Vale")
    person = add_provider(operator, "petra@example.org", name, provides_rsc=provides_rsc)
    assert link_known_providers(operator, {person}) == []
    assert providers_of(operator.session, entry) == (None, "Petra Vale")


def test_two_people_of_one_name_are_not_guessed(act: Act, operator: ServiceContext) -> None:
    name_provider(act, ALICE, "Petra Vale")
    people = {add_provider(operator, f"{n}@example.org", "Petra Vale") for n in "ab"}
    assert link_known_providers(operator, people) == []


def test_a_coordinator_says_who_is_meant(act: Act, operator: ServiceContext) -> None:
    petra = add_provider(operator, "petra@example.org", "Petra Vale", provides_rsc=False)
    entry = name_provider(act, ALICE, "P. Vale")
    waiting = name_provider(act, ALICE, "P. Stone")
    carol = act(CAROL)
    [linked] = confirm_provider(carol, "p vale", "petra@example.org", "NCIMHA")
    assert (linked.entry_id, providers_of(carol.session, entry)) == (entry, (petra, None))
    assert list_changes(carol.session, "entry") == [
        LoggedChange(
            CAROL,
            entry,
            {"provider_id": None, "provider_name": "P. Vale"},
            {"provider_id": petra, "provider_name": None},
        )
    ]
    assert list(list_linked(carol.session, [entry, waiting])) == [linked]


def test_a_provider_used_before_is_linked(act: Act, operator: ServiceContext, cast: Cast) -> None:
    """Even one who does not qualify."""
    eve, session = cast.people[EVE], operator.session
    entries = [name_provider(act, email, "Eve Chen") for email in (ALICE, BOB)]
    used = update(ENTRY).where(ENTRY.c.id == cast.entries["rsc"]).values(provider_id=eve)
    session.connection().execute(used)
    [linked] = link_known_providers(operator, {eve})
    assert (linked.entry_id, linked.provider_id) == (entries[0], eve)


def test_a_declined_name_is_not_linked(act: Act, operator: ServiceContext) -> None:
    """By the endorsee's association; another one's decision does not matter."""
    entries = [name_provider(act, email, "Petra Vale") for email in (ALICE, BOB)]
    alice, session = act(ALICE).person_id, operator.session
    store_decline(operator, "NCIMHA", "Petra Vale", alice, "We don't know her")
    for name in ("Jo Hart", "Petra Vale"):
        store_decline(operator, "CT-AIMH", name, alice, "We don't know them")
    petra = add_provider(operator, "petra@example.org", "Petra Vale")
    jo = add_provider(operator, "jo@example.org", "Jo Hart")
    [linked] = link_known_providers(operator, {petra, jo})
    assert (linked.provider_id, linked.is_logged) == (jo, False)
    assert providers_of(session, entries[0]) == (None, "Petra Vale")
    # Confirming her takes that back.
    assert len(confirm_provider(operator, "Petra Vale", "petra@example.org", "NCIMHA")) == 2
    assert list_declined_keys(session, "NCIMHA") == set()
    assert list_declined_keys(session, "CT-AIMH") == {"jo hart", "petra vale"}


def test_sessions_of_the_decider_stay(act: Act, operator: ServiceContext) -> None:
    petra = add_provider(operator, "petra@example.org", "Petra Vale")
    own, bobs = (name_provider(act, email, "Petra Vale") for email in (ALICE, BOB))
    carol, bob = act(CAROL), act(BOB)
    short = rsc_of(bob, 2026)
    alice = replace(carol, actor=replace(carol.actor, person_id=act(ALICE).person_id))
    [linked] = confirm_provider(alice, "Petra Vale", "petra@example.org", "NCIMHA")
    assert (linked.entry_id, rsc_of(bob, 2026)) == (bobs, short - 120)
    scope = LinkScope("NCIMHA", frozenset({alice.person_id}))
    assert link_names(alice, {"petra vale"}, petra, scope) == []
    assert providers_of(carol.session, own) == (None, "Petra Vale")


def test_sessions_of_applicants_are_confirmed(act: Act, operator: ServiceContext) -> None:
    entry = name_provider(act, ERIN, "Petra Vale")
    add_provider(operator, "petra@example.org", "Petra Vale")
    applied = {"association": "NCIMHA", "category": "IFS", "opened_on": date(2026, 1, 1)}
    insert_row(operator.session, "application", person_id=act(ERIN).person_id, **applied)
    [linked] = confirm_provider(act(CAROL), "Petra Vale", "petra@example.org", "NCIMHA")
    assert linked.entry_id == entry


@pytest.mark.parametrize(
    ("more", "reopened", "settled"),
    [((), False, [date(2025, 3, 1)]), (("CT-AIMH",), False, []), ((), True, [])],
)
def test_days_are_settled_with_all_their_cycles(
    act: Act, cast: Cast, more: tuple[str, ...], *, reopened: bool, settled: list[date]
) -> None:
    bob = act(BOB)
    settle_last_year(bob.session, cast, BOB)
    held = {"category": "IFS", "starts_on": date(2024, 3, 1), "person_id": bob.person_id}
    for association in more:
        insert_row(bob.session, "endorsement", association=association, **held)
    if reopened:
        table = METADATA.tables["settled_cycle"]
        bob.session.connection().execute(
            update(table).values(reopened_at=bob.now, reopened_by=CAROL)
        )
    days = [date(2025, 3, 1), date(2026, 3, 1), date(2020, 1, 1)]
    assert find_settled_days(bob, bob.person_id, days) == set(settled)
    assert find_settled_days(act(ALICE), cast.people[ALICE], days) == set()


def test_only_the_own_associations_sessions_are_confirmed(
    act: Act, operator: ServiceContext
) -> None:
    add_provider(operator, "petra@example.org", "Petra Vale")
    name_provider(act, ERIN, "Petra Vale")
    with pytest.raises(Refused) as refused:
        confirm_provider(act(CAROL), "Petra Vale", "petra@example.org", "NCIMHA")
    refusal = Refusal("name", "provider-not-waiting", {"name": "Petra Vale"})
    assert refused.value.refusals == (refusal,)
    for email, association in ((BOB, "NCIMHA"), (DAN, "MI-AIMH"), (CAROL, None)):
        with pytest.raises(NotFound):
            confirm_provider(act(email), "Petra Vale", "petra@example.org", association)


def test_nobody_becomes_their_own_provider(act: Act, operator: ServiceContext) -> None:
    name_provider(act, ALICE, "Alice Moreno")
    with pytest.raises(Refused, match="provider-not-waiting"):
        confirm_provider(operator, "Alice Moreno", ALICE)


def test_an_unknown_address_is_refused(act: Act, operator: ServiceContext) -> None:
    name_provider(act, ALICE, "Petra Vale")
    with pytest.raises(Refused) as refused:
        confirm_provider(operator, "Petra Vale", "nobody@example.org")
    refusal = Refusal("email", "person-unknown", {"email": "nobody@example.org"})
    assert refused.value.refusals == (refusal,)
