"""A mail server that keeps what it takes, and pages that show it. Nothing leaves the machine."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Annotated, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, Response

from tracker.web.dependencies import OptionalViewerDep, SiteDep

# A mail's own styles stand in the mail; everything else stays forbidden, and it may be framed
# by our own page only.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_LATEST = 200
LOOPBACK = "127.0.0.1"


@dataclass
class Mailbox:
    """Every message taken, oldest first.

    ``refusal`` is what the addresses in ``refused`` are answered, as bouncing ones would be.
    """

    messages: list[EmailMessage] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    refusal: str = "550 no such mailbox"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd's signature
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """Take a recipient, or refuse one for good."""
        if address in self.refused:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd's signature
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Take a message."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.messages.append(BytesParser(policy=_READING).parsebytes(content))
        return "250 taken"


_READING: Any = policy.default


@contextmanager
def open_mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mailbox behind an SMTP server on a free loopback port, and that port."""
    mailbox = Mailbox()
    port = free_port()
    controller = Controller(mailbox, hostname=LOOPBACK, port=port)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop()


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


router = APIRouter(prefix="/demo/mail")


@router.get("")
def show_all(request: Request, site: SiteDep, viewer: OptionalViewerDep) -> Response:
    """The messages, newest first."""
    messages: list[EmailMessage] = request.app.state.mailbox.messages
    numbered = list(enumerate(messages))[::-1][:_LATEST]
    return site.pages.render(
        "demo/mailbox.html", viewer=viewer, messages=numbered, total=len(messages)
    )


@router.get("/{number}")
def show_one(
    request: Request, site: SiteDep, viewer: OptionalViewerDep, number: Annotated[int, Path(ge=0)]
) -> Response:
    """One message: its heads, as HTML in a frame, and as text."""
    message = _message(request, number)
    page = site.pages.render(
        "demo/mail.html",
        viewer=viewer,
        message=message,
        number=number,
        text=_part(message, "plain"),
    )
    page.headers["content-security-policy"] = _PAGE_POLICY
    return page


@router.get("/{number}/html")
def show_html(request: Request, number: Annotated[int, Path(ge=0)]) -> Response:
    """The HTML of one message, as it came."""
    page = HTMLResponse(_part(_message(request, number), "html"))
    page.headers["content-security-policy"] = _MAIL_POLICY
    return page


def _message(request: Request, number: int) -> EmailMessage:
    messages: list[EmailMessage] = request.app.state.mailbox.messages
    if number >= len(messages):
        raise HTTPException(404)
    return messages[number]


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    return str(body.get_content()) if body else ""
