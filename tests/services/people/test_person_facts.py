"""Coordinators correct what belongs to their people, and nobody else's."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.corrections import FormerEmail
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Person
from tracker.db.tables import METADATA
from tracker.rulebooks import with_rulebook
from tracker.services import person_facts
from tracker.services.browser_sessions import create_browser_session, get_session_user
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people, parse_results
from tracker.services.person_facts import (
    change_degree,
    change_first_email,
    change_provides_rsc,
    change_second_email,
    check_email_is_free,
    check_sole_person,
    is_on_desk,
    lock_desk_person,
    rename_person,
)

OLD, NEW = ALICE, "alice.new@example.org"


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def alice(cast: Cast) -> int:
    return cast.people[ALICE]


def stored(context: ServiceContext, person_id: int) -> Person:
    return context.session.get_one(Person, person_id, populate_existing=True)


def last_event(session: Session) -> tuple[str, dict[str, object], dict[str, object]]:
    """Who made the last change of a person, and what was before and after it."""
    query = select(AuditEvent).filter_by(table_name="person").order_by(col(AuditEvent.id))
    event = session.exec(query).all()[-1]
    return event.who, json.loads(event.before or "{}"), json.loads(event.after or "{}")


def refused_with(change: Callable[[], object]) -> Refusal:
    with pytest.raises(Refused) as refused:
        change()
    [refusal] = refused.value.refusals
    return refusal


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
    before, after = {"name": "Alice Moreno"}, {"name": "Alice Moreno-Diaz"}
    assert last_event(carol.session) == (CAROL, before, after)


def test_a_record_changed_meanwhile_is_read_anew(carol: ServiceContext, alice: int) -> None:
    known = carol.session.get_one(Person, alice)
    assert known.name == "Alice Moreno"
    person = METADATA.tables["person"]
    renamed = update(person).where(person.c.id == alice).values(name="Alice Diaz")
    carol.session.connection().execute(renamed)
    assert lock_desk_person(carol, alice).name == known.name == "Alice Diaz"


def test_a_record_merged_meanwhile_is_absent(
    carol: ServiceContext, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def merge(session: Session, person_ids: list[int]) -> None:
        for person_id in person_ids:
            session.delete(session.get_one(Person, person_id))
        session.flush()

    monkeypatch.setattr(person_facts, "lock_records", merge)
    operator = replace(carol, actor=Actor("operator"))
    with pytest.raises(NotFound):
        lock_desk_person(operator, cast.people[EVE])


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "person-name-missing"), ("x" * 201, "text-too-long"), ("a@b.c", "name-looks-like-link")],
)
def test_a_name_is_checked(carol: ServiceContext, alice: int, name: str, code: str) -> None:
    refusal = refused_with(lambda: rename_person(carol, alice, name))
    assert (refusal.field, refusal.code) == ("name", code)


def test_a_title_before_a_name_gets_its_space(carol: ServiceContext, alice: int) -> None:
    rename_person(carol, alice, "Dr.Alice Moreno")
    assert stored(carol, alice).name == "Dr. Alice Moreno"


def test_hours_and_sign_in_follow_a_new_address(carol: ServiceContext, alice: int) -> None:
    token = create_browser_session(carol.session, OLD, NOW)
    assert change_first_email(carol, alice, NEW) == OLD
    assert stored(carol, alice).email == NEW
    assert carol.session.get_one(FormerEmail, OLD).person_id == alice
    assert get_session_user(carol.session, token, NOW) is None
    who, before, after = last_event(carol.session)
    assert (who, before["email"], after["email"]) == (CAROL, OLD, NEW)
    assert carol.session.get_one(FormerEmail, OLD).changed_at == NOW


@pytest.mark.parametrize(("email", "code"), [(OLD, "email-is-first-here"), ("no", "email-invalid")])
def test_a_wrong_first_address_is_refused(
    carol: ServiceContext, alice: int, email: str, code: str
) -> None:
    refusal = refused_with(lambda: change_first_email(carol, alice, email))
    assert refusal == Refusal("email", code)


def test_a_second_address_becomes_the_first(carol: ServiceContext, alice: int) -> None:
    assert change_first_email(carol, alice, "alice@home.example") == OLD
    assert stored(carol, alice).second_email is None


def test_an_address_of_a_known_person_names_the_person(carol: ServiceContext, alice: int) -> None:
    facts = {"email": BOB, "name": "Bob Osei"}
    expected = Refusal("email", "email-of-known-person", facts)
    assert refused_with(lambda: change_first_email(carol, alice, BOB)) == expected
    assert refused_with(lambda: check_email_is_free(carol, BOB)) == expected


@pytest.mark.parametrize("email", [ERIN, EVE])
def test_an_address_of_a_foreign_person_names_nobody(
    carol: ServiceContext, alice: int, email: str
) -> None:
    refusal = refused_with(lambda: change_first_email(carol, alice, email))
    assert refusal == Refusal("email", "email-taken")


def test_a_second_address_is_added_and_removed(carol: ServiceContext, cast: Cast) -> None:
    bob = cast.people[BOB]
    change_second_email(carol, bob, "bob@home.example")
    token = create_browser_session(carol.session, "bob@home.example", NOW)
    assert stored(carol, bob).second_email == "bob@home.example"
    assert stored(carol, bob).second_email_confirmed_at is None
    added = {"second_email": "bob@home.example", "second_email_confirmed_at": None}
    nothing = dict.fromkeys(added)
    assert last_event(carol.session) == (CAROL, nothing, added)
    assert change_second_email(carol, bob, None).id == bob
    assert stored(carol, bob).second_email is None
    # So that no import brings it back.
    assert stored(carol, bob).second_email_confirmed_at == NOW
    assert get_session_user(carol.session, token, NOW) is None
    with pytest.raises(NotFound):
        change_second_email(carol, bob, None)


def test_a_replaced_second_address_no_longer_signs_in(carol: ServiceContext, alice: int) -> None:
    token = create_browser_session(carol.session, "alice@home.example", NOW)
    assert get_session_user(carol.session, token, NOW)
    change_second_email(carol, alice, "alice@work.example")
    assert get_session_user(carol.session, token, NOW) is None


@pytest.mark.parametrize(
    ("email", "code", "facts"),
    [
        (ALICE, "email-is-first-here", {}),
        ("alice@home.example", "email-is-second-here", {}),
        (CAROL, "email-is-coordinators", {"email": CAROL}),
        ("nothing", "email-invalid", {}),
        ("", "email-invalid", {}),
        (BOB, "email-of-known-person", {"email": BOB, "name": "Bob Osei"}),
    ],
)
def test_a_second_address_is_checked(
    carol: ServiceContext, alice: int, email: str, code: str, facts: dict[str, object]
) -> None:
    has_second = code == "email-is-second-here"
    stored(carol, alice).second_email = "Alice@Home.example" if has_second else None
    refusal = refused_with(lambda: change_second_email(carol, alice, email, {CAROL}))
    assert refusal == Refusal("email", code, facts)


def test_a_degree_counts_for_those_whom_a_provider_supervises(
    carol: ServiceContext, cast: Cast
) -> None:
    dana, ncimha = cast.people[DANA], BOOKS.associations["NCIMHA"]
    rule = ncimha.providers["ifs-rsc"]
    accepted = rule.accepts[0].model_copy(update={"degree": "doctorate"})
    rules = {**ncimha.providers, "ifs-rsc": rule.model_copy(update={"accepts": (accepted,)})}
    rulebooks = with_rulebook(BOOKS, ncimha.model_copy(update={"providers": rules}))
    held = Endorsement(
        person_id=dana, association="NCIMHA", category="ERS", starts_on=date(2020, 1, 1)
    )
    carol.session.add(held)
    evaluate_people(carol.session, rulebooks, {dana}, NOW)
    assert rsc_minutes(carol.session, cast) == 0
    change_degree(replace(carol, rulebooks=rulebooks), dana, "doctorate")
    assert rsc_minutes(carol.session, cast) == 510
    assert stored(carol, dana).highest_degree == "doctorate"
    before, after = {"highest_degree": "master"}, {"highest_degree": "doctorate"}
    assert last_event(carol.session) == (CAROL, before, after)
    refusal = refused_with(lambda: change_degree(carol, dana, "emperor"))
    assert refusal == Refusal("degree", "choice-unknown")


def rsc_minutes(session: Session, cast: Cast) -> int:
    """What counts of Alice's RSC this year."""
    key = {"endorsement_id": cast.endorsements[ALICE], "cycle_starts_on": date(2026, 1, 1)}
    row = session.exec(select(StandingRow).filter_by(**key)).one()
    return next(result.counted for result in parse_results(row.requirements) if result.id == "rsc")


def test_a_person_can_provide_rsc(carol: ServiceContext, alice: int) -> None:
    later = replace(carol, now=NOW.replace(day=23))
    change_provides_rsc(later, alice, provides_rsc=True)
    assert stored(carol, alice).provides_rsc
    assert last_event(carol.session) == (CAROL, {"provides_rsc": False}, {"provides_rsc": True})
    query = select(col(StandingRow.judged_on)).where(
        StandingRow.endorsement_id == Endorsement.id, Endorsement.person_id == alice
    )
    assert {*carol.session.exec(query)} == {date(2026, 11, 23)}


def test_a_shared_person_stays_as_they_are(carol: ServiceContext, alice: int) -> None:
    share(carol.session, alice)
    for change in (
        lambda: rename_person(carol, alice, "Alice Smith"),
        lambda: change_first_email(carol, alice, NEW),
        lambda: change_second_email(carol, alice, None),
        lambda: change_degree(carol, alice, "none"),
        lambda: change_provides_rsc(carol, alice, provides_rsc=True),
        lambda: check_sole_person(carol, alice),
    ):
        assert refused_with(change).code == "person-shared"


def test_coordinators_do_not_change_themselves(carol: ServiceContext, alice: int) -> None:
    own = replace(carol, actor=Actor(ALICE, alice, ("NCIMHA",)))
    for change in (
        lambda: rename_person(own, alice, "Alice Smith"),
        lambda: check_sole_person(own, alice),
    ):
        assert refused_with(change) == Refusal("", "own-decision")


def test_foreign_people_are_absent(carol: ServiceContext, cast: Cast) -> None:
    for person_id in (cast.people[ERIN], cast.people[EVE], 999):
        with pytest.raises(NotFound):
            rename_person(carol, person_id, "Somebody Else")
        with pytest.raises(NotFound):
            check_sole_person(carol, person_id)
        assert not is_on_desk(carol.session, carol.actor, person_id)
    assert is_on_desk(carol.session, carol.actor, cast.people[BOB])
    check_sole_person(carol, cast.people[BOB])
