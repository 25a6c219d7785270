"""What people read when something is theirs to mend, and that nothing else is hidden."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from tracker.cli.context import ensure_schema
from tracker.db.engine import open_engine
from tracker.db.errors import SchemaError
from tracker.db.schema import schema_version
from tracker.errors import UserError, explain_error
from tracker.mail.smtp_connection import parse_server
from tracker.rulebooks import load_rulebooks
from tracker.settings import load_settings

WAYS = (["-m", "tracker"], ["-m", "tracker.cli.main"])
MAIN = "from tracker.cli.main import main; main()"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))


def told(action: object, *arguments: object) -> str:
    """Return what is printed when the action fails."""
    assert callable(action)
    try:
        action(*arguments)
    except Exception as error:  # noqa: BLE001 - explain_error raises our own bugs again
        return explain_error(error)
    raise AssertionError("nothing failed")


def test_a_wrong_variable_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_MAIL__CONNECTIONS", "900")
    message = told(load_settings)
    assert "TRACKER_MAIL__CONNECTIONS: must be less than or equal to 50" in message


def test_a_wrong_key_is_named_by_position(tmp_path: Path) -> None:
    (tmp_path / "tracker.toml").write_text('[[coordinators]]\nemail = "a@b.org"\nname = "A"\n')
    assert "tracker.toml: coordinators[1].association: is missing" in told(load_settings)


def test_all_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "tracker.toml").write_text('base_url = "x"\nwords = 1\n[web]\nport = 0\n')
    message = told(load_settings)
    for key in ("base_url", "words", "web.port"):
        assert f"tracker.toml: {key}: " in message


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tracker.toml").write_text("base_url = \n")
    assert "tracker.toml" in told(load_settings)
    assert "line 1" in told(load_settings)


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "tracker.toml").write_bytes(b'base_url = "http://\xe9"\n')
    assert "utf-8" in told(load_settings)


def test_a_broken_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_COORDINATORS", "me")
    assert "TRACKER_COORDINATORS: write the value as JSON" in told(load_settings)


def test_a_wrong_metrics_token_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACKER_WEB__METRICS_TOKEN", "geheim")
    message = told(load_settings)
    assert "TRACKER_WEB__METRICS_TOKEN: must have 16 characters at least, of letters" in message
    assert "`openssl rand -hex 24` makes one" in message
    assert "geheim" not in message


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_SMTP_URL", '{"geheim": 1}')
    monkeypatch.setenv("TRACKER_BASE_URL", "geheim")
    assert "geheim" not in told(load_settings)


def test_wrong_rulebooks_are_listed(tmp_path: Path) -> None:
    message = told(load_rulebooks, tmp_path)
    assert message.startswith("The rulebooks have errors:\n")
    assert "  organizations.toml: " in message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://u:geheim@127.0.0.1:1/x", "Is the server running"),
        ("postgresql+psycopg://127.0.0.1:1/x?user=u&password=geheim", "Is the server running"),
        ("sqlite:////nowhere/at/all/tracker.db", "The folder must exist"),
        (f"sqlite:///{Path(__file__)}", "damaged or not SQLite"),
    ],
)
def test_an_unusable_database_is_told_without_its_password(url: str, said: str) -> None:
    message = told(schema_version, url)
    assert message.startswith("The database can't be used: ")
    assert said in message
    assert "geheim" not in message


@pytest.mark.parametrize("url", ["nonsense", "dragon://u:geheim@h/x", "mysql://u:geheim@h/x"])
def test_a_wrong_database_url_is_explained(url: str) -> None:
    message = told(open_engine, url)
    assert "TRACKER_DATABASE_URL can't be used" in message
    assert "sqlite:////var/lib/" in message
    assert "geheim" not in message


@pytest.mark.parametrize(
    "url", ["postgres://u:geheim@h/x", "sqlite://t.db", "mysql://u:geheim@h/x", "sqlite:///", ""]
)
def test_settings_say_how_a_database_url_is_written(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    message = told(load_settings)
    assert "TRACKER_DATABASE_URL: write it as sqlite:////var/lib/tracker/tracker.db or" in message
    assert "geheim" not in message


def test_a_foreign_database_is_refused_in_words(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id INTEGER)")
    engine.dispose()
    assert "tables of another program" in told(ensure_schema, empty_database_url)


def test_a_missing_table_says_what_to_run(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        message = told(connection.exec_driver_sql, "SELECT * FROM person")
    engine.dispose()
    assert "tracker migrate" in message


def test_a_wrong_mail_server_address_is_told() -> None:
    assert "TRACKER_SMTP_URL" in told(parse_server, "http://u:geheim@h")
    assert "geheim" not in told(parse_server, "http://u:geheim@h")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("ours"),
        KeyError("ours"),
        IntegrityError("INSERT", {}, ValueError("UNIQUE")),
        ProgrammingError("SELEKT", {}, ValueError("syntax error")),
        ModuleNotFoundError("No module named 'x'"),
    ],
)
def test_a_fault_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        explain_error(error)
    assert raised.value is error


def test_a_locked_database_is_told() -> None:
    assert "Another program" in explain_error(
        OperationalError("S", {}, ValueError("database is locked"))
    )


def test_a_message_ends_its_line() -> None:
    assert (
        explain_error(SchemaError("two\nlines")) == "The database can't be used:\n  two\n  lines\n"
    )


def test_an_error_starts_with_its_heading() -> None:
    assert explain_error(UserError("x")) == "That can't be done:\n  x\n"


def test_a_command_that_fails_prints_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "config"],
        env={"TRACKER_WEB__PORT": "0", "TRACKER_CONFIG_DIR": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "TRACKER_WEB__PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_no_heavy_package() -> None:
    code = "import sys; sys.argv = ['tracker', '--help']\ntry:\n import tracker.cli.main\n"
    code += " tracker.cli.main.main()\nexcept SystemExit:\n print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Usage" in done.stdout
    heavy = {"sqlalchemy", "pydantic", "fastapi", "jinja2", "rich.table", "alembic"}
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("way", WAYS)
def test_the_program_also_runs_as_a_module(way: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *way, "--help"], check=True, capture_output=True, text=True
    )
    assert "standing" in done.stdout
