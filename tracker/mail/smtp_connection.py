"""The mail server: its address in ``TRACKER_SMTP_URL``, one connection to it, and its answers."""

import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPStatus
from aiosmtplib.errors import (
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPTimeoutError,
)

from tracker.addresses import ascii_domain, is_address
from tracker.errors import UserError
from tracker.mail.compose import find_sender, one_line
from tracker.mail.outbox import Claimed
from tracker.settings import Mail

Security = Literal["none", "starttls", "tls"]
_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class ServerAddressError(UserError):
    """``TRACKER_SMTP_URL`` cannot be used; the message says why, and never holds the password."""

    heading = "The mail server can't be used:"


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


# Minutes to the next attempt, by attempts made; after the last it stays hourly. No jitter:
# one outbox is drained by few senders, and a schedule that can be foretold can be tested.
_BACKOFF_MINUTES = (1, 2, 5, 15, 30, 60)
# The server's trouble is not a message's: once it is over, everything leaves at once. So waiting
# messages are tried again soon; a run stops at the first connections that fail.
_AFTER_SERVER_TROUBLE = timedelta(minutes=1)


class Fate(Enum):
    """What becomes of a message after an attempt."""

    SENT = auto()
    """The server took it."""
    AGAIN = auto()
    """Refused for now (4xx), or the connection broke."""
    REFUSED = auto()
    """Refused for good (5xx)."""
    RECIPIENT_REFUSED = auto()
    """Refused for good, for the recipient's sake."""


class SendResult(NamedTuple):
    """One message's fate and what the server said, stage first ("RCPT: 550 no such mailbox").

    ``broken`` says that the connection is of no more use.
    """

    fate: Fate
    reason: str = ""
    broken: bool = False


@dataclass(eq=False)
class ServerFaultError(Exception):
    """The server cannot be worked with at all, whatever the message.

    ``configuration``: it will stay so until somebody changes a setting (login, certificate, TLS).
    ``hint`` says which setting that is, if it is known.
    """

    reason: str
    configuration: bool
    hint: str = ""

    def __str__(self) -> str:
        """The reason and the hint, as shown to people."""
        return f"{self.reason}. {self.hint}" if self.hint else self.reason


class Settlement(NamedTuple):
    """What is to be written about a message: sent, failed for good, or waiting until then."""

    message: Claimed
    fate: Fate
    reason: str
    at: datetime
    next_attempt_at: datetime | None = None
    tried: bool = True


def settle(
    message: Claimed, outcome: SendResult, now: datetime, give_up_after: timedelta
) -> Settlement:
    """What follows from an attempt: another one after 1, 2, 5, 15, 30, 60, 60 … minutes.

    A message that was written ``give_up_after`` ago or earlier is not tried again.
    """
    if outcome.fate is not Fate.AGAIN:
        return Settlement(message, outcome.fate, outcome.reason, now)
    if now - message.created_at >= give_up_after:
        return _given_up(message, outcome.reason, now, give_up_after)
    steps = len(_BACKOFF_MINUTES)
    pause = timedelta(minutes=_BACKOFF_MINUTES[min(message.attempts, steps) - 1])
    return Settlement(message, Fate.AGAIN, outcome.reason, now, now + pause)


def put_back(
    message: Claimed, trouble: ServerFaultError, now: datetime, give_up_after: timedelta
) -> Settlement:
    """What follows from a server's trouble for a message that was not tried: a minute's pause.

    A fault in the configuration keeps every message, however old: it is not theirs.
    """
    if not trouble.configuration and now - message.created_at >= give_up_after:
        return _given_up(message, trouble.reason, now, give_up_after)
    again = now + _AFTER_SERVER_TROUBLE
    return Settlement(message, Fate.AGAIN, trouble.reason, now, again, tried=False)


def _given_up(message: Claimed, reason: str, now: datetime, give_up_after: timedelta) -> Settlement:
    hours = give_up_after // timedelta(hours=1)
    return Settlement(message, Fate.REFUSED, f"given up after {hours} hours; last: {reason}", now)


_CLOSING = 421
# Said to MAIL by servers that want a login or encryption first: a setting is wrong, no message.
_LOGIN_WANTED = {530, 534, 535, 538}
# Servers that reject how we introduced ourselves often say so only to MAIL or RCPT: "504 5.5.2
# <localhost>: Helo command rejected: need fully-qualified hostname".
_ABOUT_OUR_NAME = re.compile(r"(?<![\w@.<+-])(?:helo|ehlo)(?![\w@.+-])", re.IGNORECASE)


class Connection:
    """Speaks to ``server`` under the name, and with the patience, of ``mail``.

    A message leaves as from ``return_path`` of it or else from the address in its From; ``mail``
    has that of messages without one. Opened by ``open``, which may be called again after a fault.
    """

    return_path: Callable[[Claimed], str | None] | None = None

    def __init__(self, server: Server, context: ssl.SSLContext | None, mail: Mail) -> None:
        self._server = server
        self._sender = mail.sender_mailbox.address
        self._timeout = mail.timeout_seconds
        self._ehlo_name = mail.ehlo_name or _find_own_name()
        self._client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.security == "tls",
            # Never None: that would fall back to plain text.
            start_tls=server.security == "starttls",
            tls_context=context,
            timeout=self._timeout,
            local_hostname=self._ehlo_name,
        )

    @property
    def _name_hint(self) -> str:
        return (
            f"The server rejects the name {self._ehlo_name}, with which we introduce ourselves. "
            "Set mail.ehlo_name (TRACKER_MAIL__EHLO_NAME) to this machine's full name in the DNS"
        )

    @property
    def is_open(self) -> bool:
        """Whether a message may be sent without opening first."""
        return self._client.is_connected

    async def open(self) -> None:
        """Connect, encrypt, log in. Raises ServerFaultError; nothing is then left open."""
        try:
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                try:
                    await self._client.ehlo()
                except SMTPHeloError:
                    if not self._client.is_connected:
                        raise
                    await self._client.helo()
        except (SMTPException, OSError) as error:
            self._client.close()
            trouble = _trouble(error, self._server, self._timeout)
            if isinstance(error, SMTPHeloError):
                trouble.hint = self._name_hint
            raise trouble from error

    async def send(
        self, message: Claimed, before_body: Callable[[], Awaitable[None]]
    ) -> SendResult:
        """Send one message; ``before_body`` is awaited once the server has taken the envelope.

        Raises ServerFaultError when the answer tells of the server and not of the message.
        """
        if not is_address(message.recipient):
            return SendResult(Fate.RECIPIENT_REFUSED, "not an email address")
        recipient = ascii_domain(message.recipient)
        if not recipient.isascii() and not self._client.supports_extension("smtputf8"):
            reason = "the mail server takes no address beyond ASCII (it lacks SMTPUTF8)"
            return SendResult(Fate.RECIPIENT_REFUSED, reason)
        refused = await self._attempt("envelope", self._envelope(recipient, message))
        if refused is None:
            await before_body()
            # No answer after the final dot is ambiguous: the server may have the message. It is
            # sent again, with the same Message-ID and bytes: twice is better than never.
            refused = await self._attempt("content", self._client.data(message.body))
        if refused is not None and not refused.broken:
            try:
                await self._client.rset()
            except (SMTPException, OSError):
                self._client.close()
        return refused or SendResult(Fate.SENT)

    async def _envelope(self, recipient: str, message: Claimed) -> None:
        # Not client.mail and client.rcpt: they parse both addresses anew for each message, which
        # costs more than sending them. Both were checked, and the client refuses control bytes.
        options = [] if recipient.isascii() else [b"SMTPUTF8"]
        if not message.body.isascii() and self._client.supports_extension("8bitmime"):
            options.append(b"BODY=8BITMIME")
        # Else the address in From, so that the domains agree, which servers check.
        own = self.return_path(message) if self.return_path else None
        sender = own or find_sender(message.body) or self._sender
        mail = await self._client.execute_command(b"MAIL", f"FROM:<{sender}>".encode(), *options)
        if mail.code != SMTPStatus.completed:
            raise SMTPSenderRefused(*mail, sender)
        rcpt = await self._client.execute_command(b"RCPT", f"TO:<{recipient}>".encode())
        if rcpt.code not in (SMTPStatus.completed, SMTPStatus.will_forward):
            raise SMTPRecipientRefused(*rcpt, recipient)

    async def _attempt(self, stage: str, step: Awaitable[object]) -> SendResult | None:
        try:
            await step
        except SMTPResponseException as error:
            return self._refused(stage, error)
        except (SMTPException, OSError) as error:
            self._client.close()
            return SendResult(
                Fate.AGAIN, f"{stage}: {_in_words(error, self._timeout)}", broken=True
            )
        return None

    def _refused(self, stage: str, error: SMTPResponseException) -> SendResult:
        reason = f"{stage}: {_in_words(error, self._timeout)}"
        if error.code in _LOGIN_WANTED:
            self._client.close()
            raise ServerFaultError(reason, configuration=True) from error
        # An answer that is neither 4xx nor 5xx is none, whatever it contains.
        if 400 <= error.code <= 599 and _ABOUT_OUR_NAME.search(error.message):  # noqa: PLR2004
            self._client.close()
            raise ServerFaultError(reason, configuration=True, hint=self._name_hint) from error
        if 500 <= error.code <= 599:  # noqa: PLR2004 - RFC 5321: refused for good
            at_recipient = isinstance(error, SMTPRecipientRefused)
            return SendResult(Fate.RECIPIENT_REFUSED if at_recipient else Fate.REFUSED, reason)
        # An answer that is neither 4xx nor 5xx is none: who knows what the next one belongs to.
        broken = error.code == _CLOSING or not 400 <= error.code <= 499  # noqa: PLR2004
        if broken:
            self._client.close()
        return SendResult(Fate.AGAIN, reason, broken=broken)

    async def close(self) -> None:
        """Say goodbye, and close even if that is cut short; a silent server is left alone."""
        try:
            if self._client.is_connected:
                with suppress(SMTPException, OSError):
                    await self._client.quit()
        finally:
            self._client.close()


def _find_own_name() -> str:
    # Not getfqdn: it asks the DNS, and can take long to hear nothing.
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _trouble(error: Exception, server: Server, timeout: float) -> ServerFaultError:
    reason = f"the mail server {server}: {_in_words(error, timeout)}"
    if isinstance(error, SMTPResponseException):
        return ServerFaultError(reason, configuration=500 <= error.code <= 599)  # noqa: PLR2004
    certificate = isinstance(error.__cause__ or error, ssl.SSLCertVerificationError)
    # A bare SMTPException tells of something that the server does not offer: STARTTLS, AUTH.
    lacking = type(error) is SMTPException
    return ServerFaultError(reason, configuration=certificate or lacking)


def _in_words(error: Exception, timeout: float) -> str:
    if isinstance(error, SMTPResponseException):
        code = f"{error.code} " if error.code > 0 else ""
        return f"{code}{error.message}"
    if isinstance(error, SMTPTimeoutError):
        return f"no answer within {timeout:g} seconds"
    return str(error) or type(error).__name__
