"""An entry that was deleted by mistake comes back, as it was."""

import json
from datetime import date

from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, BOOKS, CONFIG
from tests.web.client import Visitor, WebClient, text_of
from tests.web.test_scoping import prove
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.jobs.runner import run_due
from tracker.notifications.context import open_context
from tracker.services.evidence import remove_old_drafts


def delete(web: WebClient, entry: str = "training") -> Visitor:
    alice = web.visit(ALICE)
    answer = alice.post(f"/entries/{web.cast.entries[entry]}/delete")
    page = alice.follow(answer)
    assert "The entry is deleted. Undo" in text_of(page)
    assert 'action="/entries/undo-deletion"' in page.text
    return alice


def test_a_deleted_entry_comes_back_as_it_was(web: WebClient) -> None:
    tables = ("entry", "entry_topic", "standing")
    before = {name: web.cast.rows(name) for name in tables}
    alice = delete(web)
    assert web.cast.rows("entry", id=web.cast.entries["training"]) == []
    words = text_of(alice.follow(alice.post("/entries/undo-deletion")))
    assert "The entry is back." in words
    assert {name: web.cast.rows(name) for name in tables} == before
    assert "could not be brought back" in text_of(
        alice.follow(alice.post("/entries/undo-deletion"))
    )


def test_its_files_come_back_too(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        prove(session, sqlite_web.cast, ALICE, f"{ALICE} training")
    sqlite_web.pass_time(hours=25)
    alice = delete(sqlite_web)
    sqlite_web.pass_time(hours=23)
    with writing(sqlite_web.cast.engine) as session:
        assert remove_old_drafts(session, sqlite_web.now) == []
    alice.post("/entries/undo-deletion")
    [file] = sqlite_web.cast.rows("evidence")
    assert file["entry_id"] == sqlite_web.cast.entries["training"]


def test_a_deletion_can_be_undone_for_a_day(sqlite_web: WebClient) -> None:
    alice = delete(sqlite_web)
    sqlite_web.pass_time(hours=25)
    words = text_of(alice.follow(alice.post("/entries/undo-deletion")))
    assert "could not be brought back" in words
    settings = sqlite_web.cast.settings.model_copy(update={"config_dir": CONFIG})
    context = open_context(settings, BOOKS, sqlite_web.cast.engine)
    assert list(run_due(context, sqlite_web.now, lambda: sqlite_web.now))
    assert sqlite_web.cast.rows("removal") == []


def test_a_day_that_is_full_by_now_stays_as_it_is(sqlite_web: WebClient) -> None:
    alice = delete(sqlite_web)
    entry = METADATA.tables["entry"]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            insert(entry).values(
                person_id=sqlite_web.cast.people[ALICE],
                activity="training",
                held_on=date(2026, 5, 2),
                minutes=600,
                title="Another course",
            )
        )
    words = text_of(alice.follow(alice.post("/entries/undo-deletion")))
    assert "could not be brought back" in words


def test_nobody_undoes_what_others_deleted(sqlite_web: WebClient) -> None:
    delete(sqlite_web)
    bob = sqlite_web.visit(BOB)
    assert "could not be brought back" in text_of(bob.follow(bob.post("/entries/undo-deletion")))
    assert sqlite_web.cast.rows("entry", id=sqlite_web.cast.entries["training"]) == []


def test_a_button_pressed_twice_brings_back_one_entry(sqlite_web: WebClient) -> None:
    alice = delete(sqlite_web)
    delete(sqlite_web, "rsc")
    page = alice.get("/my-year")
    button = {"removal": str(sqlite_web.cast.rows("removal")[-1]["id"])}
    for _ in range(2):
        page = alice.follow(alice.post("/entries/undo-deletion", button))
        assert "The entry is back." in text_of(page)
    assert sqlite_web.cast.rows("entry", id=sqlite_web.cast.entries["rsc"]) != []
    assert sqlite_web.cast.rows("entry", id=sqlite_web.cast.entries["training"]) == []


def test_another_persons_button_brings_nothing_back(sqlite_web: WebClient) -> None:
    delete(sqlite_web)
    button = {"removal": str(sqlite_web.cast.rows("removal")[-1]["id"])}
    bob = sqlite_web.visit(BOB)
    page = bob.follow(bob.post("/entries/undo-deletion", button))
    assert "could not be brought back" in text_of(page)


def log_again(web: WebClient, **changes: object) -> None:
    """A session of the deleted entry's day is stored, as a form or a file would."""
    [removal] = web.cast.rows("removal")
    values = json.loads(removal["content"])["rows"][0][1]
    again = {
        "person_id": values["person_id"],
        "activity": values["activity"],
        "held_on": date.fromisoformat(values["held_on"]),
        "minutes": values["minutes"],
        "title": values["title"],
        "logged_at": web.now,
        **changes,
    }
    with writing(web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["entry"]).values(again))


def test_an_entry_that_was_logged_again_does_not_come_back(web: WebClient) -> None:
    alice = delete(web)
    log_again(web)
    before = web.cast.rows("entry")
    words = text_of(alice.follow(alice.post("/entries/undo-deletion")))
    assert "it would count twice" in words
    assert web.cast.rows("entry") == before


def test_a_different_session_of_the_day_lets_it_come_back(sqlite_web: WebClient) -> None:
    alice = delete(sqlite_web)
    log_again(sqlite_web, title="Something entirely different", minutes=30)
    words = text_of(alice.follow(alice.post("/entries/undo-deletion")))
    assert "The entry is back." in words
