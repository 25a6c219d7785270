"""Which known people a provider's name can mean."""

from datetime import date

import pytest
from sqlalchemy import insert

from tests.rules.case_data import insert_row
from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, Cast
from tracker.db.tables import METADATA
from tracker.plain_text import plain_name
from tracker.services.provider_matches import (
    KnownPerson,
    Match,
    describe_matches,
    find_clear_match,
    is_known_person,
    is_similar_name,
    list_known_people,
    list_similar_names,
    match_name,
    search_people,
)

SPAN = METADATA.tables["provider_span"]
SINCE = date(2020, 1, 1)
HELD = {"association": "NCIMHA", "starts_on": SINCE}


def know(*names: str) -> list[KnownPerson]:
    return [KnownPerson(number, name, plain_name(name)) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("endorsement", {**HELD, "category": "IFS"}),
        ("vetting", HELD),
        ("application", {"association": "NCIMHA", "category": "IFS", "opened_on": SINCE}),
        (
            "outside_endorsement",
            {
                "known_to": "NCIMHA",
                "association": "Ohio",
                "category": "IFS",
                "starts_on": SINCE,
                "recorded_by": CAROL,
            },
        ),
    ],
)
def test_those_on_file_are_known_where_they_are(
    act: Act, cast: Cast, table: str, values: dict[str, object]
) -> None:
    session, eve = act(CAROL).session, cast.people[EVE]
    assert not is_known_person(session, BOOKS, "NCIMHA", eve)
    insert_row(session, table, person_id=eve, **values)
    assert is_known_person(session, BOOKS, "NCIMHA", eve)
    assert not is_known_person(session, BOOKS, "MI-AIMH", eve)
    assert not is_known_person(session, BOOKS, "NCIMHA", cast.people[ERIN])
    # By name; those of the association, and Dana, whom it vetted.
    known = list_known_people(session, BOOKS, "NCIMHA")
    assert [(person.id, person.name, person.key) for person in known] == [
        (cast.people[ALICE], "Alice Moreno", "alice moreno"),
        (cast.people[BOB], "Bob Osei", "bob osei"),
        (cast.people[DANA], "Dana Ruiz", "dana ruiz"),
        (eve, "Eve Chen", "eve chen"),
    ]


def test_those_whom_endorsees_named_are_known(act: Act, cast: Cast) -> None:
    """And those who qualify under a rule of the association."""
    session = act(CAROL).session
    eve, dana = cast.people[EVE], cast.people[DANA]
    entry = {"activity": "rsc", "held_on": SINCE, "minutes": 60, "title": "RSC"}
    insert_row(session, "entry", person_id=cast.people[ERIN], provider_id=eve, **entry)
    insert_row(session, "entry", person_id=cast.people[ERIN], provider_name="Nobody", **entry)
    assert is_known_person(session, BOOKS, "CT-AIMH", eve)
    assert not is_known_person(session, BOOKS, "CT-AIMH", dana)
    assert not is_known_person(session, BOOKS, "NCIMHA", eve)
    span = {"starts_on": SINCE, "ends_on": SINCE, "provider_id": dana}
    session.connection().execute(insert(SPAN).values(rule="CT-AIMH/ifs-rsc", **span))
    assert is_known_person(session, BOOKS, "CT-AIMH", dana)
    assert not is_known_person(session, BOOKS, "VAIMH", dana)


def test_people_of_one_name_are_in_order(act: Act) -> None:
    session = act(CAROL).session
    for email, name in (("a@example.org", "ALICE Moreno"), ("z@example.org", "Ábe Zu")):
        person = {"email": email, "name": name, "highest_degree": "none"}
        number = insert_row(session, "person", provides_rsc=False, **person)
        insert_row(session, "vetting", person_id=number, **HELD)
    known = list_known_people(session, BOOKS, "NCIMHA")
    assert [person.name for person in known[:3]] == ["Ábe Zu", "Alice Moreno", "ALICE Moreno"]


def test_the_likeliest_matches_come_first() -> None:
    people = know("Zoe Vale", "Petra Vail", "Paula Vale", "Petra Vale", "Petra Vale", "Alma Ruiz")
    exact = match_name("PETRA  Välé", people)
    assert [(match.id, match.name) for match in exact] == [
        (3, "Petra Vale"),
        (4, "Petra Vale"),
        (1, "Petra Vail"),
    ]
    scores = [match.score for match in exact]
    assert scores[:2] == [100.0, 100.0]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 75
    abbreviated = match_name("P. Vale", people, {3})
    assert [(match.id, match.score) for match in abbreviated] == [(2, 92.0), (4, 92.0)]
    [ann] = match_name("P. A. Vale", know("Zoe Vale", "Petra Ann Vale"))
    assert (ann.name, ann.score) == ("Petra Ann Vale", 92.0)


def test_an_abbreviation_does_not_lower_a_score() -> None:
    """A long name without an initial is more alike than one of initials."""
    people = know("Maria J. Bartholomew Featherstone")
    [match] = match_name("Maria Bartholomew Featherstone", people)
    assert match.score > 92


def test_six_matches_are_offered_and_twelve_searched() -> None:
    people = know(*(f"Petra Vale {letter}" for letter in "abcdefghijklm"), "Petra Vale")
    matches = match_name("Petra Vale", people)
    assert len(matches) == 6
    assert matches[0].name == "Petra Vale"
    misspelled = know(*(f"Petra Val{letter}" for letter in "abcdfgh"))
    assert len(match_name("Petra Vale", misspelled)) == 6
    # Of those left out, none takes another one's place.
    assert len(match_name("Petra Vale", people, set(range(9)))) == 5
    found = search_people("vale p", people)
    assert found == [Match(person.id, person.name, 0.0) for person in people[:12]]
    assert search_people("Petra Vail", know("Petra Vale")) == match_name(
        "Petra Vail", know("Petra Vale")
    )


@pytest.mark.parametrize(
    ("scores", "is_clear"),
    [
        ([], False),
        ([88.0], True),
        ([87.9], False),
        ([96.0, 88.0], True),
        ([95.9, 88.0], False),
        ([100.0, 92.0, 92.0], True),
    ],
)
def test_a_clear_match_leads_by_far(scores: list[float], *, is_clear: bool) -> None:
    matches = [Match(number, "Petra Vale", score) for number, score in enumerate(scores)]
    assert find_clear_match(matches) == (matches[0] if is_clear else None)


@pytest.mark.parametrize(
    ("one", "other", "similar"),
    [
        ("P. Vale", "Petra Vale", True),
        ("Petra Vale", "Petra Ann Vale", True),
        ("P. A. Vale", "Petra Ann Vale", True),
        ("Ann Vale", "Petra Ann Vale", True),
        ("A. P. Vale", "Petra Ann Vale", False),
        ("P. P. Vale", "Petra Ann Vale", False),
        ("X. Vale", "Petra Ann Vale", False),
        ("P. V.", "Petra Vale", False),
        ("Vale", "Petra Vale", False),
        ("Petra", "Petra Vale", False),
        ("Petra Vail", "Petra Vale", True),
        ("Anna", "Anne", True),
        ("Vale, Petra", "Petra Vale", True),
        ("Alma Ruiz", "Petra Vale", False),
    ],
)
def test_similar_names_may_be_one_persons(one: str, other: str, *, similar: bool) -> None:
    assert is_similar_name(one, other) is similar
    assert is_similar_name(other, one) is similar
    expected = [other.lower()] if similar else []
    assert list_similar_names(one.lower(), [one.lower(), other.lower(), "zz"]) == expected


def test_matches_say_what_people_hold_and_what_counts(act: Act, cast: Cast) -> None:
    """Dana's vetting began in 2020; the other association's rules do not accept her, but Eve."""
    session, ids = act(CAROL).session, cast.people
    matches = [Match(ids[DANA], "Dana Ruiz", 90.0), Match(ids[EVE], "Eve Chen", 80.0)]
    days = [date(2019, 12, 31), SINCE, date(2027, 12, 21), date(2027, 12, 22)]
    assert describe_matches(session, BOOKS, "NCIMHA", matches, days) == [
        Match(ids[DANA], "Dana Ruiz", 90.0, "vetted by NCIMHA", 2),
        Match(ids[EVE], "Eve Chen", 80.0, "", 0),
    ]
    held = {"association": "CT-AIMH", "category": "IFRS", "starts_on": SINCE}
    insert_row(session, "endorsement", person_id=ids[EVE], **held)
    found = describe_matches(session, BOOKS, "CT-AIMH", matches, days)
    assert [(each.about, each.counting) for each in found] == [("", 0), ("CT-AIMH IFRS", 3)]
