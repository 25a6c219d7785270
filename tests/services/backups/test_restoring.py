"""A backup comes back whole, into an empty database only, or not at all."""

import errno
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from tests.support.backups import Kept, empty_beside, rows_of
from tests.support.cast import ALICE, NOW
from tests.support.old_schema import migrate_to
from tracker.db.engine import open_engine, writing
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version
from tracker.db.tables import METADATA
from tracker.services import restore
from tracker.services.backup import make_backup
from tracker.services.backup_files import BackupError, exclusive_folder
from tracker.services.browser_sessions import create_browser_session
from tracker.services.restore import restore_backup

pytestmark = pytest.mark.usefixtures("durable_sqlite", "programs")


def test_a_backup_comes_back_as_it_was(kept: Kept) -> None:
    kept.prove(b"%PDF-1.4 another")
    before = rows_of(kept.cast.url)
    made = kept.back_up()
    assert made.path.name == "tracker-2026-11-22-170000Z"
    assert (made.files, made.missing) == (2, [])
    done = kept.restore(made, revoke_access=False)
    assert (done.note.schema, done.missing, done.revoked) == (newest_version(), [], None)
    assert rows_of(kept.empty_url) == before
    assert kept.found() == kept.files


def test_whoever_was_signed_in_then_signs_in_anew(kept: Kept) -> None:
    with writing(kept.cast.engine) as session:
        create_browser_session(session, ALICE, NOW)
    made = kept.back_up()
    done = kept.restore(made)
    assert done.revoked is not None
    assert done.revoked.sessions == 1
    after = rows_of(kept.empty_url)
    assert after["web_session"] == []
    assert "tracker restore" in str(after["audit_event"])


def test_an_older_schema_is_backed_up_and_restored_as_the_newest(
    empty_database_url: str, tmp_path: Path
) -> None:
    migrate_to(empty_database_url, "0003")
    engine, person = open_engine(empty_database_url), METADATA.tables["person"]
    with writing(engine) as session:
        session.connection().exec_driver_sql(
            "INSERT INTO person (email, name, highest_degree, provides_rsc) "
            "VALUES ('a@b.example', 'Ana', 'master', TRUE)"
        )
    engine.dispose()
    made = make_backup(empty_database_url, None, tmp_path, NOW)
    assert made.schema == "0003"
    with empty_beside(empty_database_url, tmp_path) as url:
        assert restore_backup(made.path, url, None, NOW).note.schema == "0003"
        assert schema_version(url) == newest_version()
        engine = open_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(select(person.c.name)) == "Ana"
        engine.dispose()


def test_a_database_with_anything_in_it_is_never_written_to(kept: Kept) -> None:
    made, before = kept.back_up(), rows_of(kept.cast.url)
    with pytest.raises(BackupError, match="is not empty"):
        restore_backup(made.path, kept.cast.url, kept.restored, NOW)
    assert rows_of(kept.cast.url) == before
    assert not kept.restored.exists()


def test_what_another_database_left_beside_is_not_played_into_this_one(file_kept: Kept) -> None:
    made = file_kept.back_up()
    journal = Path(f"{file_kept.empty_url.removeprefix('sqlite:///')}-journal")
    journal.parent.mkdir()
    journal.write_bytes(b"of another")
    with pytest.raises(BackupError, match="left of another database"):
        file_kept.restore(made)
    # What a database leaves that was moved away while nobody wrote to it.
    journal.write_bytes(bytes(512) + b"of another")
    # An empty file is as good as none.
    Path(str(journal).removesuffix("-journal")).touch()
    assert file_kept.restore(made).missing == []


def _flip(path: Path) -> None:
    content = bytearray((path / "database").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "database").write_bytes(content)


def _from_the_future(path: Path) -> None:
    note = json.loads((path / "backup.json").read_text())
    (path / "backup.json").write_text(json.dumps({**note, "schema": "9999"}))


def _of_another_kind(path: Path) -> None:
    note = json.loads((path / "backup.json").read_text())
    (path / "backup.json").write_text(json.dumps({**note, "engine": "postgresql"}))


def _without_a_note(path: Path) -> None:
    (path / "backup.json").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_flip, "is damaged"),
        (_from_the_future, "a newer program made it"),
        (_of_another_kind, "is a backup of postgresql"),
        (_without_a_note, "not a complete backup"),
        (shutil.rmtree, "not a complete backup"),
    ],
)
def test_what_cannot_be_restored_is_refused_before_anything_is_written(
    file_kept: Kept, harm: Callable[[Path], None], said: str
) -> None:
    made = file_kept.back_up()
    harm(made.path)
    with pytest.raises(BackupError, match=said):
        file_kept.restore(made)
    assert not file_kept.restored.exists()
    assert not Path(file_kept.empty_url.removeprefix("sqlite:///")).parent.exists()


def _with_database(made: Path, content: bytes) -> None:
    """Another database in the backup, as of somebody who put it together by hand."""
    (made / "database").write_bytes(content)
    note = json.loads((made / "backup.json").read_text())
    (made / "backup.json").write_text(json.dumps({**note, "sha256": sha256(content).hexdigest()}))


def _foreign(folder: Path, *statements: str) -> bytes:
    file = folder / "foreign.db"
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as connection:
        for statement in ("CREATE TABLE person (id)", *statements):
            connection.execute(statement)
    return file.read_bytes()


def test_what_is_no_database_of_ours_is_named_with_what_it_is(
    file_kept: Kept, tmp_path: Path
) -> None:
    made = file_kept.back_up()
    whole = (made.path / "database").read_bytes()
    older = _foreign(
        tmp_path,
        *(f"CREATE TABLE {name} (id)" for name in ("endorsement", "entry", "audit_event")),
        "CREATE TABLE alembic_version (version_num)",
    )
    broken = bytearray(whole)
    broken[8192:40_000] = b"\x55" * (40_000 - 8192)
    for content, said in (
        (b"no database at all" * 100, "is not an SQLite database, or is damaged (file is not a"),
        (whole[:20_000], "is not an SQLite database, or is damaged ("),
        (b"", "holds nothing: name a backup that `tracker backup` made"),
        (_foreign(tmp_path), "holds tables of another program: name a backup that `tracker back"),
        (older, f"has schema (none), but backup.json says {newest_version()}: they are of two"),
        (bytes(broken), "is damaged: take another backup"),
    ):
        _with_database(made.path, content)
        with pytest.raises(BackupError, match=re.escape(f"{made.path / 'database'} {said}")):
            file_kept.restore(made)
        assert not Path(str(make_url(file_kept.empty_url).database)).exists()
    _with_database(made.path, whole)
    assert file_kept.restore(made).missing == []


@pytest.mark.parametrize("head", [b"", b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_never_written_over(file_kept: Kept, head: bytes) -> None:
    made = file_kept.back_up()
    target = Path(str(make_url(file_kept.empty_url).database))
    target.parent.mkdir()
    target.write_bytes(head + b"a letter to somebody")
    with pytest.raises(BackupError, match=r"is not empty: .* move it away or name another"):
        file_kept.restore(made)
    assert target.read_bytes() == head + b"a letter to somebody"


def test_files_need_a_place(file_kept: Kept) -> None:
    made = file_kept.back_up()
    with pytest.raises(BackupError, match="TRACKER_EVIDENCE_DIR"):
        restore_backup(made.path, file_kept.empty_url, None, NOW)


def test_a_restore_that_fails_has_restored_nothing_and_can_be_done_again(
    file_kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = file_kept.back_up()

    def fail(*_: object, **_more: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(restore, "revoke_all_access", fail)
        with pytest.raises(BackupError, match="No space left"):
            file_kept.restore(made)
    assert [*Path(file_kept.empty_url.removeprefix("sqlite:///")).parent.iterdir()] == []
    assert file_kept.restore(made).missing == []


def test_a_server_that_was_filled_and_not_finished_is_said_to_be_so(
    postgres_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_backup(postgres_database_url, None, tmp_path, NOW)

    def fail(*_: object, **_more: object) -> str:
        raise OSError

    with empty_beside(postgres_database_url, tmp_path) as url:
        monkeypatch.setattr(restore, "revoke_all_access", fail)
        with pytest.raises(BackupError, match="drop it, create it again, and restore again"):
            restore_backup(made.path, url, None, NOW)


def test_what_a_killed_restore_left_is_removed_by_the_next(file_kept: Kept) -> None:
    made = file_kept.back_up()
    target = Path(str(make_url(file_kept.empty_url).database))
    left = target.parent / ".restoring-killed"
    left.mkdir(parents=True)
    (left / target.name).write_bytes(b"half, with sessions")
    file_kept.restore(made)
    assert target.is_file()
    assert not left.exists()


def test_a_restore_leaves_one_that_is_at_work_alone(file_kept: Kept) -> None:
    made = file_kept.back_up()
    folder = Path(str(make_url(file_kept.empty_url).database)).parent
    folder.mkdir(parents=True, exist_ok=True)
    at_work = folder / ".restoring-now"
    with exclusive_folder(folder, ".restoring-", "somebody is at work"):
        at_work.mkdir()
        with pytest.raises(BackupError, match="another restore is running in"):
            file_kept.restore(made)
        assert at_work.is_dir()
