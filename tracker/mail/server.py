"""Which mail server, and how: what ``TRACKER_SMTP_URL`` says."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tracker.mail.headers import one_line

Security = Literal["none", "starttls", "tls"]
_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class ServerAddressError(ValueError):
    """``TRACKER_SMTP_URL`` cannot be used; the message says why, and never holds the password."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. ``starttls`` and ``tls`` are required, never merely tried."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None

    def __str__(self) -> str:
        """Host and port, as shown to people; never the password."""
        return f"{self.host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """How the server's certificate is verified; None without TLS. Reads the CA file."""
        if self.security == "none":
            return None
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise ServerAddressError(f"the CA file {self.ca} cannot be used: {error}") from error


def parse_server(url: str) -> Server:
    """Read ``smtp://[user:password@]host[:port]`` or ``smtps://…``, with ``?tls=`` and ``?ca=``.

    ``smtp`` asks for STARTTLS (port 587) unless ``?tls=none`` (port 25); ``smtps`` is TLS from
    the first byte (port 465). Reserved characters in user and password are %-encoded.
    Raises ServerAddressError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Not chained: the parser's own message can quote a piece of the password.
        raise _wrong("the port must be a number up to 65535, the host a name") from None
    if port == 0:
        raise _wrong("the port must be a number from 1 to 65535")
    if not parts.hostname or one_line(parts.hostname) != parts.hostname:
        raise _wrong("it names no host: write smtp://host:port")
    if parts.path.strip("/") or parts.fragment:
        raise _wrong("nothing but ?tls= and ?ca= may follow the host (%-encode a / in a password)")
    options = _options(parts)
    security = _security(parts.scheme, options.get("tls"))
    server = Server(
        host=parts.hostname,
        port=port or _PORTS[security],
        security=security,
        user=_decoded(parts.username),
        password=_decoded(parts.password),
        ca=Path(options["ca"]) if "ca" in options else None,
    )
    _check_login(server)
    return server


def _options(parts: SplitResult) -> dict[str, str]:
    given = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(given) - {"tls", "ca"}):
        raise _wrong(f"unknown option {unknown[0]!r}: only tls and ca are known")
    return {name: values[-1] for name, values in given.items()}


def _security(scheme: str, tls: str | None) -> Security:
    match scheme, tls:
        case "smtps", None:
            return "tls"
        case "smtps", _:
            raise _wrong("smtps is always TLS: leave ?tls= out")
        case "smtp", None | "starttls":
            return "starttls"
        case "smtp", "none":
            return "none"
        case "smtp", _:
            raise _wrong("?tls= must be none or starttls")
    raise _wrong("it must start with smtp:// or smtps://")


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _check_login(server: Server) -> None:
    if (server.user is None) != (server.password is None):
        raise _wrong("a user needs a password, and a password a user")
    if server.user and server.security == "none" and server.host not in _THIS_MACHINE:
        raise _wrong("it would send the password in clear: leave ?tls=none out")


def _wrong(reason: str) -> ServerAddressError:
    return ServerAddressError(f"TRACKER_SMTP_URL: {reason}")
