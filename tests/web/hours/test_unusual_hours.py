"""Hours that are likelier a slip are asked about once, and then saved."""

import pytest

from tests.support.cast import ALICE, BOB, DANA
from tests.web.client import TRAINING, WebClient, text_of
from tests.web.hours.test_editing import form_of
from tests.web.sessions.test_group_sessions import SESSION


@pytest.mark.parametrize(
    ("hours", "question"),
    [
        ("0.05", "Was it only 3 minutes?"),
        ("1 min", "Was it only 1 minute?"),
        ("15", "Was it really 15 hours?"),
        ("12:01", "Was it really 12.02 hours?"),
    ],
)
def test_so_few_or_many_hours_are_asked_about_once(
    sqlite_web: WebClient, hours: str, question: str
) -> None:
    alice = sqlite_web.visit(ALICE)
    asked = alice.log(TRAINING | {"hours": hours, "topic-DEIA": ""})
    assert asked.status_code == 422
    assert "<title>Not saved yet: Log hours" in asked.text
    assert question in text_of(asked)
    assert sqlite_web.cast.rows("entry", title="Book club") == []
    assert alice.post("/log", form_of(asked)).status_code == 303


@pytest.mark.parametrize("hours", ["5 min", "12"])
def test_other_hours_are_not_asked_about(sqlite_web: WebClient, hours: str) -> None:
    form = TRAINING | {"hours": hours, "topic-DEIA": ""}
    assert sqlite_web.visit(ALICE).log(form).status_code == 303


def test_both_questions_are_asked_on_one_page(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.log(TRAINING | {"hours": "1 min", "topic-DEIA": "", "seen": "1min"})
    asked = alice.log(TRAINING | {"hours": "1 min", "topic-DEIA": ""})
    assert "Is this the same session?" in text_of(asked)
    assert "Was it only 1 minute?" in text_of(asked)
    other = alice.post("/log", form_of(asked) | {"hours": "13"})
    assert "Is this the same session?" not in text_of(other)
    assert "Was it really 13 hours?" in text_of(other)
    assert alice.post("/log", form_of(other)).status_code == 303


def test_an_entry_is_asked_about_when_its_hours_become_unusual(sqlite_web: WebClient) -> None:
    alice, entry_id = sqlite_web.visit(ALICE), sqlite_web.cast.entries["training"]
    path = f"/entries/{entry_id}/edit"
    asked = alice.post(path, form_of(alice.get(path)) | {"hours": "14"})
    assert "Was it really 14 hours?" in text_of(asked)
    assert alice.post(path, form_of(asked)).status_code == 303
    assert sqlite_web.cast.rows("entry", id=entry_id)[0]["minutes"] == 14 * 60
    again = form_of(alice.get(path)) | {"title": "Long day"}
    assert alice.post(path, again).status_code == 303


def test_a_session_for_others_is_asked_about_too(sqlite_web: WebClient) -> None:
    dana = sqlite_web.visit(DANA)
    form = form_of(dana.get("/sessions/new")) | SESSION | {"hours": "15", "others": BOB}
    asked = dana.post("/sessions/new", form)
    assert (asked.status_code, sqlite_web.cast.rows("group_session")) == (422, [])
    assert "Nothing is saved yet. Was it really 15 hours?" in text_of(asked)
    assert "<title>Not saved yet: Log a session for others" in asked.text
    saved = dana.post("/sessions/new", form_of(asked) | {"others": BOB})

    path = f"{saved.headers['location'].partition('?')[0]}/edit"
    edit = form_of(dana.get(path))
    assert dana.post(path, edit | {"title": "A long day"}).status_code == 303
