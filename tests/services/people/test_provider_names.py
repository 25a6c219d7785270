"""Sessions with a provider's name wait until the person is known, and count then."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import insert, select
from sqlmodel import Session

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, DAN, ERIN
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.provider_names import confirm_provider, link_known_providers

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
    assert (linked.entry_id, linked.provider_id, linked.is_logged) == (entry, petra, True)
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
    carol = act(CAROL)
    [linked] = confirm_provider(carol, "p vale", "petra@example.org", "NCIMHA")
    assert (linked.entry_id, providers_of(carol.session, entry)) == (entry, (petra, None))
    table = METADATA.tables["audit_event"]
    assert carol.session.connection().scalars(
        select(table.c.who).where(table.c.table_name == "entry", table.c.row_id == entry)
    ).all() == [CAROL]


def test_only_the_own_associations_sessions_are_confirmed(
    act: Act, operator: ServiceContext
) -> None:
    add_provider(operator, "petra@example.org", "Petra Vale")
    name_provider(act, ERIN, "Petra Vale")
    with pytest.raises(Refused, match="provider-not-waiting"):
        confirm_provider(act(CAROL), "Petra Vale", "petra@example.org", "NCIMHA")
    for email, association in ((BOB, "NCIMHA"), (DAN, "MI-AIMH"), (CAROL, None)):
        with pytest.raises(NotFound):
            confirm_provider(act(email), "Petra Vale", "petra@example.org", association)


def test_nobody_becomes_their_own_provider(act: Act, operator: ServiceContext) -> None:
    name_provider(act, ALICE, "Alice Moreno")
    with pytest.raises(Refused, match="provider-not-waiting"):
        confirm_provider(operator, "Alice Moreno", ALICE)


def test_an_unknown_address_is_refused(act: Act, operator: ServiceContext) -> None:
    name_provider(act, ALICE, "Petra Vale")
    with pytest.raises(Refused, match="person-unknown"):
        confirm_provider(operator, "Petra Vale", "nobody@example.org")
