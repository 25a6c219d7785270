"""Every secret setting can be in a file that a variable `…_FILE` names."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from typer.testing import CliRunner

from tracker.checks.environment import check_variables
from tracker.cli.main import app
from tracker.secret_files import list_file_variables
from tracker.settings import SECRET_FILES, Settings, SettingsError, load_settings

SECRET = "smtp://bo:geheim-und-lang@mail.example.org"
# In the form of the one secret that has to have one.
ANY_SECRET = "postgresql://a-secret-of-many-characters"
VARIABLE = "TRACKER_SMTP_URL_FILE"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that holds the configuration."""
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    return tmp_path


def write(folder: Path, content: str | bytes) -> str:
    file = folder / "secret"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def refusal() -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "geheim" not in str(refused.value)
    return str(refused.value)


def secrets_of(
    schema: dict[str, Any], part: dict[str, Any], path: tuple[str, ...] = ()
) -> set[str]:
    """The paths of secrets, as pydantic's JSON schema marks them."""
    found = set()
    for name, kind in part.get("properties", {}).items():
        for each in (kind, *kind.get("anyOf", [])):
            if each.get("format") == "password":
                found.add("__".join((*path, name)).upper())
            if reference := each.get("$ref"):
                table = schema["$defs"][reference.rpartition("/")[2]]
                found |= secrets_of(schema, table, (*path, name))
    return found


def test_every_secret_has_a_variable_for_its_file() -> None:
    schema = Settings.model_json_schema()
    names = {f"TRACKER_{name}_FILE" for name in secrets_of(schema, schema)}
    assert names == {*SECRET_FILES.values(), "TRACKER_MASTER_KEY_FILE"}
    assert {"TRACKER_DATABASE_URL_FILE", "TRACKER_WEB__METRICS_TOKEN_FILE"} < names


def test_secrets_of_later_tables_are_found() -> None:
    class Deep(BaseModel):
        key: SecretStr | None = None
        name: str = ""

    class Later(BaseModel):
        deep: Deep = Deep()
        token: SecretStr = SecretStr("")
        token_file: Path | None = None

    assert dict(list_file_variables(Later, "X_")) == {("deep", "key"): "X_DEEP__KEY_FILE"}


@pytest.mark.parametrize("path", list(SECRET_FILES), ids=".".join)
def test_a_secret_is_read_from_its_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    monkeypatch.setenv(SECRET_FILES[path], write(folder, f"{ANY_SECRET}\n"))
    setting: Any = load_settings()
    for step in path:
        setting = getattr(setting, step)
    assert setting.get_secret_value() == ANY_SECRET


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_end_of_the_line_is_no_part_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv(VARIABLE, write(folder, SECRET + end))
    assert load_settings().smtp_url.get_secret_value() == SECRET


def test_the_file_wins_over_the_toml_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tracker.toml").write_text('smtp_url = "smtp://x"\n[web]\nport = 81\n')
    monkeypatch.setenv(VARIABLE, write(folder, SECRET))
    monkeypatch.setenv("TRACKER_WEB__METRICS_TOKEN_FILE", write(folder, SECRET))
    settings = load_settings()
    assert settings.smtp_url.get_secret_value() == SECRET
    # The rest of its table stays what the file says.
    assert settings.web.port == 81


@pytest.mark.parametrize("name", ["SMTP_URL", "WEB__METRICS_TOKEN", "MASTER_KEY"])
def test_a_secret_that_is_set_twice_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"TRACKER_{name}_FILE", write(folder, "geheim" * 9))
    monkeypatch.setenv(f"TRACKER_{name}", "geheim" * 9)
    expected = f"TRACKER_{name}_FILE: TRACKER_{name} is set, too. Remove one of them"
    assert refusal() == expected


def test_an_empty_variable_counts_as_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", "")
    monkeypatch.setenv("TRACKER_DATABASE_URL_FILE", write(folder, "sqlite:///x.db"))
    monkeypatch.setenv(VARIABLE, "")
    settings = load_settings()
    assert settings.database_url.get_secret_value() == "sqlite:///x.db"
    assert settings.smtp_url.get_secret_value() == "smtp://127.0.0.1:25"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("geheim\ngeheim\n", "in one line"),
        (b"geheim\xff", "not a text in UTF-8"),
        ("geheim" * 20_000, "longer than any secret"),
    ],
)
def test_a_file_without_one_secret_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes, reason: str
) -> None:
    name = write(folder, content)
    monkeypatch.setenv(VARIABLE, name)
    message = refusal()
    assert message.startswith(f"{VARIABLE}: the file {name} ")
    assert reason in message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("secret/x", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    write(folder, SECRET)
    monkeypatch.setenv(VARIABLE, str(folder / name))
    message = refusal()
    assert message.startswith(f"{VARIABLE}: the file {folder / name} can't be read ({reason}).")


def test_a_file_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv(VARIABLE, write(folder, SECRET))
    # Root, as whom tests may run, can read everything.
    monkeypatch.setattr("tracker.secret_files.Path.open", refuse)
    assert "can't be read (Permission denied). Name a file that this user may read" in refusal()


def test_a_wrong_secret_is_named_by_its_file_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_WEB__METRICS_TOKEN_FILE", write(folder, "geheim"))
    monkeypatch.setenv(VARIABLE, str(folder / "missing"))
    first, second = refusal().splitlines()
    assert first.startswith(VARIABLE)
    assert second.startswith("TRACKER_WEB__METRICS_TOKEN_FILE: must have 16 characters")


def test_config_names_the_variable_and_hides_the_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, write(folder, SECRET))
    [line] = [
        " ".join(line.split())
        for line in CliRunner().invoke(app, ["config"]).stdout.splitlines()
        if line.startswith("smtp_url")
    ]
    assert line == f"smtp_url = smtp://bo:***@mail.example.org # {VARIABLE}"


def test_config_names_no_empty_variable_as_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACKER_SMTP_URL_FILE", "")
    result = CliRunner().invoke(app, ["config"])
    [line] = [line for line in result.output.splitlines() if line.startswith("smtp_url")]
    assert line.endswith("# default")


def test_check_knows_the_variables_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in SECRET_FILES.values():
        monkeypatch.setenv(variable, "/x")
    assert list(check_variables()) == []
