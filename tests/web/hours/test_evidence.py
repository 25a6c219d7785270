"""Files that prove an entry: taken by content, kept with the form, handed out as files only."""

import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from httpx2 import Response
from pydantic import SecretStr

from tests.support.cast import ALICE, BASE_URL, BOB, CAROL, DAN, ERIN, NOW
from tests.support.files import PDF, heic, jpeg, png
from tests.web.client import TRAINING, Visitor, WebClient, problems, text_of
from tests.web.hours.test_editing import form_of
from tracker.formatting import format_size
from tracker.services.evidence import FILES_PER_ENTRY
from tracker.services.evidence_storage import EvidenceFolder
from tracker.web.pages.uploads import format_disposition, safe_name, sweep

KEY = "d" * 32
FORM = TRAINING | {"form_key": KEY}
Sent = tuple[str, bytes]


def send(visitor: Visitor, path: str, form: dict[str, str], *files: Sent) -> Response:
    """Post a form as a browser does, with files; without any, with an empty file field."""
    chosen = [("files", (name, content)) for name, content in files]
    return visitor.client.post(
        path,
        data=form,
        files=chosen or [("files", ("", b""))],
        headers={"Origin": BASE_URL},
    )


def on_disk(web: WebClient) -> list[str]:
    return sorted(file.name for file in folder_of(web).glob("[0-9a-f]*"))


def folder_of(web: WebClient) -> Path:
    folder = web.app.state.site.settings.evidence_folder
    assert isinstance(folder, Path)
    return folder


@pytest.fixture
def web(web: WebClient, tmp_path: Path) -> WebClient:
    """On PostgreSQL files are taken once it is said where to."""
    settings = web.cast.settings.model_copy(update={"evidence_dir": tmp_path / "evidence"})
    return WebClient(web.cast, settings=settings)


def test_files_are_stored_with_the_entry_and_come_back_as_files(web: WebClient) -> None:
    alice = web.visit(ALICE)
    saved = send(alice, "/log", FORM, ("a.pdf", PDF), ("b.jpg", jpeg()), ("c.heic", heic()))
    assert saved.status_code == 303
    entry_id = int(saved.headers["location"].rpartition("/")[2])
    rows = web.cast.rows("evidence", entry_id=entry_id)
    assert [row["media_type"] for row in rows] == ["application/pdf", "image/jpeg", "image/heic"]
    answer = alice.get(f"/evidence/{rows[0]['id']}")
    assert answer.content == PDF
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf"
    )
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    told = [event["table_name"] for event in web.cast.rows("audit_event")]
    assert sorted(told) == ["entry", "evidence", "evidence", "evidence"]


def test_the_folder_and_its_files_are_the_programs_own(sqlite_web: WebClient) -> None:
    send(sqlite_web.visit(ALICE), "/log", FORM, ("a.pdf", PDF))
    folder = folder_of(sqlite_web)
    [name] = on_disk(sqlite_web)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert "a.pdf" not in name


def test_a_file_that_came_with_a_wrong_form_is_kept_for_it(web: WebClient) -> None:
    alice = web.visit(ALICE)
    wrong = send(alice, "/log", FORM | {"hours": "lots"}, ("certificate.pdf", PDF))
    assert wrong.status_code == 422
    assert "certificate.pdf 1 kB, uploaded" in text_of(wrong)
    assert [row["entry_id"] for row in web.cast.rows("evidence")] == [None]
    saved = send(alice, "/log", form_of(wrong) | {"hours": "2"})
    assert saved.status_code == 303
    [row] = web.cast.rows("evidence")
    assert saved.headers["location"].endswith(f"/{row['entry_id']}")


def test_today_keeps_files_and_a_file_sent_twice_is_kept_once(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    page = send(alice, "/log", FORM | {"today": "yes"}, ("a.pdf", PDF))
    assert "a.pdf" in text_of(page)
    send(alice, "/log", form_of(page), ("a.pdf", PDF), ("a again.pdf", PDF))
    first = send(alice, "/log", form_of(page), ("a.pdf", PDF))
    assert first.status_code == 303
    assert len(sqlite_web.cast.rows("evidence")) == len(on_disk(sqlite_web)) == 1


def test_files_follow_a_saved_form_that_becomes_another_session(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    send(alice, "/log", FORM)
    asking = send(alice, "/log", FORM | {"day": "19"}, ("a.pdf", PDF))
    assert "This form was already saved" in text_of(asking)
    saved = send(alice, "/log", form_of(asking))
    [row] = sqlite_web.cast.rows("evidence")
    assert saved.headers["location"].endswith(f"/{row['entry_id']}")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("page.pdf", b"<html>", "page.pdf is not a PDF, JPEG, PNG, or HEIC file"),
        ("notes.docx", b"PK\x03\x04", "notes.docx is not a PDF, JPEG, PNG, or HEIC file"),
        ("none.png", b"", "none.png is empty. Choose it again."),
        ("big.pdf", PDF + b" " * 10_500_000, "big.pdf is 10.1 MB. The limit is 10 MB per file."),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_the_others_are_kept(
    sqlite_web: WebClient, name: str, content: bytes, words: str
) -> None:
    answer = send(sqlite_web.visit(ALICE), "/log", FORM, (name, content), ("good.png", png()))
    [(field, said)] = problems(answer)
    assert (field, said.startswith(words)) == ("files", True), said
    assert "good.png" in text_of(answer)
    assert 'value="Book club"' in answer.text
    assert len(sqlite_web.cast.rows("evidence")) == len(on_disk(sqlite_web)) == 1
    assert sqlite_web.cast.rows("entry", title="Book club") == []


def test_the_quota_says_how_much_is_left(sqlite_web: WebClient) -> None:
    settings = sqlite_web.cast.settings.model_copy(update={"evidence_quota_mb": 1})
    small = WebClient(sqlite_web.cast, settings=settings)
    alice = small.visit(ALICE)
    large = jpeg() + b"\1" * 700_000
    assert send(alice, "/log", FORM, ("one.jpg", large)).status_code == 303
    again = FORM | {"form_key": "e" * 32, "day": "19"}
    answer = send(alice, "/log", again, ("two.jpg", large + b"2"))
    assert problems(answer) == [
        (
            "files",
            (
                "two.jpg (0.7 MB) was not added. You have 0.4 MB of 1 MB left, not counting files "
                "from closed cycles. Remove files you no longer need, or save without it."
            ),
        )
    ]
    assert len(on_disk(small)) == 1


def test_one_too_many_is_named(sqlite_web: WebClient) -> None:
    files = [(f"{n}.pdf", PDF.replace(b"<<>>", b"<<%d>>" % n)) for n in range(FILES_PER_ENTRY + 1)]
    answer = send(sqlite_web.visit(ALICE), "/log", FORM, *files)
    assert problems(answer) == [
        ("files", "10.pdf was not added. An entry can have at most 10 files.")
    ]
    assert len(on_disk(sqlite_web)) == FILES_PER_ENTRY


def test_a_file_can_take_the_place_of_one_that_goes_with_the_same_save(
    sqlite_web: WebClient,
) -> None:
    alice = sqlite_web.visit(ALICE)
    files = [(f"{n}.pdf", PDF.replace(b"<<>>", b"<<%d>>" % n)) for n in range(FILES_PER_ENTRY)]
    saved = send(alice, "/log", FORM, *files)
    path = f"/entries/{saved.headers['location'].rpartition('/')[2]}/edit"
    first, *_ = sqlite_web.cast.rows("evidence")
    form = form_of(alice.get(path)) | {"without": str(first["id"])}
    assert send(alice, path, form, ("new.png", png())).status_code == 303
    names = [row["name"] for row in sqlite_web.cast.rows("evidence")]
    assert (len(names), "0.pdf" in names, "new.png" in names) == (FILES_PER_ENTRY, False, True)


def test_a_file_can_be_removed_and_goes_with_its_entry(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    saved = send(alice, "/log", FORM, ("a.pdf", PDF), ("b.png", png()))
    entry_id = saved.headers["location"].rpartition("/")[2]
    first, _ = sqlite_web.cast.rows("evidence")
    path, out = f"/entries/{entry_id}/edit", {"without": str(first["id"])}
    # Only saving removes it: to leave the entry as it is leaves it its proof.
    for unsaved in ({"remove": str(first["id"])}, {"hours": "x"}, {"today": "yes"}):
        page = send(alice, path, form_of(alice.get(path)) | out | unsaved)
        assert f'id="without-{first["id"]}" checked' in page.text
    assert len(on_disk(sqlite_web)) == 2
    assert send(alice, path, form_of(alice.get(path)) | out).status_code == 303
    assert alice.get(f"/evidence/{first['id']}").status_code == 404
    assert len(on_disk(sqlite_web)) == 1
    assert "Its file is deleted too" in text_of(alice.get(f"/entries/{entry_id}/delete"))
    alice.post(f"/entries/{entry_id}/delete")
    # It stays while the deletion can be undone.
    assert len(on_disk(sqlite_web)) == 1
    sqlite_web.pass_time(hours=25)
    sweep(sqlite_web.app.state.site, sqlite_web.now)
    assert on_disk(sqlite_web) == []
    assert sqlite_web.cast.rows("evidence") == []
    assert sqlite_web.cast.rows("audit_event")[-1]["after"] is None


def test_files_can_be_added_while_editing_and_nobody_elses_removed(sqlite_web: WebClient) -> None:
    alice, bob = sqlite_web.visit(ALICE), sqlite_web.visit(BOB)
    path = f"/entries/{sqlite_web.cast.entries['training']}/edit"
    assert send(alice, path, form_of(alice.get(path)), ("a.pdf", PDF)).status_code == 303
    [row] = sqlite_web.cast.rows("evidence")
    assert row["entry_id"] == sqlite_web.cast.entries["training"]
    send(bob, "/log", FORM | {"remove": str(row["id"])})
    assert send(bob, path, FORM, ("b.png", png())).status_code == 404
    assert sqlite_web.cast.rows("evidence") == [row]
    assert len(on_disk(sqlite_web)) == 1


def test_only_the_owner_and_her_coordinators_get_a_file(web: WebClient) -> None:
    alice = web.visit(ALICE)
    send(alice, "/log", FORM, ("a.pdf", PDF))
    send(alice, "/log", FORM | {"form_key": "f" * 32, "hours": "x"}, ("draft.pdf", PDF))
    kept, draft = (row["id"] for row in web.cast.rows("evidence"))
    seen = {
        who: [web.visit(who).get(f"/evidence/{i}").status_code for i in (kept, draft)]
        for who in (ALICE, CAROL, BOB, ERIN, DAN)
    }
    assert seen == {
        ALICE: [200, 200],
        CAROL: [200, 404],
        **{who: [404, 404] for who in (BOB, ERIN, DAN)},
    }


def test_files_stand_beside_their_entry_for_her_and_her_coordinator(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    saved = send(alice, "/log", FORM, ("a.pdf", PDF))
    entry_id = saved.headers["location"].rpartition("/")[2]
    link = f'<a href="/evidence/{sqlite_web.cast.rows("evidence")[0]["id"]}">a.pdf</a>'
    person = f"/coordinator/people/{sqlite_web.cast.endorsements[ALICE]}"
    assert link in alice.get("/my-year").text
    assert link in alice.get(f"/entries/{entry_id}").text
    assert link in sqlite_web.visit(CAROL).get(person).text
    assert "Supporting documents: a.pdf" in text_of(alice.follow(saved))
    assert f'<a href="/log?again={entry_id}">Log again' in alice.get("/my-year").text


def test_drafts_are_swept_after_a_day_and_stray_files_after_a_month(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    send(alice, "/log", FORM | {"hours": "x"}, ("draft.pdf", PDF))
    sqlite_web.settle()
    [draft] = on_disk(sqlite_web)
    folder = folder_of(sqlite_web)
    stray = folder / ("a" * 40)
    stray.write_bytes(b"left by a crash")

    def upload_after(days: int, key: str) -> list[str]:
        sqlite_web.pass_time(days=days)
        page = send(sqlite_web.visit(ALICE), "/log", FORM | {"form_key": key}, ("a.png", png()))
        assert page.status_code in {303, 422}
        sqlite_web.settle()
        return on_disk(sqlite_web)

    # As old as can be: what counts is since when it is known to have no row.
    os.utime(stray, (0, 0))
    assert stray.name in upload_after(2, "1" * 32)
    assert draft not in on_disk(sqlite_web)
    assert stray.name in upload_after(29, "2" * 32)
    assert stray.name not in upload_after(2, "3" * 32)
    assert len(sqlite_web.cast.rows("evidence")) == len(on_disk(sqlite_web))
    assert list(folder.glob(".stray-*")) == []


def test_an_older_database_loses_no_file_before_a_newer_one_takes_its_place(
    tmp_path: Path,
) -> None:
    folder = EvidenceFolder(tmp_path)
    name = folder.write(b"proof")
    os.utime(tmp_path / name, (0, 0))
    days = [NOW + timedelta(days=n) for n in (0, 20, 25, 50, 56)]
    # The older one knows nothing, the newer one does; then an older one again.
    rows: list[set[str]] = [set(), {name}, set(), set(), set()]
    swept = [folder.sweep(partial(set, known), day) for known, day in zip(rows, days, strict=True)]
    assert swept == [0, 0, 0, 0, 1]


def test_a_crash_leaves_a_file_without_a_row_never_a_row_without_its_file(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = sqlite_web.visit(ALICE)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("tracker.web.pages.log_hours.create_entry", fail)
    with pytest.raises(RuntimeError):
        send(alice, "/log", FORM, ("a.pdf", PDF))
    assert len(on_disk(sqlite_web)) == 1
    assert sqlite_web.cast.rows("evidence") == []
    monkeypatch.setattr(os, "fsync", disk_is_full)
    answer = send(alice, "/log", FORM, ("b.png", png()))
    assert problems(answer) == [
        ("files", "b.png could not be stored. Save without it now, and add it later.")
    ]
    assert sqlite_web.cast.rows("evidence") == []


def disk_is_full(_file: int) -> None:
    raise OSError(28, "No space left on device")


def test_more_than_32_megabytes_are_refused_and_nothing_is_kept(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    large = jpeg() + b"\1" * 9_900_000
    answer = send(alice, "/log", FORM, *[(f"{n}.jpg", large) for n in range(4)])
    assert answer.status_code == 413
    assert on_disk(sqlite_web) == []
    assert sqlite_web.cast.rows("evidence") == []
    headers = {"Origin": BASE_URL, "Content-Type": "multipart/form-data; boundary=x"}
    chunks = (b"x" * 1_000_000 for _ in range(40))
    assert alice.client.post("/log", content=chunks, headers=headers).status_code == 413
    elsewhere = alice.client.post("/sign-in", content=b"x" * 70_000, headers=headers)
    assert elsewhere.status_code == 413


def test_very_many_files_are_told_to_be_too_many_and_not_too_large(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    answer = send(alice, "/log", FORM, *[(f"{n}.pdf", PDF) for n in range(200)])
    assert answer.status_code == 413
    said = text_of(answer)
    assert said.startswith("You chose too many files. That is more files than you can upload")
    assert f"choose at most {FILES_PER_ENTRY} files" in said
    assert on_disk(sqlite_web) == []


def test_without_a_folder_no_files_are_asked_for(sqlite_web: WebClient) -> None:
    elsewhere = SecretStr("postgresql+psycopg://nowhere/tracker")
    settings = sqlite_web.cast.settings.model_copy(update={"database_url": elsewhere})
    bare = WebClient(sqlite_web.cast, settings=settings)
    alice = bare.visit(ALICE)
    assert 'type="file"' not in alice.get("/log").text
    answer = send(alice, "/log", FORM, ("a.pdf", PDF))
    words = "You can&#39;t upload files on this site. Save without them."
    assert problems(answer) == [("files", words)]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("certificate.pdf", "certificate.pdf"),
        ("Scan.PDF", "Scan.PDF"),
        (r"C:\Users\me\a.pdf", "a.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("page.html", "page.html.pdf"),
        ("\u202efdp.exe\u2066", "fdp.exe.pdf"),
        ("a\r\nSet-Cookie: x\x00.pdf", "a Set-Cookie: x.pdf"),
        ("é 漢字.pdf", "é 漢字.pdf"),
        ("x" * 5000 + ".pdf", "x" * 100 + ".pdf"),
        ("....", "file.pdf"),
        ("", "file.pdf"),
    ],
)
def test_names_are_made_safe(sent: str, kept: str) -> None:
    assert safe_name(sent, "application/pdf") == kept


def test_a_name_stands_in_a_header_whatever_it_is() -> None:
    assert format_disposition('é "x"; 漢.pdf') == (
        'attachment; filename="_ _x__ _.pdf"; '
        "filename*=UTF-8''%C3%A9%20%22x%22%3B%20%E6%BC%A2.pdf"
    )


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 MB"), (1, "1 kB"), (20_000, "20 kB"), (1_048_576, "1 MB"), (1_100_000, "1.1 MB")],
)
def test_sizes_are_said_in_words(size: int, words: str) -> None:
    assert format_size(size) == words
