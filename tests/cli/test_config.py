"""`tracker config` prints what is in force, from where, and no secret."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tracker.cli.main import app
from tracker.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that holds the configuration."""
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    return tmp_path


def printed() -> dict[str, str]:
    """Return each printed line by its setting's name, spaces evened out."""
    done = CliRunner().invoke(app, ["config"])
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    return {line.partition(" = ")[0]: line for line in lines if " = " in line}


@pytest.mark.usefixtures("folder")
def test_every_setting_is_printed() -> None:
    names = {line.partition(".")[0].partition("[")[0] for line in printed()}
    assert names == set(Settings.model_fields)


@pytest.mark.usefixtures("folder")
def test_passwords_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", "postgresql+psycopg://ana:ge:he@im@db/x")
    monkeypatch.setenv("TRACKER_SMTP_URL", "smtps://bo:geheim@mail.example.org?tls=none")
    lines = printed()
    assert lines["database_url"].startswith("database_url = postgresql+psycopg://ana:***@db/x #")
    assert lines["smtp_url"].startswith("smtp_url = smtps://bo:***@mail.example.org?tls=none #")


def test_settings_of_an_association_are_printed_with_their_sources(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tracker.toml").write_text(
        '[associations.CT-AIMH.schedule]\ndigest_on = "friday"\nevaluate_at = 03:00:00\n'
    )
    monkeypatch.setenv(
        "TRACKER_ASSOCIATIONS",
        '{"CT-AIMH": {"schedule": {"digest_on": "thursday"}}, '
        '"NCIMHA": {"mail": {"sender": "NCIMHA <r@nc.example>"}}}',
    )
    own = {name: line for name, line in printed().items() if name.startswith("associations")}
    assert own == {
        "associations.CT-AIMH.schedule.digest_on": (
            "associations.CT-AIMH.schedule.digest_on = thursday # TRACKER_ASSOCIATIONS"
        ),
        "associations.CT-AIMH.schedule.evaluate_at": (
            "associations.CT-AIMH.schedule.evaluate_at = 03:00:00 # tracker.toml"
        ),
        "associations.NCIMHA.mail.sender": (
            "associations.NCIMHA.mail.sender = NCIMHA <r@nc.example> # TRACKER_ASSOCIATIONS"
        ),
    }


@pytest.mark.usefixtures("folder")
def test_a_password_in_a_query_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", "postgresql+psycopg://db/x?user=u&password=geheim")
    assert "password=*** #" in printed()["database_url"]


@pytest.mark.usefixtures("folder")
def test_a_token_is_hidden_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_WEB__METRICS_TOKEN", "geheim-und-lang-genug")
    shown = printed()["web.metrics_token"]
    assert shown == "web.metrics_token = *** # TRACKER_WEB__METRICS_TOKEN"


def test_each_setting_says_where_it_comes_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tracker.toml").write_text('base_url = "http://a"\n[web]\nport = 80\n[mail]\n')
    monkeypatch.setenv("TRACKER_MAIL__CONNECTIONS", "9")
    lines = printed()
    assert lines["base_url"] == "base_url = http://a # tracker.toml"
    assert lines["web.port"] == "web.port = 80 # tracker.toml"
    assert lines["web.host"].endswith("# default")
    assert lines["mail.connections"] == "mail.connections = 9 # TRACKER_MAIL__CONNECTIONS"
    assert lines["mail.sender"].endswith("# default")


def test_a_variable_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tracker.toml").write_text('base_url = "http://file"\n[mail]\nconnections = 2\n')
    monkeypatch.setenv("TRACKER_BASE_URL", "http://variable")
    lines = printed()
    assert lines["base_url"] == "base_url = http://variable # TRACKER_BASE_URL"
    assert lines["mail.connections"] == "mail.connections = 2 # tracker.toml"


def test_each_coordinator_has_a_line(folder: Path) -> None:
    (folder / "tracker.toml").write_text(
        '[[coordinators]]\nemail = "a@b.org"\nname = "Ana"\nassociation = "X"\n'
    )
    line = printed()["coordinators[1]"]
    assert line == "coordinators[1] = email a@b.org, name Ana, association X # tracker.toml"


SECRET_URLS = [
    "smtp://bo:ge heim@mail.example.org:587",
    "smtp://bo:ge/heim@mail.example.org:587",
    "smtp://bo:1/geheim@mail.example.org",
    "smtp://bo:1?geheim@mail.example.org",
    "smtp://bo:1?geheim=x",
    "smtp://bo:1#geheim@mail.example.org",
    "smtp://bo%3Ageheim@mail.example.org",
    "smtp://geheim@mail.example.org",
    "smtp://bo:pw@geheim@mail.example.org",
    "smtp://bo:pw:geheim@mail.example.org",
    "smtp://mail.example.org/bo:geheim",
    "smtp://mail.example.org/?password=geheim",
    "smtp://mail.example.org/?PassWord=geheim",
    "smtp://mail.example.org/?auth=geheim&tls=none",
    "smtp://[::1]:geheim",
    "smtp:bo:geheim@mail.example.org",
    "smtp:/bo:geheim@mail.example.org",
    "smtp:///bo:geheim@mail.example.org",
    " smtp://bo:geheim@mail.example.org",
    "smtp://bo:pw\ngeheim@mail.example.org",
    "smtp://bo:pw\tgeheim@mail.example.org",
    "smtp://bo:pw\\geheim@mail.example.org",
    "smtp://b\u00f6:geheim@mail.example.org",
    "smtp://:geheim@mail.example.org",
    "geheim",
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("variable", ["TRACKER_SMTP_URL", "TRACKER_DATABASE_URL"])
@pytest.mark.parametrize("url", SECRET_URLS)
def test_no_spelling_of_a_url_shows_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.setenv(variable, url)
    assert "geheim" not in CliRunner().invoke(app, ["config"]).output


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/tracker/tracker.db",
        "sqlite:///tracker.db",
        "postgresql+psycopg://db.example.org:5433/x?sslmode=verify-full&sslrootcert=system",
    ],
)
def test_a_url_without_a_secret_is_shown_whole(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    assert printed()["database_url"] == f"database_url = {url} # TRACKER_DATABASE_URL"
