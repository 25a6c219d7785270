"""Settings are refused when they load, with the key that is wrong."""

import re
from datetime import time
from pathlib import Path

import pytest

from tracker.settings import SettingsError, load_settings

MALFORMED = [
    "",
    "dana",
    "dana@",
    "@nc.example",
    "dana@nc@example",
    "dana @nc.example",
    "Dana <dana@nc.example>",
    "dana@nc.example, erin@nc.example",
    "dana@nc.example\nBcc: x@y.example",
    "dana@nc.example\x00",
    "dana@é..example",
    f"dana@{'é' * 64}.example",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("address", MALFORMED)
def test_a_malformed_coordinator_address_is_refused(folder: Path, address: str) -> None:
    (folder / "tracker.toml").write_text(
        "[[coordinators]]\nname = 'Erin'\nemail = 'erin@nc.example'\nassociation = 'NCIMHA'\n"
        f"[[coordinators]]\nname = 'Dana'\nemail = {_toml(address)}\nassociation = 'NCIMHA'\n"
    )
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith("tracker.toml: coordinators[2].email: ")
    assert "is not an email address" in str(refused.value)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Renewals",
        "Renewals <renewals@>",
        "Renewals <é@x.example\x00>",
        "a@é..example",
        "a@x.example, b@x.example",
        "A <a@x.example>, B <b@x.example>",
    ],
)
def test_a_malformed_sender_is_refused(folder: Path, sender: str) -> None:
    (folder / "tracker.toml").write_text(f"[mail]\nsender = {_toml(sender)}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith("tracker.toml: mail.sender: ")
    assert "Renewals <renewals@your.domain>" in str(refused.value)


@pytest.mark.parametrize(
    "name", ["mail", "mail.ncimha.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"]
)
def test_a_host_name_or_address_introduces_us(folder: Path, name: str) -> None:
    (folder / "tracker.toml").write_text(f"[mail]\nehlo_name = {_toml(name)}\n")
    assert load_settings().mail.ehlo_name == name


@pytest.mark.parametrize("name", ["", "mail server", "192.0.2.1]", "mail_1.x", "a\nb", "https://x"])
def test_an_unusable_ehlo_name_is_refused(folder: Path, name: str) -> None:
    (folder / "tracker.toml").write_text(f"[mail]\nehlo_name = {_toml(name)}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith("tracker.toml: mail.ehlo_name: ")
    assert "mail.your.domain" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/renewals",
        "https://example.org/renewals/",
        "https://example.org/?a",
        "https://example.org#a",
        "https://ann@example.org",
        "https://",
        "https://a b",
        "http://exa mple.org:99999",
        "https://example.org:port",
    ],
)
def test_pages_below_a_path_are_refused(folder: Path, url: str) -> None:
    (folder / "tracker.toml").write_text(f"base_url = {_toml(url)}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith("tracker.toml: base_url: ")
    assert "such as https://renewals.your.domain" in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://example.org:8443", "https://example.org/", "http://[::1]"]
)
def test_a_base_url_with_only_a_host_is_accepted(folder: Path, url: str) -> None:
    (folder / "tracker.toml").write_text(f"base_url = {_toml(url)}\n")
    assert load_settings().base_url == url.rstrip("/")


def test_addresses_outside_ascii_are_accepted(folder: Path) -> None:
    (folder / "tracker.toml").write_text(
        "[mail]\nsender = 'Erneuerungen <post@müller.example>'\n"
        "[[coordinators]]\nname = 'Zoë'\nemail = ' Zoë@Müller.example '\nassociation = 'NCIMHA'\n"
    )
    [coordinator] = load_settings().coordinators
    assert coordinator.email == "zoë@müller.example"


def _toml(text: str) -> str:
    escaped = text.replace("\n", "\\n").replace("\x00", "\\u0000")
    return f'"{escaped}"'


def test_an_association_has_its_own_times_and_sender(folder: Path) -> None:
    (folder / "tracker.toml").write_text(
        """
        [schedule]
        digest_on = "tuesday"
        digest_at = 10:00:00
        [mail]
        sender = "Renewals <r@example.org>"
        connections = 7
        [associations.NCIMHA.schedule]
        digest_on = "friday"
        [associations.NCIMHA.mail]
        sender = "NCIMHA <r@nc.example>"
        """
    )
    settings = load_settings()
    own, other = settings.schedule_of("NCIMHA"), settings.schedule_of("CT-AIMH")
    assert (own.digest_on, own.digest_at) == ("friday", time(10))
    assert (other.digest_on, other.digest_at) == ("tuesday", time(10))
    mail = settings.mail_of("NCIMHA")
    assert (mail.sender, mail.connections) == ("NCIMHA <r@nc.example>", 7)
    assert settings.mail_of("CT-AIMH") == settings.mail_of(None) == settings.mail


def test_the_environment_wins_over_the_file_value_by_value(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tracker.toml").write_text(
        '[associations.NCIMHA.schedule]\ndigest_on = "friday"\ndigest_at = 09:00:00\n'
    )
    monkeypatch.setenv(
        "TRACKER_ASSOCIATIONS", '{"NCIMHA": {"schedule": {"digest_on": "thursday"}}}'
    )
    # The installation's own value, wherever it is set, gives way to the association's.
    monkeypatch.setenv("TRACKER_SCHEDULE__DIGEST_AT", "06:00:00")
    own = load_settings().schedule_of("NCIMHA")
    assert (own.digest_on, own.digest_at) == ("thursday", time(9))


@pytest.mark.parametrize("time_of_day", ["8", "8.5", '"8"', '"8 am"', '"08:00Z"', "true"])
@pytest.mark.parametrize("table", ["schedule", "associations.NCIMHA.schedule"])
def test_a_time_of_day_is_written_as_one(folder: Path, table: str, time_of_day: str) -> None:
    (folder / "tracker.toml").write_text(f"[{table}]\ndigest_at = {time_of_day}\n")
    words = rf"{re.escape(table)}\.digest_at: write the time of day as 07:30:00"
    with pytest.raises(SettingsError, match=words):
        load_settings()


@pytest.mark.parametrize("day", ["0", "20260131", "true", '"soon"'])
def test_a_day_is_written_as_one(folder: Path, day: str) -> None:
    (folder / "tracker.toml").write_text(f"[judge_renewals_due_from]\nNCIMHA = {day}\n")
    with pytest.raises(SettingsError, match=r"tracker\.toml: judge_renewals_due_from\.NCIMHA: "):
        load_settings()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("time_of_day", ["09:30", "09:30:00"])
def test_a_variable_can_have_a_time_of_day(
    monkeypatch: pytest.MonkeyPatch, time_of_day: str
) -> None:
    monkeypatch.setenv("TRACKER_SCHEDULE__DIGEST_AT", time_of_day)
    assert load_settings().schedule.digest_at == time(9, 30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[web]\nport = "eighty"', "web.port: must be a whole number"),
        ("[web]\nport = 80.5", "web.port: must be a whole number"),
        ('[web]\njobs = "maybe"', "web.jobs: must be true or false"),
        ("[web]\nhost = 7", "web.host: must be text in quotes"),
        ('web = "yes"', "web: must be a table"),
        ("[schedule]\ntick_seconds = 1", "tick_seconds: must be greater than or equal to 5"),
        ('[schedule]\ndigest_on = "mon"', "digest_on: must be 'monday', 'tuesday'"),
        ("[web]\nprot = 80", "web.prot: is no setting. config/README.md has a list of them"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(
    folder: Path, text: str, words: str
) -> None:
    (folder / "tracker.toml").write_text(text)
    with pytest.raises(SettingsError, match=re.escape(words)):
        load_settings()


@pytest.mark.usefixtures("folder")
def test_an_error_within_a_variable_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    people = '[{"name": "Dana", "email": "d@nc.example", "association": "NCIMHA"}, {"nme": "Eve"}]'
    monkeypatch.setenv("TRACKER_COORDINATORS", people)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    lines = str(refused.value).splitlines()
    assert "TRACKER_COORDINATORS [2].email: is missing" in lines
    assert (
        "TRACKER_COORDINATORS [2].nme: is no setting. config/README.md has a list of them" in lines
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[associations.NCIMHA.schedule]\ntick_seconds = 9", "NCIMHA.schedule.tick_seconds"),
        ("[associations.NCIMHA.mail]\nconnections = 9", "NCIMHA.mail.connections"),
        ('[associations.NCIMHA.mail]\nsender = "nobody"', "NCIMHA.mail.sender"),
        ("[associations.NCIMHA.web]\nport = 9", "NCIMHA.web"),
    ],
)
def test_what_an_association_cannot_set_is_refused(folder: Path, text: str, place: str) -> None:
    (folder / "tracker.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"tracker\.toml: associations\.{place}: "):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKER_WEB__TRUSTED_PROXIES", "10.0.0.1"),
        ("TRACKER_COORDINATORS", "dana@nc.example"),
        ("TRACKER_WEB", "port=80"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_variable_that_is_not_json_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: write the value as JSON") as refused:
        load_settings()
    assert value not in str(refused.value)


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    ("name", "kind"), [("EVIDENCE_DIR", "folder"), ("MASTER_KEY_FILE", "file")]
)
@pytest.mark.usefixtures("folder")
def test_an_empty_path_is_refused(
    name: str, kind: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACKER_MASTER_KEY", raising=False)
    monkeypatch.setenv(f"TRACKER_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == (
        f"TRACKER_{name}: must name a {kind}. Leave the setting out if there is none"
    )


def test_an_empty_logo_is_refused(folder: Path) -> None:
    (folder / "tracker.toml").write_text(
        '[associations.NCIMHA.branding]\nname = "NCIMHA"\nlogo = ""\n'
    )
    with pytest.raises(SettingsError, match=r"branding\.logo: must name a file\. Leave"):
        load_settings()
