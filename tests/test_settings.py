"""Settings are refused when they load, with the key that is wrong."""

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
