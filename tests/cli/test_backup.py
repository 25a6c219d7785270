"""`tracker backup` and `tracker restore`, as they are called."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.backups import Kept
from tests.support.cast import ALICE, NOW, fill
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.schema_versions import newest_version
from tracker.services.backup_files import BackupError
from tracker.services.browser_sessions import create_browser_session


def test_backup_and_restore_work_as_commands(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = fill(sqlite_url)
    kept = Kept(cast, tmp_path, "")
    kept.prove()
    lost = kept.prove(b"%PDF-1.4 lost")
    (kept.evidence / lost).unlink()
    with writing(cast.engine) as session:
        create_browser_session(session, ALICE, NOW)
    cast.engine.dispose()

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(kept.evidence))
    said = call("backup", str(tmp_path / "backups"))
    (made,) = (tmp_path / "backups").iterdir()
    assert said.startswith(f"{made}: schema {newest_version()}, uploaded files: 2\n")
    assert "missing or damaged in the evidence folder: 1." in said
    with pytest.raises(BackupError, match="is not empty"):
        call("restore", str(made))
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(tmp_path / "new-evidence"))
    for name, options, told in (
        ("new.db", (), ("sessions ended: 1", "Everyone signs in again", "--calendars --tokens")),
        ("as-it-was.db", ("--no-end-sessions",), ("Every session", "works again")),
    ):
        monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / name}")
        said = call("restore", str(made), *options)
        assert "with 2 uploaded files" in said
        assert "missing or damaged: 1 (see `tracker check`)" in said
        assert all(words in said for words in told), said
