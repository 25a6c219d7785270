"""A coordinator links sessions with a typed name to a person, or corrects the provider."""

import pytest

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, Cast
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.desk_steps import change, preview, undo


@pytest.fixture
def carol(web: WebClient) -> Visitor:
    return web.visit(CAROL)


def path_of(cast: Cast, query: str) -> str:
    return f"/coordinator/person/{cast.people[ALICE]}/provider?{query}"


def test_a_name_is_linked_to_a_person(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    path = path_of(cast, "name=Jo+Hart")
    dana = {"provider": str(cast.people[DANA])}
    assert "9.5 of 12 hours" not in text_of(carol.get(f"/coordinator/person/{cast.people[ALICE]}"))
    assert f"To {ALICE}" in text_of(preview(carol, path, dana))
    saved = change(carol, path, dana)
    assert "9.5 of 12 hours" in text_of(saved)
    [entry] = cast.rows("entry", id=cast.entries["unknown"])
    assert (entry["provider_id"], entry["provider_name"]) == (cast.people[DANA], None)
    undo(carol, saved)
    [entry] = cast.rows("entry", id=cast.entries["unknown"])
    assert (entry["provider_id"], entry["provider_name"]) == (None, "Jo Hart")
    assert [row["state"] for row in cast.rows("outbox")] == ["dropped"]


def test_a_provider_is_corrected_by_address(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    change(carol, path_of(cast, f"provider={cast.people[DANA]}"), {"email": BOB})
    assert {row["provider_id"] for row in cast.rows("entry", activity="rsc")} == {
        None,
        cast.people[BOB],
    }


@pytest.mark.parametrize("email", [ERIN, EVE])
def test_foreign_people_are_like_absent_ones(web: WebClient, carol: Visitor, email: str) -> None:
    path = path_of(web.cast, "name=Jo+Hart")
    ids = [str(web.cast.people[email]), "999999", ""]
    answers = [carol.post(path, {"reason": "x", "provider": each}) for each in ids]
    assert [problems(each) for each in answers] == 3 * [[("provider", "Choose from the list")]]
    by_email = [carol.post(path, {"reason": "x", "email": e}) for e in (email, "no@example.org")]
    assert [problems(each)[0][1].partition(" address ")[0] for each in by_email] == 2 * [
        "Nobody has the"
    ]


def test_nobody_provides_rsc_to_themselves(web: WebClient, carol: Visitor) -> None:
    path = path_of(web.cast, "name=Jo+Hart")
    answer = carol.post(path, {"reason": "x", "email": ALICE})
    assert answer.status_code == 422


def test_an_unknown_provider_has_no_form(web: WebClient, carol: Visitor) -> None:
    for query in ("", "name=Nobody", "provider=999", "provider=0"):
        assert carol.get(path_of(web.cast, query)).status_code == 404
