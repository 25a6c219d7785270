"""TLS and login against a real server: what is required is never merely tried."""

import ssl
from functools import partial
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.mail.conftest import Post
from tests.mail.serving import Served
from tests.mail.sink import Sink
from tracker.mail.smtp_connection import ServerAddressError

HERE = Path(__file__).parent / "certificates"
ALICE = "alice@example.org"


class Mailbox:
    """Takes every message, and remembers whether it came over TLS."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], bytes, bool]] = []
        self.logins: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        encrypted = session.ssl is not None
        self.taken.append((envelope.rcpt_tos, envelope.content or b"", encrypted))  # type: ignore[arg-type]
        return "250 taken"

    def log_in(
        self,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _mechanism: str,
        data: LoginPassword,
    ) -> AuthResult:
        self.logins.append(data.login)
        right = (data.login, data.password) == (b"renewals", b"p@ss/word")
        return AuthResult(success=right, handled=False, message=None if right else "535 5.7.8 no")


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "localhost.pem", HERE / "localhost-key.pem")
    return context


def starttls_server(box: Mailbox) -> Served:
    return Served(
        partial(
            SMTP,
            box,
            tls_context=server_context(),
            require_starttls=True,
            auth_required=True,
            authenticator=box.log_in,
            hostname="localhost",
        )
    )


def url(server: Served, login: str = "renewals:p%40ss%2Fword@", ca: str = "localhost.pem") -> str:
    return f"smtp://{login}localhost:{server.port}?ca={HERE / ca}"


def test_mail_leaves_over_starttls_after_login(post: Post) -> None:
    box = Mailbox()
    post.put(ALICE)
    with starttls_server(box) as server:
        assert post.deliver(url(server)).sent == 1
    [(recipients, content, encrypted)] = box.taken
    assert (recipients, encrypted) == ([ALICE], True)
    assert b"Message-ID: <alice@example.org>" in content


def test_a_wrong_password_keeps_the_mail_and_is_not_shown(post: Post) -> None:
    box = Mailbox()
    post.put(ALICE)
    with starttls_server(box) as server:
        report = post.deliver(url(server, "renewals:wrong-one@"))
    assert report.unreachable
    assert "535" in report.problems[0]
    assert "wrong-one" not in report.problems[0]
    assert (post.states(), box.taken) == (["waiting"], [])


def test_a_server_that_wants_a_login_keeps_the_mail(post: Post) -> None:
    box = Mailbox()
    post.put(ALICE)
    with starttls_server(box) as server:
        report = post.deliver(url(server, ""))
    assert report.failed == 0
    assert "530" in report.problems[0]
    assert post.states() == ["waiting"]


def test_a_certificate_that_nobody_vouches_for_is_refused_and_no_password_is_sent(
    post: Post,
) -> None:
    box = Mailbox()
    post.put(ALICE)
    with starttls_server(box) as server:
        report = post.deliver(f"smtp://renewals:p%40ss%2Fword@localhost:{server.port}")
    assert "certificate" in report.problems[0].lower()
    assert report.unreachable
    assert (box.logins, box.taken, post.states()) == ([], [], ["waiting"])


def test_starttls_that_is_not_offered_is_an_error_and_nothing_goes_out_in_clear(
    post: Post,
) -> None:
    post.put(ALICE)
    with Sink() as sink:
        report = post.deliver(f"smtp://localhost:{sink.port}")
        assert sink.commands == ["EHLO"]
    assert "STARTTLS" in report.problems[0]
    assert post.states() == ["waiting"]


def test_smtps_is_encrypted_from_the_first_byte(post: Post) -> None:
    post.put(ALICE)
    with Sink(tls=server_context()) as sink:
        address = f"smtps://localhost:{sink.port}?ca={HERE / 'localhost.pem'}"
        assert post.deliver(address).sent == 1
        assert len(sink.taken) == 1


def test_plain_text_where_tls_is_expected_is_an_error(post: Post) -> None:
    post.wait_for_answers(seconds=1)
    post.put(ALICE)
    with Sink() as sink:
        report = post.deliver(f"smtps://localhost:{sink.port}?ca={HERE / 'localhost.pem'}")
        assert sink.taken == []
    assert report.unreachable
    assert post.states() == ["waiting"]


@pytest.mark.parametrize("content", [None, "not a certificate"], ids=["missing", "broken"])
def test_a_ca_file_that_cannot_be_used_is_named(
    post: Post, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ServerAddressError, match=r"the CA file .*ca\.pem cannot be used"):
        post.deliver(f"smtp://localhost:2525?ca={path}")
