"""The page that lists a person's files and the storage they use."""

from pathlib import Path

import pytest

from tests.support.cast import ALICE, BOB, EVE
from tests.support.files import PDF, jpeg
from tests.web.client import WebClient, problems, text_of
from tests.web.hours.test_editing import form_of
from tests.web.hours.test_evidence import FORM, on_disk, send

LARGE = jpeg() + b"\1" * 700_000
PAGE = "/profile/files"


@pytest.fixture
def web(web: WebClient, tmp_path: Path) -> WebClient:
    """With room for 1 MB of files, on both engines."""
    more = {"evidence_dir": tmp_path / "evidence", "evidence_quota_mb": 1}
    return WebClient(web.cast, settings=web.cast.settings.model_copy(update=more))


def prove_old(web: WebClient, content: bytes = LARGE) -> None:
    """Store proof of an entry whose cycle is closed by now."""
    now = web.now
    web.now = now.replace(year=2025)
    alice, path = web.visit(ALICE), f"/entries/{web.cast.entries['old']}/edit"
    assert send(alice, path, form_of(alice.get(path)), ("old.jpg", content)).status_code == 303
    web.now = now


def test_files_of_closed_cycles_use_no_storage(web: WebClient) -> None:
    prove_old(web)
    alice = web.visit(ALICE)
    assert send(alice, "/log", FORM, ("new.jpg", LARGE + b"2")).status_code == 303
    full = send(alice, "/log", FORM | {"form_key": "e" * 32, "day": "19"}, ("x.jpg", LARGE + b"3"))
    [(field, words)] = problems(full)
    assert (field, words.startswith("x.jpg (0.7 MB) was not added")) == ("files", True)
    assert "not counting files from closed cycles" in words
    assert f'href="{PAGE}"' in full.text
    page = alice.get(PAGE)
    assert "Storage used 0.7 MB of 1 MB" in text_of(page)
    closed = "Files from closed cycles and for audits 1 file, 0.7 MB. They can't be changed."
    assert closed in text_of(page)


def test_each_file_is_listed_with_its_entry(sqlite_web: WebClient) -> None:
    prove_old(sqlite_web)
    alice = sqlite_web.visit(ALICE)
    saved = send(alice, "/log", FORM, ("a.pdf", PDF)).headers["location"].rpartition("/")[2]
    old, new = (row["id"] for row in sqlite_web.cast.rows("evidence"))
    page = alice.get(PAGE)
    words = text_of(page).replace("\xa0", " ")
    assert "a.pdf 1 kB Book club, November 20, 2026 Edit the entry to remove the file" in words
    assert "old.jpg 0.7 MB Last year's conference, May 2, 2025 See the entry" in words
    assert f'href="/entries/{saved}/edit#files"' in page.text
    assert f'href="/entries/{sqlite_web.cast.entries["old"]}"' in page.text
    assert [alice.get(f"/evidence/{number}").content for number in (old, new)] == [LARGE, PDF]
    assert 'href="/profile/files"' in alice.get("/profile").text


def test_a_file_of_an_unsaved_form_can_be_removed(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    send(alice, "/log", FORM | {"hours": "lots"}, ("draft.pdf", PDF))
    [row] = sqlite_web.cast.rows("evidence")
    assert "draft.pdf 1 kB Uploaded with a form that you have not saved" in text_of(alice.get(PAGE))
    sqlite_web.visit(BOB).post(PAGE, {"remove": str(row["id"])})
    assert on_disk(sqlite_web)
    answer = text_of(alice.follow(alice.post(PAGE, {"remove": str(row["id"])})))
    assert (
        "You can upload up to 200 MB of supporting documents with your hours. Log hours" in answer
    )
    assert "The file is removed." in answer
    assert on_disk(sqlite_web) == []
    assert sqlite_web.cast.rows("evidence") == []
    assert alice.post(PAGE, {"remove": "x"}).status_code == 404


def test_a_file_of_an_entry_cannot_be_removed_here(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    send(alice, "/log", FORM, ("a.pdf", PDF))
    [row] = sqlite_web.cast.rows("evidence")
    answer = text_of(alice.follow(alice.post(PAGE, {"remove": str(row["id"])})))
    assert "That file was already removed, or belongs to a saved entry" in answer
    assert sqlite_web.cast.rows("evidence") == [row]


def test_people_without_hours_get_a_link_back(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(EVE).get(PAGE)
    assert "You have no files yet." in text_of(page)
    assert 'href="/log"' not in page.text
