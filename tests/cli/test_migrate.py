"""`tracker migrate` says from which to which schema, and harms nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tracker.cli.main import app
from tracker.db.engine import open_engine
from tracker.db.errors import SchemaError
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version


def migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Return the outcome of the command on the database at ``url``."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    return CliRunner().invoke(app, ["migrate"])


def test_an_empty_database_gets_the_newest_schema(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = migrated(empty_database_url, monkeypatch)
    assert done.exit_code == 0
    assert f"from an empty database to schema {newest_version()}" in done.stdout
    assert schema_version(empty_database_url) == newest_version()


def test_a_current_database_is_left_alone(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = migrated(database_url, monkeypatch)
    assert done.exit_code == 0
    assert "Nothing to do" in done.stdout


@pytest.mark.parametrize(
    "command",
    [["standing"], ["deliver"], ["import", "--undo", "1"], ["maintenance", "on"]],
    ids=" ".join,
)
def test_a_mistyped_path_makes_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    file = tmp_path / "data" / "mistyped.db"
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{file}")
    called = CliRunner().invoke(app, command)
    assert called.exit_code == 1
    assert str(called.exception).startswith(f"there is no database at {file}.")
    assert not file.parent.exists()


def test_an_empty_server_database_is_refused_too(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", empty_database_url)
    called = CliRunner().invoke(app, ["standing"])
    assert isinstance(called.exception, SchemaError)
    assert "`tracker migrate` makes its tables" in str(called.exception)
    assert schema_version(empty_database_url) is None


def test_run_due_begins_a_new_installation(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", empty_database_url)
    assert CliRunner().invoke(app, ["run-due"]).exit_code == 0
    assert schema_version(empty_database_url) == newest_version()


@pytest.mark.parametrize("command", ["migrate", "serve", "upgrade", "check"])
def test_a_newer_schema_takes_a_newer_program(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    engine = open_engine(sqlite_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    options = [str(tmp_path / "backups")] if command == "upgrade" else []
    done = CliRunner().invoke(app, [command, *options])
    said = f"{done.stdout}{done.exception}"
    assert done.exit_code == 1
    assert "Install that version" in said
    assert "Run `tracker upgrade`" not in said
    assert schema_version(sqlite_url) == "9999"


def test_another_programs_tables_are_never_touched(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id INTEGER)")
    engine.dispose()
    assert isinstance(migrated(empty_database_url, monkeypatch).exception, SchemaError)
    with pytest.raises(SchemaError):
        schema_version(empty_database_url)


def test_a_missing_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'tracker.db'}"
    assert migrated(url, monkeypatch).exit_code == 0
    assert schema_version(url) == newest_version()
