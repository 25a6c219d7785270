"""The master key as operators meet it: made once, missed clearly, replaced when it is lost."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.cast import ALICE, NOW
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import open_engine, writing
from tracker.errors import explain_error
from tracker.mail import outbox
from tracker.master_key import MasterKey, MasterKeyError, file_beside


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an installation without a key in its settings has its database."""
    monkeypatch.delenv("TRACKER_MASTER_KEY", raising=False)
    folder = tmp_path / "data"
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{folder / 'tracker.db'}")
    return folder


def put_message(folder: Path) -> None:
    url = f"sqlite:///{folder / 'tracker.db'}"
    engine = open_engine(url, master_key=MasterKey(file=file_beside(url)))
    message = outbox.Message("k", "<k@x>", "notices", None, None, ALICE, "S", b"H: 1\r\n\r\nText")
    with writing(engine) as session:
        outbox.enqueue(session, [message], clock.now())
    engine.dispose()


def test_migrating_creates_the_key_once(folder: Path) -> None:
    made = call("migrate")
    assert f"{folder / 'tracker.key'} was created" in made.output
    key = (folder / "tracker.key").read_text()
    assert (folder / "tracker.key").stat().st_mode & 0o777 == 0o600
    assert "created" not in call("migrate").output
    assert (folder / "tracker.key").read_text() == key


def test_a_backup_does_not_contain_the_key(folder: Path, tmp_path: Path) -> None:
    call("migrate")
    put_message(folder)
    assert call("backup", str(tmp_path / "backups")).exit_code == 0
    key = (folder / "tracker.key").read_bytes().strip()
    files = [file for file in (tmp_path / "backups").rglob("*") if file.is_file()]
    assert files
    assert all(key not in file.read_bytes() for file in files)


def test_a_missing_key_stops_the_command(folder: Path) -> None:
    call("migrate")
    (folder / "tracker.key").unlink()
    error = call("migrate").exception
    assert isinstance(error, MasterKeyError)
    message = explain_error(error)
    assert str(folder / "tracker.key") in message
    assert "--lost-key" in message
    assert not (folder / "tracker.key").exists()
    assert "T213" in call("check").output


@pytest.mark.usefixtures("folder")
def test_a_wrong_key_stops_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    call("migrate")
    monkeypatch.setenv("TRACKER_MASTER_KEY", "not-the-key-of-this-installation-at-all")
    error = call("sessions", "end-all").exception
    assert isinstance(error, MasterKeyError)
    assert "TRACKER_MASTER_KEY is not the master key" in str(error)


def test_a_lost_key_is_replaced(folder: Path) -> None:
    call("migrate")
    put_message(folder)
    (folder / "tracker.key").unlink()
    replaced = call("sessions", "end-all", "--lost-key")
    assert replaced.exit_code == 0
    assert "can't be decrypted without the other one: 1" in replaced.output
    assert "restore" not in replaced.output
    assert (folder / "tracker.key").exists()
    assert "T213" not in call("check").output
    assert "failed" in call("outbox").output


def test_a_restore_without_the_key_makes_a_new_one(folder: Path, tmp_path: Path) -> None:
    call("migrate")
    put_message(folder)
    call("backup", str(tmp_path / "backups"))
    [made] = (tmp_path / "backups").iterdir()
    for file in folder.iterdir():
        file.unlink()
    restored = call("restore", str(made))
    assert restored.exit_code == 0, restored.output
    assert "missing, or not the one of this database" in restored.output
    assert "decrypted without the other one: 1" in restored.output
    assert "put it in place" in restored.output
    assert call("migrate").exit_code == 0


def test_a_restore_with_the_key_keeps_waiting_mail(folder: Path, tmp_path: Path) -> None:
    call("migrate")
    put_message(folder)
    call("backup", str(tmp_path / "backups"))
    [made] = (tmp_path / "backups").iterdir()
    for file in folder.glob("tracker.db*"):
        file.unlink()
    assert "key" not in call("restore", str(made)).output
    url = f"sqlite:///{folder / 'tracker.db'}"
    engine = open_engine(url, master_key=MasterKey(file=file_beside(url)))
    [claimed] = outbox.claim(engine, clock.now(), 10, NOW - NOW)
    assert claimed.body.endswith(b"Text")
    engine.dispose()


def test_another_database_needs_a_set_key(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if empty_database_url.startswith("sqlite"):
        pytest.skip("an SQLite file has a folder for the key")
    monkeypatch.setenv("TRACKER_DATABASE_URL", empty_database_url)
    monkeypatch.delenv("TRACKER_MASTER_KEY")
    error = call("migrate").exception
    assert isinstance(error, MasterKeyError)
    assert "TRACKER_MASTER_KEY_FILE" in str(error)
    monkeypatch.setenv("TRACKER_MASTER_KEY", "too short")
    assert "at least 32 characters" in str(call("migrate").exception)


def test_other_users_must_not_read_the_key(folder: Path) -> None:
    call("migrate")
    (folder / "tracker.key").chmod(0o644)
    assert "T214" in call("check").output
