"""`tracker upgrade`: whole, or as if it had never begun."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from tests.faults.kill_upgrade import run
from tests.support.databases import postgres_database, sqlalchemy_url
from tests.support.old_schema import FILLED_VERSION, fill_older, read_rows
from tracker.cli.context import open_database
from tracker.cli.main import app
from tracker.db.engine import open_engine, writing
from tracker.db.in_use import InUse, using, using_alone
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version
from tracker.services.backup_files import BackupError
from tracker.services.upgrade import UpgradeError
from tracker.settings import load_settings

pytestmark = pytest.mark.usefixtures("programs")


class Upgrade:
    """An installation that an older program left, and the command."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.backups = folder / "backups"
        self.rows = read_rows(url)

    def run(self, *options: str) -> str:
        """What the command prints; its error is raised."""
        words = options or (str(self.backups),)
        done = CliRunner().invoke(app, ["upgrade", *words], catch_exceptions=False)
        return done.stdout

    def fail(self, error: type[Exception], *options: str) -> str:
        """The message of the command that fails and leaves everything as it was."""
        with pytest.raises(error) as raised:
            self.run(*options)
        assert schema_version(self.url) == FILLED_VERSION
        assert read_rows(self.url) == self.rows
        return str(raised.value)


@pytest.fixture
def older(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    url = fill_older(empty_database_url, tmp_path)
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    return Upgrade(url, tmp_path)


@pytest.fixture
def older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    url = fill_older("sqlite", tmp_path)
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    return Upgrade(url, tmp_path)


def test_an_older_database_is_backed_up_and_upgraded(older: Upgrade) -> None:
    printed = older.run()
    (backup,) = older.backups.iterdir()
    assert f"Backup: {backup}" in printed
    assert f"from schema {FILLED_VERSION} to {newest_version()}" in printed
    assert len(read_rows(older.url)["entry"]) == len(older.rows["entry"])
    assert "Nothing to do" in older.run()
    assert [*older.backups.iterdir()] == [backup]


def test_a_failed_check_takes_the_upgrade_back(older: Upgrade) -> None:
    engine = open_engine(older.url)
    with writing(engine) as session:
        session.connection().execute(text("UPDATE endorsement SET category = 'NONE'"))
    engine.dispose()
    older.rows = read_rows(older.url)
    message = older.fail(UpgradeError)
    (backup,) = older.backups.iterdir()
    assert "T402" in message
    assert f"as it was before, with schema {FILLED_VERSION}" in message
    assert f"The backup from before is {backup}" in message


def test_rows_that_a_migration_refuses_stay_as_they_are(older_file: Upgrade) -> None:
    file = older_file.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE entry SET person_id = 999999")
        connection.commit()
    older_file.rows = read_rows(older_file.url)
    assert "is as it was before" in older_file.fail(UpgradeError, "--no-backup")


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_changes_nothing(older_file: Upgrade) -> None:
    size = Path(older_file.url.removeprefix("sqlite:///")).stat().st_size
    with disk_full_after(size + 8192):
        older_file.fail(UpgradeError)
    with disk_full_after(size - 8192):
        older_file.fail(BackupError)
    assert "Upgraded" in older_file.run("--no-backup")


def test_a_database_in_use_is_not_upgraded(older: Upgrade) -> None:
    with ExitStack() as stack:
        if older.url.startswith("sqlite"):
            stack.enter_context(using(older.url))
        else:
            engine = open_engine(older.url)
            stack.callback(engine.dispose)
            stack.enter_context(engine.connect())
        assert "tracker serve" in older.fail(InUse)
    assert not older.backups.exists()


def test_two_upgrades_never_run_at_once(older: Upgrade) -> None:
    with using_alone(older.url):
        older.fail(InUse)


def test_nothing_starts_during_an_upgrade(older_file: Upgrade) -> None:
    with (
        using_alone(older_file.url),
        pytest.raises(InUse, match="being upgraded"),
        open_database(load_settings()),
    ):
        pass


def test_without_pg_dump_the_message_says_so(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_database(postgres_url) as name:
        older = Upgrade(fill_older(sqlalchemy_url(postgres_url, name), tmp_path), tmp_path)
        monkeypatch.setenv("TRACKER_DATABASE_URL", older.url)
        monkeypatch.setenv("PATH", "/nowhere")
        message = older.fail(BackupError)
        assert "pg_dump is not installed" in message
        assert "--no-backup" in message
        assert "Upgraded" in older.run("--no-backup")


def test_a_backup_folder_or_its_absence_is_named() -> None:
    assert CliRunner().invoke(app, ["upgrade"]).exit_code == 2
    assert CliRunner().invoke(app, ["upgrade", "x", "--no-backup"]).exit_code == 2


@pytest.mark.usefixtures("durable_sqlite")
def test_a_killed_upgrade_is_whole_when_repeated(older: Upgrade) -> None:
    tally = run(older.url, kills=1, seed=1)
    assert (tally.kills, tally.torn, tally.differs) == (1, 0, 0)
