"""`tracker restore --drill`: whether the newest backup can be restored, shown and recorded."""

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlmodel import Session
from typer.testing import CliRunner, Result

from tests.support.backups import Kept
from tests.support.cast import NOW, fill
from tracker import clock
from tracker.checks.drills import check_drills
from tracker.checks.environment import Fact
from tracker.cli.main import app
from tracker.db.engine import reading, writing
from tracker.db.operations import RestoreDrill
from tracker.master_key import MasterKey
from tracker.services import restore, restore_drill
from tracker.services.backup_files import DATABASE, NOTE
from tracker.services.restore import Restored, restore_backup
from tracker.services.restore_drill import Check, try_backup
from tracker.services.run_ledger import RunKey, claim_run

pytestmark = pytest.mark.usefixtures("programs")


class Drill:
    """An installation with one backup, and the command."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.backups = kept.folder / "backups"
        self.backup = kept.back_up().path

    def run(self) -> Result:
        return CliRunner().invoke(app, ["restore", "--drill", str(self.backups)])

    @property
    def records(self) -> list[tuple[str, bool]]:
        rows = self.kept.cast.rows("restore_drill")
        return [(str(row["backup"]), bool(row["is_proven"])) for row in rows]

    def hold(self, check: Check) -> RestoreDrill:
        """Hold a drill with a check of the test's own, without recording it."""
        key = MasterKey.beside(self.kept.cast.url)
        return try_backup(self.backup, self.kept.cast.url, key, clock.now(), check)

    def read_comment(self) -> str:
        """The comment that a drill gives to the database it makes."""
        found: list[str] = []
        query = (
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = current_database()"
        )

        def read(session: Session) -> list[str]:
            found.append(session.connection().execute(text(query)).scalar_one())
            return []

        self.hold(read)
        return found[0]

    def name_database(self, ending: str) -> str:
        return f"{make_url(self.kept.cast.url).database}_drill_{ending}"

    def places(self) -> set[str]:
        """The folders of the backups, and the databases of the server."""
        found = {path.name for path in self.backups.iterdir()}
        if self.kept.cast.url.startswith("postgresql"):
            engine = create_engine(self.kept.cast.url)
            with engine.connect() as connection:
                found |= set(connection.scalars(text("SELECT datname FROM pg_database")))
            engine.dispose()
        return found


def drilling(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    kept = Kept(fill(url), folder, "")
    kept.prove()
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(kept.evidence))
    # A few hours after the backup.
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=5))
    yield Drill(kept)
    kept.cast.engine.dispose()


@pytest.fixture
def drill(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    yield from drilling(database_url, tmp_path, monkeypatch)


@pytest.fixture
def file_drill(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    yield from drilling(sqlite_url, tmp_path, monkeypatch)


@pytest.fixture
def server_drill(
    postgres_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Drill]:
    yield from drilling(postgres_database_url, tmp_path, monkeypatch)


@contextmanager
def made_databases(drill: Drill, comments: dict[str, str]) -> Iterator[None]:
    """Databases on the drill's server, by name with a comment, that are gone in the end."""
    engine = create_engine(drill.kept.cast.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as server:
        for name, comment in comments.items():
            server.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
            server.execute(text(f"COMMENT ON DATABASE \"{name}\" IS '{comment}'"))
        try:
            yield
        finally:
            for name in comments:
                server.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
    engine.dispose()


def findings(drill: Drill, days_later: int) -> list[str]:
    with reading(drill.kept.cast.engine) as session:
        found = check_drills(session, clock.now() + timedelta(days=days_later))
        return ["fact" if isinstance(one, Fact) else one.id for one in found]


def test_the_newest_backup_is_proven_and_recorded(drill: Drill) -> None:
    newest = drill.kept.back_up(seconds=60).path
    before = drill.places()
    done = drill.run()
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{newest.name} was restored and checked: schema ")
    assert "1 uploaded file" in done.stdout
    assert drill.records == [(newest.name, True)]
    assert drill.places() == before


@pytest.mark.parametrize("name", ["tracker-keep-2025", "tracker-notes", "tracker-2099-01-01"])
def test_other_folders_are_not_taken_for_backups(file_drill: Drill, name: str) -> None:
    (file_drill.backups / name).mkdir()
    assert file_drill.run().exit_code == 0
    assert file_drill.records == [(file_drill.backup.name, True)]


def test_the_drill_shows_the_backups_age(file_drill: Drill) -> None:
    done = file_drill.run()
    assert done.stdout.endswith("The backup is 5 hours old.\n")


def test_an_old_newest_backup_is_reported(
    file_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=210))
    done = file_drill.run()
    assert done.exit_code == 0
    assert "The backup is 210 days old.\nNothing newer can be restored" in done.stdout
    assert findings(file_drill, 0) == ["T217"]
    assert findings(file_drill, 41) == ["T217", "T216"]


def test_runs_for_days_to_come_do_not_fail_a_drill(file_drill: Drill) -> None:
    day = (clock.now() + timedelta(days=300)).date()
    with writing(file_drill.kept.cast.engine) as session:
        claim_run(session, RunKey("evaluate", "NCIMHA", day), clock.now())
    file_drill.kept.back_up(seconds=60)
    assert file_drill.run().exit_code == 0


def test_a_damaged_file_fails_the_drill(drill: Drill) -> None:
    (file,) = (drill.backup / "evidence").iterdir()
    file.write_bytes(b"damaged")
    before = drill.places()
    done = drill.run()
    assert done.exit_code == 1
    assert "could NOT be restored: 1 uploaded file missing or damaged" in done.stdout
    assert drill.records == [(drill.backup.name, False)]
    assert drill.places() == before
    assert findings(drill, 0) == ["T215"]


def test_lost_rows_fail_the_drill(file_drill: Drill) -> None:
    note = json.loads((file_drill.backup / NOTE).read_text())
    note["rows"]["entry"] += 1
    (file_drill.backup / NOTE).write_text(json.dumps(note))
    assert "rows backed up" in file_drill.run().stdout


def test_a_damaged_database_fails_the_drill(file_drill: Drill) -> None:
    database = file_drill.backup / DATABASE
    os.truncate(database, database.stat().st_size // 2)
    assert "is damaged" in file_drill.run().stdout
    assert file_drill.records == [(file_drill.backup.name, False)]


def test_a_folder_without_backups_is_reported(file_drill: Drill, tmp_path: Path) -> None:
    file_drill.backups = tmp_path
    done = file_drill.run()
    assert done.exit_code == 1
    assert "The drill could not be done:" in done.output
    assert "holds no backup" in done.output
    assert file_drill.records == [("", False)]


def test_a_folder_that_cannot_be_read_is_reported(file_drill: Drill, tmp_path: Path) -> None:
    file_drill.backups = tmp_path / ("x" * 300)
    done = file_drill.run()
    assert done.exit_code == 1
    assert "can't be read (File name too long)" in done.output
    assert file_drill.records == [("", False)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_fault_of_the_disk_is_not_the_backups(
    file_drill: Drill, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file_drill.run()

    def fail(_source: Path, target: Path) -> str:
        raise OSError(number, os.strerror(number), str(target))

    monkeypatch.setattr(restore, "copy_file", fail)
    done = file_drill.run()
    assert done.exit_code == 1
    assert os.strerror(number) in done.output
    assert file_drill.records == [(file_drill.backup.name, True), ("", False)]
    assert findings(file_drill, 0) == ["T218", "fact"]


def test_a_full_disk_under_sqlite_is_not_the_backups(
    file_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: Path) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    monkeypatch.setattr(restore, "check_sqlite", fail)
    assert "database or disk is full" in file_drill.run().output
    assert file_drill.records == [("", False)]


def test_missing_programs_are_not_the_backups_fault(
    server_drill: Drill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = server_drill.places()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        done = server_drill.run()
    assert done.exit_code == 1
    assert "pg_restore is not installed" in done.output
    assert server_drill.records == [("", False)]
    assert server_drill.places() == before
    assert findings(server_drill, 0) == ["T218"]
    server_drill.run()
    assert findings(server_drill, 0) == ["fact"]


@pytest.mark.parametrize(
    ("answer", "is_backups_fault"),
    [
        ("could not extend file: No space left on device", False),
        ("unsupported version (1.16) in file header", False),
        ("server closed the connection unexpectedly", False),
        ("could not execute query", True),
    ],
)
def test_what_pg_restore_answers_is_told_apart(
    server_drill: Drill,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: str,
    *,
    is_backups_fault: bool,
) -> None:
    program = tmp_path / "pg_restore"
    program.write_text(f"#!/bin/sh\necho 'pg_restore: error: {answer}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert answer in server_drill.run().output
    assert server_drill.records == [(server_drill.backup.name if is_backups_fault else "", False)]


def test_what_a_killed_drill_left_is_removed(file_drill: Drill) -> None:
    (file_drill.backups / ".drill-0badf00d").mkdir()
    file_drill.run()
    assert ".drill-0badf00d" not in file_drill.places()


def test_other_hidden_folders_survive_a_drill(file_drill: Drill) -> None:
    (file_drill.backups / ".drill-notes").mkdir()
    file_drill.run()
    assert ".drill-notes" in file_drill.places()


def test_a_killed_drills_database_is_dropped(server_drill: Drill) -> None:
    left = server_drill.name_database("0badf00d")
    with made_databases(server_drill, {left: server_drill.read_comment()}):
        assert left in server_drill.places()
        server_drill.run()
        assert left not in server_drill.places()


def test_databases_of_others_survive_a_drill(server_drill: Drill) -> None:
    comment = server_drill.read_comment()
    others = {
        server_drill.name_database("inspect"): comment,
        server_drill.name_database("0badf00d1"): comment,
        server_drill.name_database("0badf00d"): "",
        server_drill.name_database("00000000"): "Ours",
    }
    with made_databases(server_drill, others):
        assert server_drill.run().exit_code == 0
        assert others.keys() <= server_drill.places()


def test_a_running_drills_database_survives_another(
    server_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def hold_another(
        backup: Path,
        url: str,
        evidence: Path,
        now: datetime,
        *,
        revoke_access: bool,
        master_key: MasterKey,
    ) -> Restored:
        monkeypatch.setattr(restore_drill, "restore_backup", restore_backup)
        server_drill.run()
        found.append(make_url(url).database in server_drill.places())
        return restore_backup(
            backup, url, evidence, now, revoke_access=revoke_access, master_key=master_key
        )

    monkeypatch.setattr(restore_drill, "restore_backup", hold_another)
    server_drill.run()
    assert found == [True]
    assert server_drill.records == [(server_drill.backup.name, True)] * 2


def test_the_check_tells_old_drills(file_drill: Drill) -> None:
    assert findings(file_drill, 0) == []
    file_drill.run()
    assert findings(file_drill, 0) == ["fact"]
    assert findings(file_drill, 41) == ["T216"]


def test_a_later_success_ends_the_finding(file_drill: Drill) -> None:
    with writing(file_drill.kept.cast.engine) as session:
        session.add(RestoreDrill(tried_at=NOW, backup="x", is_proven=False, detail="no"))
    assert findings(file_drill, 0) == ["T215"]
    file_drill.run()
    assert findings(file_drill, 0) == ["fact"]
