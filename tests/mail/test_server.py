"""Reading TRACKER_SMTP_URL."""

from pathlib import Path

import pytest

from tracker.mail.smtp_connection import Server, ServerAddressError, parse_server


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", Server("mail.example.org", 587, "starttls")),
        ("smtp://mail.example.org:2525", Server("mail.example.org", 2525, "starttls")),
        ("smtp://mail.example.org?tls=starttls", Server("mail.example.org", 587, "starttls")),
        ("smtp://127.0.0.1?tls=none", Server("127.0.0.1", 25, "none")),
        ("smtps://mail.example.org/", Server("mail.example.org", 465, "tls")),
        ("smtp://[::1]:2525?tls=none", Server("::1", 2525, "none")),
        ("smtp://a:b@localhost?tls=none", Server("localhost", 25, "none", "a", "b")),
        (
            "smtps://me%40example.org:p%40ss%2Fword@mail.example.org?ca=/etc/ca.pem",
            Server(
                "mail.example.org", 465, "tls", "me@example.org", "p@ss/word", Path("/etc/ca.pem")
            ),
        ),
    ],
)
def test_an_address_says_host_port_encryption_and_login(url: str, server: Server) -> None:
    assert parse_server(url) == server


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must start with smtp:// or smtps://|names no host"),
        ("mail.example.org:25", "names no host"),
        ("http://mail.example.org", "must start with smtp:// or smtps://"),
        ("smtp://", "names no host"),
        ("smtp://mail.example.org:smtp", "the port must be a number"),
        ("smtp://mail.example.org:99999", "the port must be a number"),
        ("smtp://mail.example.org:0", "the port must be a number"),
        ("smtp://[::1", "the host a name"),
        ("smtp://mail.example.org?tls=maybe", r"\?tls= must be none or starttls"),
        ("smtps://mail.example.org?tls=none", "smtps is always TLS"),
        ("smtp://mail.example.org?ssl=on", "unknown option 'ssl'"),
        ("smtp://mail.example.org/inbox", "may follow the host"),
        ("smtp://me@mail.example.org", "a user needs a password"),
        ("smtp://me:hush@mail.example.org?tls=none", "send the password in clear"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url: str, reason: str) -> None:
    with pytest.raises(ServerAddressError, match=reason):
        parse_server(url)


@pytest.mark.parametrize(
    "url",
    ["smtp://me:hush/hush@mail.example.org", "smtp://me:hush@mail.example.org:x?tls=none"],
)
def test_the_password_is_in_no_error_and_no_printout(url: str) -> None:
    with pytest.raises(ServerAddressError) as error:
        parse_server(url)
    assert "hush" not in f"{error.value} {error.value.__cause__}"
    shown = parse_server("smtps://me:hush@mail.example.org")
    assert "hush" not in f"{shown!r} {shown}"
