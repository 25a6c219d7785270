"""One endorsee is added with everything, or found instead of getting a second record."""

import json
from datetime import date

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, ERIN, EVE, Cast
from tracker.db.applications import Application
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Membership, Person, Vetting
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.holdings import Term
from tracker.services.new_endorsees import NewEndorsee, add_endorsee
from tracker.services.person_facts import change_first_email
from tracker.services.similar_people import list_similar_people, search_people

SINCE, BACKWARD = Term(date(2026, 3, 1)), Term(date(2026, 2, 1), date(2026, 1, 1))
NINA = "nina@example.org"


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def new(name: str = "Nina Park", email: str = NINA, **more: object) -> NewEndorsee:
    values = {"association": "NCIMHA", "category": "IFS", "term": SINCE, **more}
    return NewEndorsee(name, email, **values)  # type: ignore[arg-type]


def alike(context: ServiceContext, name: str, email: str) -> list[tuple[str, str | None]]:
    found = list_similar_people(context.session, context.actor, name, email, ("NCIMHA",))
    return [(each.likeness, each.person.name if each.person else None) for each in found]


def test_an_endorsee_is_added_with_a_membership(carol: ServiceContext) -> None:
    year = Term(date(2026, 1, 1), date(2026, 12, 31))
    added = add_endorsee(carol, new(membership=("NCIMHA", year)))
    assert (added.is_new, added.person.name, added.endorsement.category) == (
        True,
        "Nina Park",
        "IFS",
    )
    query = select(Membership).where(Membership.person_id == added.person.id)
    [term] = carol.session.exec(query)
    assert (term.ends_on, term.kind) == (date(2026, 12, 31), "individual")
    standings = select(StandingRow).where(StandingRow.endorsement_id == added.endorsement.id)
    assert carol.session.exec(standings).all()


def test_a_membership_through_an_agency_is_one(carol: ServiceContext) -> None:
    membership = {"membership": ("NCIMHA", SINCE), "membership_kind": "agency"}
    added = add_endorsee(carol, new(**membership))  # type: ignore[arg-type]
    query = select(Membership.kind).where(Membership.person_id == added.person.id)
    assert carol.session.exec(query).one() == "agency"
    events = select(AuditEvent.after).where(AuditEvent.table_name == "person")
    [created] = carol.session.exec(events)
    assert json.loads(created or "") == {"name": "Nina Park", "email": NINA}


def test_a_title_before_a_new_name_gets_its_space(carol: ServiceContext) -> None:
    assert add_endorsee(carol, new("Dr.Nina Park")).person.name == "Dr. Nina Park"


def test_a_known_person_gets_no_second_record(carol: ServiceContext, cast: Cast) -> None:
    added = add_endorsee(
        carol, new("Alice M.", ALICE, category="IFA", person_id=cast.people[ALICE])
    )
    assert (added.is_new, added.person.name) == (False, "Alice Moreno")
    with pytest.raises(Refused, match="email-of-known-person"):
        add_endorsee(carol, new("Alice M.", ALICE))


def test_a_known_person_is_read_again(carol: ServiceContext, cast: Cast) -> None:
    person = carol.session.get_one(Person, cast.people[ALICE])
    renamed = update(Person).where(col(Person.id) == person.id).values(name="Alice Park")
    carol.session.connection().execute(renamed)
    known = new("Alice M.", ALICE, category="IFA", person_id=person.id)
    assert add_endorsee(carol, known).person.name == "Alice Park"


def test_a_foreign_person_is_added_by_their_address_alone(
    carol: ServiceContext, cast: Cast
) -> None:
    erin = cast.people[ERIN]
    with pytest.raises(NotFound):
        add_endorsee(carol, new(person_id=erin))
    with pytest.raises(Refused, match="email-taken"):
        add_endorsee(carol, new("Erin Vance", ERIN))
    added = add_endorsee(carol, new("Erin Vance", ERIN, person_id=erin))
    assert added.endorsement.person_id == erin


def test_people_are_found_by_address_and_similar_name(carol: ServiceContext, cast: Cast) -> None:
    assert alike(carol, "Nina Park", NINA) == []
    assert alike(carol, "Nina Park", BOB) == [("email", "Bob Osei")]
    assert alike(carol, "moreno, Alicia", NINA) == [("name", "Alice Moreno")]
    assert alike(carol, "Alice Moreno", BOB) == [("email", "Bob Osei")]
    assert alike(carol, "Alice", NINA) == []
    assert alike(carol, "Dana Ruis", NINA) == [("name", "Dana Ruiz")]
    alice = ("second email", "Alice Moreno")
    renamed = update(Person).where(col(Person.id) == cast.people[ALICE])
    second = renamed.values(second_email="Alice@Home.example")
    carol.session.connection().execute(second)
    assert alike(carol, "Bob Osey", "alice@home.example") == [alice, ("name", "Bob Osei")]
    assert alike(carol, "Alice Moreno", "alice@home.example") == [alice]
    change_first_email(carol, cast.people[BOB], "bob.new@example.org")
    assert alike(carol, "Nina Park", BOB) == [("former email", "Bob Osei")]


def test_nothing_is_shown_of_foreign_people(carol: ServiceContext, cast: Cast) -> None:
    assert alike(carol, "Nina Park", ERIN) == [("email", None)]
    assert alike(carol, "Erin Vance", NINA) == []
    session, bob, today = carol.session, cast.people[BOB], date(2026, 1, 1)
    elsewhere = {"person_id": bob, "association": "CT-AIMH", "category": "IFS"}
    session.add(Endorsement.model_validate({**elsewhere, "starts_on": today}))
    applying = {"person_id": cast.people[EVE], "association": "NCIMHA", "category": "IFS"}
    application = {**applying, "opened_on": today, "state": "open"}
    session.add(Application.model_validate(application))
    session.flush()
    found = [
        list_similar_people(session, carol.actor, name, email, ("NCIMHA",))
        for name, email in (("Nina Park", ERIN), ("Nina Park", BOB), ("Eve Chan", NINA))
    ]
    [(erin,), (shown,), (eve,)] = found
    assert erin == (cast.people[ERIN], "email", None, ())
    assert (shown.person_id, shown.is_certain, eve.is_certain) == (bob, True, False)
    assert [each.association for each in shown.endorsements] == ["NCIMHA"]


def test_the_most_similar_people_come_first(carol: ServiceContext) -> None:
    session = carol.session
    letters = "utsrqponmlkjihgfedcba"
    people = [
        Person(email=f"{each}@example.org", name=f"Marianne {each.upper()} Delacroix")
        for each in letters
    ]
    # Lower and upper case come in one order.
    people[-1].name = people[-1].name.lower()
    session.add_all(people)
    session.flush()
    day = date(2020, 1, 1)
    session.add_all(
        Vetting(person_id=each.id, association="NCIMHA", starts_on=day) for each in people
    )
    session.flush()
    found = search_people(session, carol.actor, "marianne")
    assert [each.person for each in found] == people[:0:-1]
    assert {each.likeness for each in found} == {"name"}
    similar = search_people(session, carol.actor, "Mariane B Delacroix")
    assert len(similar) == 5
    assert similar[0].person is people[-2]


def test_a_former_address_opens_no_new_record(carol: ServiceContext, cast: Cast) -> None:
    change_first_email(carol, cast.people[BOB], "bob.new@example.org")
    with pytest.raises(Refused) as refused:
        add_endorsee(carol, new(email=BOB))
    assert refused.value.refusals == (Refusal("email", "email-was-another", {"email": BOB}),)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": ""}, "name", "person-name-missing"),
        ({"email": "nina"}, "email", "email-invalid"),
        ({"category": "XYZ"}, "category", "category-not-offered"),
        ({"membership": ("Chess club", SINCE)}, "organization", "organization-not-accepted"),
        ({"membership": ("NCIMHA", BACKWARD)}, "membership_ends_on", "ends-before-start"),
        ({"term": BACKWARD}, "ends_on", "ends-before-start"),
    ],
)
def test_what_is_entered_is_checked(
    carol: ServiceContext, change: dict[str, object], field: str, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        add_endorsee(carol, new(**{"name": "Nina Park", "email": NINA, **change}))  # type: ignore[arg-type]
    assert [(each.field, each.code) for each in refused.value.refusals] == [(field, code)]


def test_a_membership_cannot_be_held_twice(carol: ServiceContext, cast: Cast) -> None:
    known = {"category": "IFA", "person_id": cast.people[ALICE], "membership": ("NCIMHA", SINCE)}
    with pytest.raises(Refused) as refused:
        add_endorsee(carol, new("Alice Moreno", ALICE, **known))
    codes = [(each.field, each.code) for each in refused.value.refusals]
    assert codes == [("membership_starts_on", "term-overlaps")]


def test_another_association_is_absent(carol: ServiceContext) -> None:
    with pytest.raises(NotFound):
        add_endorsee(carol, new(association="CT-AIMH"))


def test_people_are_searched_by_name_and_address(carol: ServiceContext, cast: Cast) -> None:
    def find(text: str) -> list[str]:
        found = search_people(carol.session, carol.actor, text, {cast.people[BOB]})
        return [each.person.name for each in found if each.person]

    assert find("mor al") == ["Alice Moreno"]
    assert find(f" {ALICE.upper()} ") == ["Alice Moreno"]
    assert find("Alize Moreno") == ["Alice Moreno"]
    assert (
        find("Bob")
        == find(BOB)
        == find("Bob Osey")
        == find("Erin Vance")
        == find("nobody at all")
        == []
    )
