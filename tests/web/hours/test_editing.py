"""Changing and deleting one's own entries."""

import html
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from httpx2 import Response

from tests.support.cast import ALICE, BOB, ERIN
from tests.web.client import TRAINING, Visitor, WebClient, problems, text_of

# Of the cycle before, whose last day of grace is January 31.
IN_GRACE = datetime(2026, 1, 20, 17, 0, tzinfo=UTC)


def form_of(page: Response) -> dict[str, str]:
    """The form as the page would send it back."""
    form = dict(re.findall(r'<input[^>]*name="([\w-]+)"[^>]* value="([^"]*)"(?! id)', page.text))
    form |= dict(
        re.findall(r'type="radio" name="(\w+)" value="(\w+)" id="[\w-]+" checked', page.text)
    )
    return {name: html.unescape(value) for name, value in form.items()}


def edit(visitor: Visitor, entry_id: int, **typed: str) -> Response:
    path = f"/entries/{entry_id}/edit"
    return visitor.post(path, form_of(visitor.get(path)) | typed)


def test_an_entry_opens_as_it_is_and_saves_what_was_changed(web: WebClient) -> None:
    entry_id = web.cast.entries["rsc"]
    alice = web.visit(ALICE)
    assert edit(alice, entry_id, hours="4.5").status_code == 303
    row = web.cast.rows("entry", id=entry_id)[0]
    assert (row["minutes"], row["title"], row["activity"]) == (270, "RSC", "rsc")
    assert "RSC done" in text_of(alice.get(f"/log/saved/{entry_id}"))


def test_a_change_leaves_an_audit_event_with_both_sides(web: WebClient) -> None:
    edit(web.visit(ALICE), web.cast.entries["training"], title="Renamed", **{"topic-DEIA": "1"})
    (event,) = web.cast.rows("audit_event")
    before, after = json.loads(event["before"]), json.loads(event["after"])
    assert (before["title"], after["title"]) == ("Infant mental health week", "Renamed")
    assert (before["topics"], after["topics"]) == ({}, {"DEIA": 60})


def test_saving_without_a_change_leaves_no_audit_event(sqlite_web: WebClient) -> None:
    assert edit(sqlite_web.visit(ALICE), sqlite_web.cast.entries["training"]).status_code == 303
    assert sqlite_web.cast.rows("audit_event") == []


def test_an_entry_can_move_to_another_day_with_its_topics(web: WebClient) -> None:
    entry_id = web.cast.entries["training"]
    edit(web.visit(ALICE), entry_id, **{"topic-DEIA": "1"})
    edit(web.visit(ALICE), entry_id, month="4")
    (topic,) = web.cast.rows("entry_topic", entry_id=entry_id)
    assert topic["held_on"].isoformat() == "2026-04-02"


def test_a_change_made_meanwhile_is_not_overwritten_unseen(web: WebClient) -> None:
    entry_id = web.cast.entries["rsc"]
    alice = web.visit(ALICE)
    path = f"/entries/{entry_id}/edit"
    stale = form_of(alice.get(path))
    edit(alice, entry_id, hours="2")
    answer = alice.post(path, stale | {"hours": "3"})
    assert problems(answer) == [
        (
            "activity",
            (
                "This entry has changed since you opened it. It is now 2 hours on November 14, "
                "2026. Save again to replace it."
            ),
        )
    ]
    assert 'value="3"' in answer.text
    assert alice.post(path, form_of(answer)).status_code == 303
    assert web.cast.rows("entry", id=entry_id)[0]["minutes"] == 180


def test_of_two_changes_at_once_one_is_told(web: WebClient) -> None:
    entry_id = web.cast.entries["rsc"]
    alice = web.visit(ALICE)
    path = f"/entries/{entry_id}/edit"
    form = form_of(alice.get(path))
    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(lambda h: alice.post(path, form | {"hours": h}), ("2", "3"))
    assert sorted(answer.status_code for answer in answers) == [303, 422]


def test_a_wrong_change_is_told_and_not_saved(sqlite_web: WebClient) -> None:
    entry_id = sqlite_web.cast.entries["rsc"]
    answer = edit(sqlite_web.visit(ALICE), entry_id, hours="25")
    assert problems(answer) == [
        ("hours", "The hours must be at most 24. For minutes, write 25 min")
    ]
    assert "<title>Error: Edit hours" in answer.text
    assert sqlite_web.cast.rows("entry", id=entry_id)[0]["minutes"] == 60


def test_ones_own_old_hours_do_not_fill_the_day_twice(sqlite_web: WebClient) -> None:
    answer = edit(sqlite_web.visit(ALICE), sqlite_web.cast.entries["training"], hours="12")
    assert answer.status_code == 303


def test_deleting_asks_first(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    path = f"/entries/{sqlite_web.cast.entries['training']}/delete"
    page = alice.get(path)
    assert "Delete this entry?" in text_of(page)
    assert len(sqlite_web.cast.rows("entry", id=sqlite_web.cast.entries["training"])) == 1


def test_a_deleted_entry_is_gone_with_its_topics_and_leaves_an_audit_event(
    web: WebClient,
) -> None:
    web.now = IN_GRACE
    alice = web.visit(ALICE)
    answer = alice.post(f"/entries/{web.cast.entries['old']}/delete")
    assert "The entry is deleted" in text_of(alice.follow(answer))
    assert web.cast.rows("entry", id=web.cast.entries["old"]) == []
    assert web.cast.rows("entry_topic") == []
    (event,) = web.cast.rows("audit_event", table_name="entry")
    assert event["after"] is None
    assert json.loads(event["before"])["topics"] == {"DEIA": 60}


def test_deleting_hours_opens_the_renewal_again(web: WebClient) -> None:
    web.now = IN_GRACE
    web.visit(ALICE).post(f"/entries/{web.cast.entries['old-rsc']}/delete")
    rows = web.cast.rows("standing", endorsement_id=web.cast.endorsements[ALICE])
    assert [row["status"] for row in sorted(rows, key=lambda r: r["cycle_starts_on"])] == [
        "overdue",
        "open",
    ]


@pytest.mark.parametrize("verb", ["edit", "delete"])
def test_what_a_closed_cycle_holds_stays_as_it_was_submitted(web: WebClient, verb: str) -> None:
    entry_id = web.cast.entries["old"]
    before = web.cast.rows("entry")
    alice = web.visit(ALICE)
    path = f"/entries/{entry_id}/{verb}"
    for answer in (alice.get(path), alice.post(path, TRAINING)):
        assert answer.headers["location"] == f"/entries/{entry_id}"
        page = alice.follow(answer)
    said = text_of(page)
    assert "2025 is closed at NCIMHA: its grace period ended on January 31, 2026." in said
    assert "contact your NCIMHA coordinator. Write to Carol Reyes" in said
    assert f'/entries/{entry_id}/edit"' not in page.text
    assert web.cast.rows("entry") == before
    assert web.cast.rows("audit_event") == []


def test_nothing_is_added_to_a_closed_cycle(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    words = (
        "2025 is closed at NCIMHA: its grace period ended on January 31, 2026. "
        "If something must be corrected, contact your NCIMHA coordinator."
    )
    assert problems(alice.log(TRAINING | {"year": "2025"})) == [("day", words)]
    assert problems(edit(alice, sqlite_web.cast.entries["rsc"], year="2025")) == [("day", words)]
    assert alice.log(TRAINING | {"year": "2023"}).status_code == 303


def test_foreign_and_absent_entries_answer_alike(web: WebClient) -> None:
    foreign, absent = web.cast.entries["erin"], 999_999
    for path in ("/entries/{}/edit", "/entries/{}/delete", "/log/saved/{}"):
        pages = [web.visit(BOB).get(path.format(i)) for i in (foreign, absent)]
        assert [page.status_code for page in pages] == [404, 404]
        assert pages[0].content == pages[1].content
    assert web.visit(ERIN).get(f"/entries/{foreign}/edit").status_code == 200


def test_an_old_page_deletes_nothing_that_was_logged_since(web: WebClient) -> None:
    alice = web.visit(ALICE)
    first = _logged(alice, "First")
    alice.post(f"/entries/{first}/delete")
    second = _logged(alice, "Second")
    assert second > first
    assert alice.post(f"/entries/{first}/delete").status_code == 404
    assert [row["title"] for row in web.cast.rows("entry", id=second)] == ["Second"]


def _logged(visitor: Visitor, title: str) -> int:
    saved = visitor.post("/log", TRAINING | {"title": title})
    return int(saved.headers["location"].rpartition("/")[2])


def edit_after_deletion(web: WebClient) -> tuple[Visitor, Response, int]:
    """Save a change in one tab after the entry was deleted in another."""
    entry_id = web.cast.entries["rsc"]
    alice = web.visit(ALICE)
    path = f"/entries/{entry_id}/edit"
    stale = form_of(alice.get(path))
    alice.post(f"/entries/{entry_id}/delete")
    return alice, alice.post(path, stale | {"hours": "1.25"}), entry_id


def test_a_change_of_a_deleted_entry_is_shown_again(sqlite_web: WebClient) -> None:
    alice, answer, entry_id = edit_after_deletion(sqlite_web)
    assert "This entry was deleted after you opened it." in text_of(answer)
    assert 'value="1.25"' in answer.text
    assert sqlite_web.cast.rows("entry", id=entry_id) == []
    assert alice.post("/log", form_of(answer)).status_code == 303
    [new] = sqlite_web.cast.rows("entry", person_id=sqlite_web.cast.people[ALICE], minutes=75)
    assert new["id"] != entry_id


def test_a_deleted_entry_is_brought_back_with_the_change(web: WebClient) -> None:
    alice, answer, entry_id = edit_after_deletion(web)
    form = form_of(answer) | {"bring_back": "yes"}
    assert alice.post(f"/entries/{entry_id}/edit", form).status_code == 303
    [row] = web.cast.rows("entry", id=entry_id)
    assert row["minutes"] == 75


def test_nobody_else_can_bring_an_entry_back(sqlite_web: WebClient) -> None:
    _, answer, entry_id = edit_after_deletion(sqlite_web)
    form = form_of(answer) | {"bring_back": "yes"}
    bob = sqlite_web.visit(BOB)
    assert bob.post(f"/entries/{entry_id}/edit", form).status_code == 404
    assert sqlite_web.cast.rows("entry", id=entry_id) == []
