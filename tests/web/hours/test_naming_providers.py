"""Who provided a session: by a tap, by part of a name, by one with a typing error."""

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, BOOKS, DANA, NOW, Cast
from tests.web.client import RSC, WebClient, problems, text_of
from tests.web.hours.test_editing import form_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people
from tracker.services.rsc_providers import ProviderChoice, refresh_provider_spans
from tracker.web.forms.provider import find_provider

KAIULANI = "Ka\N{MODIFIER LETTER TURNED COMMA}iulani Akana"
NAMES = [
    "Dana Ruiz",
    "Daniel Okafor",
    "Zoë van der Berg",
    "Ruth Danner",
    "Li Wu",
    KAIULANI,
    "Nora O\N{RIGHT SINGLE QUOTATION MARK}Brien",
]
CHOICES = [ProviderChoice(number, name, None) for number, name in enumerate(NAMES, 1)]


def add_providers(cast: Cast, *names: str) -> list[int]:
    """People vetted by the association."""
    person, vetting = METADATA.tables["person"], METADATA.tables["vetting"]
    ids = []
    with writing(cast.engine) as session:
        for number, name in enumerate(names):
            row = {"email": f"p{number}@example.org", "name": name, "provides_rsc": True}
            statement = insert(person).values(row).returning(person.c.id)
            ids.append(session.connection().execute(statement).scalar_one())
            held = {"person_id": ids[-1], "association": "NCIMHA", "starts_on": NOW.date()}
            session.connection().execute(
                insert(vetting).values(held | {"starts_on": NOW.replace(year=2020)})
            )
        refresh_provider_spans(session, BOOKS, person_ids=ids)
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    return ids


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Dana Ruiz", "Dana Ruiz"),
        ("dana  RUIZ", "Dana Ruiz"),
        ("ruiz", "Dana Ruiz"),
        ("Ruiz, D", "Dana Ruiz"),
        ("okaf", "Daniel Okafor"),
        ("zoe berg", "Zoë van der Berg"),
        ("Li Wu", "Li Wu"),
        ("Ka'iulani", KAIULANI),
        (
            "Ka\N{LEFT SINGLE QUOTATION MARK}iulani Akana",
            KAIULANI,
        ),
        ("o'brien", "Nora O\N{RIGHT SINGLE QUOTATION MARK}Brien"),
    ],
)
def test_the_only_one_who_can_be_meant_is_taken(typed: str, name: str) -> None:
    found = find_provider(typed, CHOICES)
    assert found.sure is not None
    assert found.sure.name == name


@pytest.mark.parametrize(
    ("typed", "best"),
    [
        ("dan", ["Dana Ruiz", "Daniel Okafor", "Ruth Danner"]),
        ("li", ["Li Wu"]),
        ("Dana Riuz", ["Dana Ruiz"]),
        ("Danial Okafor", ["Daniel Okafor"]),
        ("Kim Osei", []),
        ("!!", []),
    ],
)
def test_where_it_is_not_sure_the_best_are_asked_about(typed: str, best: list[str]) -> None:
    found = find_provider(typed, CHOICES)
    assert found.sure is None
    assert [choice.name for choice in found.best] == best


def test_part_of_a_name_is_enough(web: WebClient) -> None:
    web.visit(BOB).log(RSC | {"provider_name": "ruiz"})
    assert web.cast.rows("entry", provider_id=web.cast.people[DANA], person_id=web.cast.people[BOB])


def test_several_who_fit_are_offered_and_a_tap_takes_one(sqlite_web: WebClient) -> None:
    [daniel] = add_providers(sqlite_web.cast, "Daniel Okafor")
    bob = sqlite_web.visit(BOB)
    asked = bob.log(RSC | {"provider_name": "Dan"})
    assert problems(asked) == [
        ("provider", "“Dan” could be more than one person. Choose who it was.")
    ]
    words = text_of(asked)
    assert (
        words.index("Dana Ruiz") < words.index("Daniel Okafor") < words.index("Someone else: Dan")
    )
    saved = bob.post("/log", form_of(asked) | {"provider": str(daniel)})
    assert saved.status_code == 303
    assert sqlite_web.cast.rows("entry", provider_id=daniel)


def test_a_name_that_nobody_has_is_asked_about_once_and_then_known(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    asked = bob.log(RSC | {"provider_name": "Kim Osei"})
    assert problems(asked)[0][1].startswith("We don&#39;t know a provider named “Kim Osei”")
    assert 'value="1.5"' in asked.text
    assert bob.post("/log", form_of(asked) | {"provider": "other"}).status_code == 303
    again = bob.log(RSC | {"provider_name": "kim osei", "day": "20"})
    assert again.status_code == 303
    assert '<option value="Kim Osei">' in bob.get("/log").text


@pytest.mark.parametrize("typed", ["Bob Osei", "bob osei", "Bob"])
def test_nobody_provides_rsc_to_themselves(sqlite_web: WebClient, typed: str) -> None:
    bob = sqlite_web.visit(BOB)
    asked = bob.log(RSC | {"provider_name": typed})
    [(field, words)] = problems(asked)
    assert field == "provider"
    assert words.startswith("You can&#39;t list yourself as the RSC provider. Enter the name")
    # A namesake whom nobody knows yet can be named all the same.
    assert bob.post("/log", form_of(asked) | {"provider": "other"}).status_code == 303
    assert bob.log(RSC | {"provider_name": typed, "day": "20"}).status_code == 303


def test_what_is_typed_after_the_question_is_looked_for_anew(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    asked = bob.log(RSC | {"provider_name": "Kim Osei"})
    saved = bob.post("/log", form_of(asked) | {"provider": "other", "provider_name": "Ruiz"})
    assert saved.status_code == 303
    assert sqlite_web.cast.rows("entry", person_id=sqlite_web.cast.people[BOB])[0]["provider_id"]


def test_a_tap_and_another_name_are_not_taken_for_each_other(sqlite_web: WebClient) -> None:
    [daniel] = add_providers(sqlite_web.cast, "Daniel Okafor")
    dana = sqlite_web.cast.people[DANA]
    alice = sqlite_web.visit(ALICE)
    asked = alice.log(RSC | {"provider": str(dana), "provider_name": "okafor"})
    assert problems(asked) == [
        ("provider", "You chose Dana Ruiz and typed “okafor”. Choose who provided the session.")
    ]
    assert alice.post("/log", form_of(asked) | {"provider": str(daniel)}).status_code == 303
    same = alice.log(RSC | {"provider": str(dana), "provider_name": "dana", "day": "1"})
    assert same.status_code == 303


def test_two_of_one_name_are_told_apart_by_what_is_no_secret(sqlite_web: WebClient) -> None:
    add_providers(sqlite_web.cast, "Dana Ruiz")
    asked = sqlite_web.visit(ALICE).log(RSC | {"provider_name": "Dana Ruiz"})
    words = text_of(asked)
    assert "Dana Ruiz (vetted by NCIMHA, your last session was on November 14, 2026)" in words
    assert "Dana Ruiz (vetted by NCIMHA)" in words
    assert "p0@example.org" not in asked.text
    assert "dana@example.org" not in asked.text


def test_a_thousand_providers_do_not_make_the_page_heavy(sqlite_web: WebClient) -> None:
    add_providers(sqlite_web.cast, *(f"Provider {n:04} of a long-named town" for n in range(1000)))
    page = sqlite_web.visit(ALICE).get("/log?activity=rsc")
    assert len(page.content) < 20_000
    assert "Dana Ruiz (most recent)" in text_of(page)
    asked = sqlite_web.visit(ALICE).log(RSC | {"provider_name": "provider"})
    assert problems(asked) == [
        ("provider", "Many names match “provider”. Choose who it was, or type more of the name.")
    ]
    assert sqlite_web.visit(ALICE).log(RSC | {"provider_name": "0815"}).status_code == 303
