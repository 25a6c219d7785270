"""The files of a person are erased and exported, or the command says which are not.

The files of the database have nothing of them either.
"""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.backups import Kept
from tests.support.cast import ALICE, EVE
from tests.support.erasing import NAME, SECOND, erase
from tracker.cli.main import app
from tracker.cli.people import FilesLeftError
from tracker.db import engine
from tracker.errors import UserError, explain_error
from tracker.settings import Settings


def export(file: Path) -> Result:
    return CliRunner().invoke(app, ["person", "export", ALICE, str(file)])


@pytest.fixture
def wrong_folder(file_kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The setting names a folder that does not exist."""
    folder = file_kept.folder / "elsewhere"
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(folder))
    return folder


@pytest.fixture
def no_folder(file_kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """No setting names a folder, as with PostgreSQL."""
    monkeypatch.delenv("TRACKER_EVIDENCE_DIR")
    monkeypatch.setattr(Settings, "evidence_folder", None)
    return file_kept


def test_nobody_is_erased_without_the_folder(file_kept: Kept, wrong_folder: Path) -> None:
    before = file_kept.cast.rows("person")
    error = erase(ALICE).exception
    assert isinstance(error, UserError)
    assert f"{ALICE} has 1 file, but the folder {wrong_folder} does not exist" in str(error)
    assert "Set TRACKER_EVIDENCE_DIR" in str(error)
    assert file_kept.cast.rows("person") == before


def test_nobody_is_erased_without_the_setting(no_folder: Kept) -> None:
    before = no_folder.cast.rows("person")
    assert "no folder for files is set. Set TRACKER_EVIDENCE_DIR" in str(erase(ALICE).exception)
    assert no_folder.cast.rows("person") == before


def test_a_dry_run_names_the_missing_folder(wrong_folder: Path) -> None:
    assert str(wrong_folder) in str(erase(ALICE, "--dry-run").exception)


@pytest.mark.usefixtures("wrong_folder")
def test_people_without_files_need_no_folder() -> None:
    done = erase(EVE)
    assert done.exit_code == 0
    assert "Files deleted: 0" in done.stdout


def test_nothing_is_exported_without_the_folder(tmp_path: Path, wrong_folder: Path) -> None:
    file = tmp_path / "alice.zip"
    assert f"the folder {wrong_folder} does not exist" in str(export(file).exception)
    assert not file.exists()


@pytest.mark.usefixtures("no_folder")
def test_nothing_is_exported_without_the_setting(tmp_path: Path) -> None:
    assert "Set TRACKER_EVIDENCE_DIR" in str(export(tmp_path / "alice.zip").exception)


def test_an_export_counts_missing_files(file_kept: Kept, tmp_path: Path) -> None:
    [name] = file_kept.files
    (file_kept.evidence / name).unlink()
    done = export(tmp_path / "alice.zip")
    assert done.exit_code == 0
    assert f"Without 1 of 1 file: not found in {file_kept.evidence}" in done.stdout


def test_a_file_that_stays_is_named(file_kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    [name] = file_kept.files

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    done = erase(ALICE)
    assert isinstance(done.exception, FilesLeftError)
    assert "Files deleted: 0" in done.stdout
    message = explain_error(done.exception)
    assert f"{file_kept.evidence / name}: Permission denied" in message
    assert "Delete them by hand" in message
    # Its row is gone.
    assert file_kept.cast.rows("evidence") == []


def test_a_missing_file_is_not_counted_as_deleted(file_kept: Kept) -> None:
    [name] = file_kept.files
    (file_kept.evidence / name).unlink()
    done = erase(ALICE)
    assert "Files deleted: 0" in done.stdout
    assert f"{file_kept.evidence / name}: No such file" in str(done.exception)


def test_a_relative_folder_is_named_in_full(
    file_kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = file_kept.files
    (file_kept.evidence / name).unlink()
    monkeypatch.chdir(file_kept.folder)
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", "evidence")
    assert str(file_kept.evidence / name) in str(erase(ALICE).exception)


def list_files_with(kept: Kept, *words: str) -> set[str]:
    """The files of an SQLite database that have one of the words, wherever in their bytes."""
    return {
        file.name
        for file in kept.folder.glob("tracker.db*")
        for word in words
        if word.encode() in file.read_bytes()
    }


@pytest.fixture(params=["tracker.db-journal", "tracker.db-wal"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The journal of the database, in each of the modes that SQLite's version decides on."""
    monkeypatch.setattr(engine, "wal_is_safe", lambda _version: request.param == "tracker.db-wal")
    return str(request.param)


def test_no_byte_of_the_database_names_the_person(journal: str, file_kept: Kept) -> None:
    # The test's own connection lets the journal stay.
    assert list_files_with(file_kept, NAME) != set()
    assert erase(ALICE).exit_code == 0
    assert (file_kept.folder / journal).stat().st_size == 0
    assert list_files_with(file_kept, NAME, SECOND, "Alice Moreno") == set()
