"""Coordinators correct what belongs to their people, and nobody else's."""

from collections.abc import Callable
from datetime import date

import pytest
from sqlmodel import Session, select

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.corrections import FormerEmail
from tracker.db.ledgers import StandingRow
from tracker.db.people import Endorsement, Person
from tracker.services.browser_sessions import create_browser_session, get_session_user
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.person_facts import (
    change_degree,
    change_first_email,
    change_provides_rsc,
    change_second_email,
    rename_person,
)

Act = Callable[[str], ServiceContext]
OLD, NEW = ALICE, "alice.new@example.org"


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def alice(cast: Cast) -> int:
    return cast.people[ALICE]


def stored(context: ServiceContext, person_id: int) -> Person:
    return context.session.get_one(Person, person_id, populate_existing=True)


def share(session: Session, person_id: int) -> None:
    """Let the person hold something at an association that Carol does not coordinate."""
    session.add(
        Endorsement(
            person_id=person_id, association="CT-AIMH", category="IFS", starts_on=date(2025, 1, 1)
        )
    )
    session.flush()


def test_a_name_is_corrected(carol: ServiceContext, alice: int) -> None:
    rename_person(carol, alice, "Alice Moreno-Diaz")
    assert stored(carol, alice).name == "Alice Moreno-Diaz"


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "person-name-missing"), ("x" * 201, "text-too-long"), ("a@b.c", "name-looks-like-link")],
)
def test_a_name_is_checked(carol: ServiceContext, alice: int, name: str, code: str) -> None:
    with pytest.raises(Refused, match=code):
        rename_person(carol, alice, name)


def test_a_title_before_a_name_gets_its_space(carol: ServiceContext, alice: int) -> None:
    rename_person(carol, alice, "Dr.Alice Moreno")
    assert stored(carol, alice).name == "Dr. Alice Moreno"


def test_hours_and_sign_in_follow_a_new_address(carol: ServiceContext, alice: int) -> None:
    token = create_browser_session(carol.session, OLD, NOW)
    assert change_first_email(carol, alice, NEW) == OLD
    assert stored(carol, alice).email == NEW
    assert carol.session.get_one(FormerEmail, OLD).person_id == alice
    assert get_session_user(carol.session, token, NOW) is None


def test_an_address_of_a_known_person_names_the_person(carol: ServiceContext, alice: int) -> None:
    with pytest.raises(Refused) as refused:
        change_first_email(carol, alice, BOB)
    [refusal] = refused.value.refusals
    assert (refusal.code, refusal.facts["name"]) == ("email-of-known-person", "Bob Osei")


@pytest.mark.parametrize("email", [ERIN, EVE])
def test_an_address_of_a_foreign_person_names_nobody(
    carol: ServiceContext, alice: int, email: str
) -> None:
    with pytest.raises(Refused) as refused:
        change_first_email(carol, alice, email)
    [refusal] = refused.value.refusals
    assert (refusal.code, dict(refusal.facts)) == ("email-taken", {})


def test_a_second_address_is_added_and_removed(carol: ServiceContext, cast: Cast) -> None:
    bob = cast.people[BOB]
    change_second_email(carol, bob, "bob@home.example")
    token = create_browser_session(carol.session, "bob@home.example", NOW)
    assert stored(carol, bob).second_email == "bob@home.example"
    change_second_email(carol, bob, None)
    assert stored(carol, bob).second_email is None
    assert get_session_user(carol.session, token, NOW) is None


@pytest.mark.parametrize(
    ("email", "code"),
    [
        (ALICE, "email-is-first-here"),
        ("alice@home.example", "email-is-second-here"),
        (CAROL, "email-is-coordinators"),
        ("nothing", "email-invalid"),
        (BOB, "email-of-known-person"),
    ],
)
def test_a_second_address_is_checked(
    carol: ServiceContext, alice: int, email: str, code: str
) -> None:
    with pytest.raises(Refused, match=code):
        change_second_email(carol, alice, email, {CAROL})


def test_a_degree_counts_for_those_whom_a_provider_supervises(
    carol: ServiceContext, cast: Cast
) -> None:
    change_degree(carol, cast.people[DANA], "doctorate")
    assert stored(carol, cast.people[DANA]).highest_degree == "doctorate"
    with pytest.raises(Refused, match="choice-unknown"):
        change_degree(carol, cast.people[DANA], "emperor")


def test_a_person_can_provide_rsc(carol: ServiceContext, alice: int) -> None:
    change_provides_rsc(carol, alice, provides_rsc=True)
    assert stored(carol, alice).provides_rsc
    query = select(StandingRow.requirements).where(
        StandingRow.endorsement_id == Endorsement.id, Endorsement.person_id == alice
    )
    assert carol.session.exec(query).all()


def test_a_shared_person_stays_as_they_are(carol: ServiceContext, alice: int) -> None:
    share(carol.session, alice)
    for change in (
        lambda: rename_person(carol, alice, "Alice Smith"),
        lambda: change_first_email(carol, alice, NEW),
        lambda: change_second_email(carol, alice, None),
        lambda: change_degree(carol, alice, "none"),
        lambda: change_provides_rsc(carol, alice, provides_rsc=True),
    ):
        with pytest.raises(Refused, match="person-shared"):
            change()


def test_foreign_people_are_absent(carol: ServiceContext, cast: Cast) -> None:
    for person_id in (cast.people[ERIN], cast.people[EVE], 999):
        with pytest.raises(NotFound):
            rename_person(carol, person_id, "Somebody Else")
