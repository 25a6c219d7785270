"""A session that looks like one logged before is asked about once, and then saved."""

import pytest

from tests.support.cast import ALICE, DANA
from tests.web.client import RSC, TRAINING, WebClient, text_of
from tests.web.hours.test_editing import form_of

# Alice has logged an hour with Dana on that day.
SAME_DAY = RSC | {"day": "14"}


def test_what_looks_like_a_twin_is_shown_once_and_saved_anyway(web: WebClient) -> None:
    alice = web.visit(ALICE)
    form = SAME_DAY | {"provider": str(web.cast.people[DANA]), "hours": "1:10"}
    asked = alice.log(form)
    assert asked.status_code == 422
    assert "<title>Not saved yet: Log hours" in asked.text
    assert (
        "Is this the same session? You have already logged for that day: RSC , with Dana Ruiz, "
        "1 hour." in text_of(asked)
    )
    assert f"/entries/{web.cast.entries['rsc']}" in asked.text
    assert "Save anyway" in text_of(asked)
    assert alice.post("/log", form_of(asked)).status_code == 303
    days = [row["held_on"].isoformat() for row in web.cast.rows("entry", activity="rsc")]
    assert days.count("2026-11-14") == 2


@pytest.mark.parametrize(
    "typed",
    [
        {"day": "13"},
        {"provider": "other", "provider_name": "Jo Hart", "hours": "2"},
    ],
)
def test_another_session_is_not_asked_about(sqlite_web: WebClient, typed: dict[str, str]) -> None:
    form = SAME_DAY | {"provider": str(sqlite_web.cast.people[DANA]), "hours": "1"}
    assert sqlite_web.visit(ALICE).log(form | typed).status_code == 303


def test_the_same_provider_on_the_same_day_is_asked_about_whatever_the_hours(
    sqlite_web: WebClient,
) -> None:
    alice = sqlite_web.visit(ALICE)
    form = SAME_DAY | {"provider": str(sqlite_web.cast.people[DANA]), "hours": "2"}
    assert "Is this the same session?" in text_of(alice.log(form))


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ({}, 422),
        ({"title": "book  club!", "hours": "2.25"}, 422),
        ({"hours": "1"}, 422),
        ({"title": "Book fair"}, 303),
        ({"title": "book club!", "hours": "1"}, 303),
        ({"day": "19"}, 303),
    ],
)
def test_trainings_are_twins_by_their_title(
    sqlite_web: WebClient, typed: dict[str, str], status: int
) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.log(TRAINING)
    assert alice.log(TRAINING | typed).status_code == status


def test_a_mere_name_may_be_the_provider_who_is_known(sqlite_web: WebClient) -> None:
    named = {"provider": "other", "provider_name": "D. Ruiz", "hours": "1"}
    assert sqlite_web.visit(ALICE).log(SAME_DAY | named).status_code == 422


def test_another_twin_is_asked_about_again(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.log(TRAINING)
    alice.log(TRAINING | {"day": "19"})
    asked = alice.log(TRAINING)
    other = alice.post("/log", form_of(asked) | {"day": "19"})
    assert other.status_code == 422
    assert alice.post("/log", form_of(other)).status_code == 303
