"""The folder of uploaded files: what it stores, and which files it deletes."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.cast import NOW
from tracker.services.evidence_storage import EvidenceFolder, UndeletedFile, digest_of

DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "files" / "evidence")


def sweep(folder: EvidenceFolder, days: float, *known: str) -> int:
    return folder.sweep(lambda: set(known), NOW + days * DAY)


def test_a_file_is_stored_durably_for_the_program_only(
    folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    name = folder.write(b"proof")
    file = folder.file(name)
    assert file is not None
    assert (file.read_bytes(), file.name) == (b"proof", name)
    assert [path.stat().st_mode & 0o777 for path in (folder.path, file)] == [0o700, 0o600]
    assert synced == [file.stat().st_ino, folder.path.stat().st_ino]
    again = folder.write(b"proof")
    assert again != name
    assert folder.count([name, again, "a" * 40]) == 2


def test_no_file_is_overwritten(folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)
    name = folder.write(b"first")
    assert len(name) == 40
    with pytest.raises(FileExistsError):
        folder.write(b"second")
    assert (folder.path / name).read_bytes() == b"first"


def test_the_same_content_has_one_digest() -> None:
    assert digest_of(b"proof") == digest_of(b"proof") != digest_of(b"other")


def test_names_of_others_are_no_stored_files(folder: EvidenceFolder) -> None:
    name = folder.write(b"proof")
    (folder.path / "notes").write_text("mine")
    (folder.path / ("b" * 40)).mkdir()
    for other in ("notes", f"../evidence/{name}", "b" * 40, "c" * 40):
        assert folder.file(other) is None


@pytest.mark.parametrize("has_links", [True, False])
def test_a_copy_outlives_its_file(
    folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    name = folder.write(b"proof")
    copied = folder.copy(name)
    assert (folder.path / name).samefile(folder.path / copied) == has_links
    assert folder.delete([name]) == []
    file = folder.file(copied)
    assert file is not None
    assert file.read_bytes() == b"proof"


def test_the_others_are_deleted_if_one_is_missing(
    folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = folder.write(b"proof")
    missing = UndeletedFile(folder.path / "missing", "No such file or directory")
    assert folder.delete(["missing", name]) == [missing]
    assert folder.file(name) is None

    def refuse(_path: Path) -> None:
        raise OSError

    monkeypatch.setattr(Path, "unlink", refuse)
    assert folder.delete([name]) == [UndeletedFile(folder.path / name, "it can't be deleted")]


def test_files_without_a_row_stay_for_a_month(folder: EvidenceFolder) -> None:
    assert sweep(folder, 0) == 0
    kept, stray, other = (folder.write(content) for content in (b"kept", b"stray", b"other"))
    (folder.path / "notes").write_text("mine")
    for name in (kept, stray, other):
        # How old it is does not matter, only how long it had no row.
        os.utime(folder.path / name, (0, 0))
    assert [sweep(folder, day, kept) for day in (0, 29.9)] == [0, 0]
    assert folder.file(stray) is not None
    assert sweep(folder, 30.9, kept) == 2
    assert {file.name for file in folder.path.iterdir()} == {kept, "notes", ".swept"}


def test_the_folder_is_swept_once_a_day(folder: EvidenceFolder) -> None:
    stray = folder.write(b"stray")
    sweep(folder, 0)
    assert (folder.path / ".swept").stat().st_mode & 0o777 == 0o600
    sweep(folder, 29.5)
    assert [sweep(folder, day) for day in (30, 30.4)] == [0, 0]
    assert sweep(folder, 30.5) == 1
    assert folder.file(stray) is None


def test_a_file_that_has_a_row_again_starts_anew(folder: EvidenceFolder) -> None:
    name = folder.write(b"proof")
    sweep(folder, 0)
    sweep(folder, 20, name)
    assert [sweep(folder, day) for day in (31, 60, 61)] == [0, 0, 1]


def test_a_file_is_counted_by_who_deletes_it(folder: EvidenceFolder) -> None:
    """Two programs that share a folder may sweep it at the same moment."""
    name = folder.write(b"stray")
    sweep(folder, 0)

    def sweep_elsewhere() -> set[str]:
        folder.delete([name, f".stray-{name}"])
        return set()

    assert folder.sweep(sweep_elsewhere, NOW + 40 * DAY) == 0
