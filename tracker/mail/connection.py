"""One connection to the mail server, which carries message after message."""

import socket
import ssl
from collections.abc import Awaitable, Callable

from aiosmtplib import SMTP, SMTPStatus
from aiosmtplib.errors import (
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPTimeoutError,
)

from tracker.mail.headers import ascii_domain, is_address
from tracker.mail.outcomes import Fate, Outcome, ServerFaultError
from tracker.mail.server import Server
from tracker.records.mailing.outbox import Claimed

_CLOSING = 421
# Said to MAIL by servers that want a login or encryption first: a setting is wrong, no message.
_LOGIN_WANTED = {530, 534, 535, 538}


class Connection:
    """Speaks to ``server`` as ``sender`` (a bare address); an answer may take ``timeout`` seconds.

    Opened by ``open``, which may be called again after a fault.
    """

    def __init__(
        self, server: Server, context: ssl.SSLContext | None, sender: str, timeout: float
    ) -> None:
        self._server = server
        self._sender = sender
        self._from = f"FROM:<{sender}>".encode("ascii")
        self._timeout = timeout
        self._client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.security == "tls",
            # Never None: that would fall back to plain text.
            start_tls=server.security == "starttls",
            tls_context=context,
            timeout=timeout,
            local_hostname=_own_name(),
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
                await self._greet()
        except (SMTPException, OSError) as error:
            self._client.close()
            raise _trouble(error, self._server, self._timeout) from error

    async def _greet(self) -> None:
        try:
            await self._client.ehlo()
        except SMTPHeloError:
            if not self._client.is_connected:
                raise
            await self._client.helo()

    async def send(self, message: Claimed, before_body: Callable[[], Awaitable[None]]) -> Outcome:
        """Send one message; ``before_body`` is awaited once the server has taken the envelope.

        Raises ServerFaultError when the answer tells of the server and not of the message.
        """
        if not is_address(message.recipient):
            return Outcome(Fate.RECIPIENT_REFUSED, "not an e-mail address")
        recipient = ascii_domain(message.recipient)
        if not recipient.isascii() and not self._client.supports_extension("smtputf8"):
            reason = "the mail server takes no address beyond ASCII (it lacks SMTPUTF8)"
            return Outcome(Fate.RECIPIENT_REFUSED, reason)
        refused = await self._attempt("envelope", self._envelope(recipient, message))
        if refused is None:
            await before_body()
            # No answer after the final dot is ambiguous: the server may have the message. It is
            # sent again, with the same Message-ID and bytes: twice is better than never.
            refused = await self._attempt("content", self._client.data(message.body))
        if refused is not None and not refused.broken:
            await self._reset()
        return refused or Outcome(Fate.SENT)

    async def _envelope(self, recipient: str, message: Claimed) -> None:
        # Not client.mail and client.rcpt: they parse both addresses anew for each message, which
        # costs more than sending them. Both were checked, and the client refuses control bytes.
        options = [] if recipient.isascii() else [b"SMTPUTF8"]
        if not message.body.isascii() and self._client.supports_extension("8bitmime"):
            options.append(b"BODY=8BITMIME")
        mail = await self._client.execute_command(b"MAIL", self._from, *options)
        if mail.code != SMTPStatus.completed:
            raise SMTPSenderRefused(*mail, self._sender)
        rcpt = await self._client.execute_command(b"RCPT", f"TO:<{recipient}>".encode())
        if rcpt.code not in (SMTPStatus.completed, SMTPStatus.will_forward):
            raise SMTPRecipientRefused(*rcpt, recipient)

    async def _attempt(self, stage: str, step: Awaitable[object]) -> Outcome | None:
        try:
            await step
        except SMTPResponseException as error:
            return self._refused(stage, error)
        except (SMTPException, OSError) as error:
            self._client.close()
            return Outcome(Fate.AGAIN, f"{stage}: {_in_words(error, self._timeout)}", broken=True)
        return None

    def _refused(self, stage: str, error: SMTPResponseException) -> Outcome:
        reason = f"{stage}: {_in_words(error, self._timeout)}"
        if error.code in _LOGIN_WANTED:
            self._client.close()
            raise ServerFaultError(reason, configuration=True) from error
        if 500 <= error.code <= 599:  # noqa: PLR2004 - RFC 5321: refused for good
            at_recipient = isinstance(error, SMTPRecipientRefused)
            return Outcome(Fate.RECIPIENT_REFUSED if at_recipient else Fate.REFUSED, reason)
        # An answer that is neither 4xx nor 5xx is none: who knows what the next one belongs to.
        broken = error.code == _CLOSING or not 400 <= error.code <= 499  # noqa: PLR2004
        if broken:
            self._client.close()
        return Outcome(Fate.AGAIN, reason, broken=broken)

    async def _reset(self) -> None:
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            self._client.close()

    async def close(self) -> None:
        """Say goodbye and close; a server that does not answer is left alone."""
        if self._client.is_connected:
            try:
                await self._client.quit()
            except (SMTPException, OSError):
                self._client.close()


def _own_name() -> str:
    """What to say in EHLO. Not getfqdn: it asks the DNS, and can take long to hear nothing."""
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
