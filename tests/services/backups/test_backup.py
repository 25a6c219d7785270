"""Backups are whole, whatever happens while they are made."""

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.backups import Kept
from tests.support.cast import ALICE, NOW
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services import backup, backup_files
from tracker.services.backup import make_backup
from tracker.services.backup_files import BackupError, copy_file, exclusive_folder
from tracker.services.restore import restore_backup

pytestmark = pytest.mark.usefixtures("durable_sqlite", "programs")


def test_nobody_else_can_read_a_backup(kept: Kept) -> None:
    made = kept.back_up()
    modes = {path.stat().st_mode & 0o777 for path in (made.path, *made.path.rglob("*"))}
    folders = {made.path, made.path / "evidence"}
    assert modes == {0o700, 0o600}
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_a_file_that_is_deleted_meanwhile_is_in_neither(
    file_kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted = file_kept.prove(b"%PDF-1.4 another")
    copy_files, rounds = backup._copy_files, []

    def delete_first(*arguments: object) -> set[str]:
        rounds.append(arguments)
        if len(rounds) == 1:
            evidence = METADATA.tables["evidence"]
            with writing(file_kept.cast.engine) as session:
                session.connection().execute(
                    evidence.delete().where(evidence.c.stored_as == deleted)
                )
            (file_kept.evidence / deleted).unlink()
            file_kept.prove(b"%PDF-1.4 and a new one")
        return copy_files(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backup, "_copy_files", delete_first)
    made = file_kept.back_up()
    del file_kept.files[deleted]
    assert (len(rounds), made.files, made.missing) == (2, 2, [])
    assert file_kept.restore(made).missing == []
    assert file_kept.found() == file_kept.files


def test_files_that_were_lost_before_are_named_and_the_rest_is_backed_up(file_kept: Kept) -> None:
    gone, spoilt = file_kept.prove(b"%PDF-1.4 gone"), file_kept.prove(b"%PDF-1.4 spoilt")
    (file_kept.evidence / gone).unlink()
    (file_kept.evidence / spoilt).write_bytes(b"%PDF")
    made = file_kept.back_up()
    assert made.missing == sorted([gone, spoilt])
    assert sorted(file_kept.restore(made).missing) == sorted([gone, spoilt])


@pytest.mark.parametrize("at", ["copy_database", "_copy_files", "write_note", "flush_path"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr
)
def test_what_is_interrupted_leaves_nothing(
    file_kept: Kept, monkeypatch: pytest.MonkeyPatch, at: str, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(backup, at, fail)
        expected = BackupError if isinstance(error, OSError) else type(error)
        with pytest.raises(expected):
            file_kept.back_up()
    assert [*(file_kept.folder / "backups").iterdir()] == []
    assert file_kept.back_up().missing == []


@pytest.mark.parametrize("kilobytes", [0, 64, 300])
def test_a_full_disk_leaves_nothing(file_kept: Kept, kilobytes: int) -> None:
    file_kept.prove(bytes(800_000))
    folder = file_kept.folder / "backups"
    # No file may grow beyond: the database of this test has some 250 kilobytes.
    call = f'ulimit -f {kilobytes} && exec "$0" -m tracker backup "$1"'
    environment = {
        **os.environ,
        "TRACKER_DATABASE_URL": file_kept.cast.url,
        "TRACKER_EVIDENCE_DIR": str(file_kept.evidence),
    }
    done = subprocess.run(
        ["bash", "-c", call, sys.executable, folder],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"no backup was made in {folder}" in done.stderr
    assert [*folder.iterdir()] == []
    file_kept.cast.rows("person")


def test_what_a_killed_backup_left_is_removed_by_the_next(file_kept: Kept) -> None:
    left = file_kept.folder / "backups" / ".unfinished-tracker-2026-11-21-170000Z"
    left.mkdir(parents=True)
    (left / "database").write_bytes(b"half")
    with pytest.raises(BackupError, match="not a complete backup"):
        restore_backup(left, file_kept.empty_url, file_kept.restored, NOW)
    made = file_kept.back_up()
    assert [*left.parent.iterdir()] == [made.path]


def test_none_is_overwritten_and_one_is_made_at_a_time(file_kept: Kept) -> None:
    made = file_kept.back_up()
    with pytest.raises(BackupError, match="already exists"):
        file_kept.back_up()
    with (
        exclusive_folder(made.path.parent, ".unfinished-", "somebody is at work"),
        pytest.raises(BackupError, match="another backup is being made"),
    ):
        file_kept.back_up(1)
    assert file_kept.restore(made).missing == []


def test_where_nothing_is_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    for name in ("absent", "empty"):
        if name == "empty":
            (tmp_path / name).touch()
        with pytest.raises(BackupError, match=r"there is no database|is empty"):
            make_backup(f"sqlite:///{tmp_path / name}", None, tmp_path / "backups", NOW)
    assert not (tmp_path / "absent").exists()


def test_a_damaged_database_is_not_backed_up(file_kept: Kept, tmp_path: Path) -> None:
    source = tmp_path / "damaged.db"
    copy_file(Path(file_kept.cast.url.removeprefix("sqlite:///")), source)
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE entry SET person_id = 999999")
        connection.commit()
    with pytest.raises(BackupError, match="damaged"):
        make_backup(f"sqlite:///{source}", None, tmp_path / "backups", NOW)


def test_a_write_ahead_log_is_in_the_backup_and_keeps_nobody_waiting(
    file_kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_files, "write_lock", None)
    file = file_kept.cast.url.removeprefix("sqlite:///")
    file_kept.cast.engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE person SET name = 'W' WHERE email = ?", (ALICE,))
        connection.commit()
        connection.execute("BEGIN IMMEDIATE")
        made = file_kept.back_up()
        connection.rollback()
        connection.execute("PRAGMA journal_mode = DELETE")
    assert sorted(path.name for path in made.path.iterdir()) == [
        "backup.json",
        "database",
        "evidence",
    ]
    with closing(sqlite3.connect(made.path / "database")) as copy:
        people = copy.execute("SELECT COUNT(*) FROM person WHERE name = 'W'").fetchone()
    assert people == (1,)


def test_a_server_without_its_client_programs_is_said_to_be_so(
    postgres_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed: install"):
        make_backup(postgres_database_url, None, tmp_path, NOW)
    assert [*tmp_path.iterdir()] == []
