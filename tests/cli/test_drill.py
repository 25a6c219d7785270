"""`tracker restore --drill`: whether the newest backup can be restored, shown and recorded."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner, Result

from tests.support.backups import Kept
from tests.support.cast import NOW, fill
from tracker import clock
from tracker.checks.contents import check_drills
from tracker.checks.environment import Fact
from tracker.cli.main import app
from tracker.db.engine import reading, writing
from tracker.db.operations import RestoreDrill
from tracker.services.backup_files import DATABASE, NOTE, BackupError

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
    yield Drill(kept)
    kept.cast.engine.dispose()


@pytest.fixture
def drill(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    yield from drilling(database_url, tmp_path, monkeypatch)


@pytest.fixture
def file_drill(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    yield from drilling(sqlite_url, tmp_path, monkeypatch)


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


def test_a_folder_without_backups_is_refused(file_drill: Drill, tmp_path: Path) -> None:
    file_drill.backups = tmp_path
    assert isinstance(file_drill.run().exception, BackupError)
    assert file_drill.records == []


def test_what_a_killed_drill_left_is_removed(file_drill: Drill) -> None:
    (file_drill.backups / ".drill-dead").mkdir()
    file_drill.run()
    assert ".drill-dead" not in file_drill.places()


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
