"""Renders messages: templates, text and HTML, and headers that no value can break."""

import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from tracker.addresses import ascii_domain, is_address, parse_mailbox
from tracker.branding import Branding
from tracker.mail.contents import AnyMail

_ROOM = 900  # RFC 5322 allows 998 octets a line; the header's name needs some
_NAME_LENGTH = 200
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Persian and Indic names are written with these two; all other invisible characters go.
_JOINERS = "\u200c\u200d"


def one_line(text: str) -> str:
    """``text`` without line breaks, control, direction and other invisible characters."""
    if text.isprintable():
        return text.strip()
    kept = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    return " ".join(kept.split())


def header(name: str, value: str) -> bytes:
    """A whole header with its CRLF; a value that needs it is encoded by RFC 2047.

    Raises ValueError for a name that is none.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"not the name of a header: {name!r}")
    return f"{name}: {_words(one_line(value), name)}\r\n".encode("ascii")


def mailbox_header(name: str, person: str, address: str) -> bytes:
    """A header with one mailbox, such as To. Raises ValueError for an address that is none.

    An address beyond ASCII stays as it is (RFC 6532): it takes a server with SMTPUTF8.
    """
    if not is_address(address):
        raise ValueError(f"not an email address: {address!r}")
    mailbox, label = ascii_domain(address), one_line(person)[:_NAME_LENGTH]
    if label:
        phrase = f'"{quote(label)}"' if _is_plain(label) else _words(label, name)
        mailbox = f"{phrase}\r\n <{mailbox}>"
    return f"{name}: {mailbox}\r\n".encode()


def _words(text: str, name: str) -> str:
    if _is_plain(text) and len(text) <= _ROOM:
        return text
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    # A literal "=?…?=" would be decoded by the reader into something that nobody wrote.
    return text.isascii() and "=?" not in text


_BOUNDARY = "=_endorsement-renewals_="
_TEXT, _HTML = "here-goes-the-text", "here-goes-the-html"
_SUBJECT_LENGTH = 300


class Rendered(NamedTuple):
    """A message ready for the outbox: ``body`` is the whole message, headers included.

    ``text`` is its plain text.
    """

    message_id: str
    subject: str
    body: bytes
    text: str


@cache
def load_composer(templates: Path, base_url: str) -> "Composer":
    """A composer, made once a process: it never changes, and compiling templates takes long."""
    return Composer(templates, base_url)


class Composer:
    """Renders the kinds of mail that ``templates/email`` holds, one folder a kind.

    ``base_url`` is where the pages are, without a slash at its end.
    """

    def __init__(self, templates: Path, base_url: str) -> None:
        self._frame = _frame()
        self._environment = _environment(templates / "email", base_url)
        # Nothing is ever fetched: what a template shows is in the template.
        self._inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def compose(
        self,
        mail: AnyMail,
        *,
        sender: str,
        recipient: tuple[str, str],
        at: datetime,
        headers: Mapping[str, str] | None = None,
        branding: Branding | None = None,
    ) -> Rendered:
        """Render a mail to ``recipient`` (name, address), dated ``at`` (aware).

        ``branding`` is how the association presents itself above the text, and ``sender`` one
        mailbox such as ``Renewals <renewals@example.org>``.
        A template that names an unknown field raises jinja2.UndefinedError. Raises ValueError for
        a recipient without a usable address.
        """
        load = self._environment.get_template
        facts = {field.name: getattr(mail, field.name) for field in fields(mail)}
        subject = one_line(load(f"{mail.kind}/subject.txt").render(facts))[:_SUBJECT_LENGTH]
        facts |= {"subject": subject, "branding": branding}
        from_header, domain = _format_sender(sender)
        message_id = f"<{secrets.token_hex(16)}@{domain}>"
        text = load(f"{mail.kind}/body.txt").render(facts)
        before, between, after = self._frame
        parts = [
            from_header,
            mailbox_header("To", *recipient),
            header("Subject", subject),
            header("Date", format_datetime(at.astimezone(UTC))),
            header("Message-ID", message_id),
            *(header(name, value) for name, value in (headers or {}).items()),
            before,
            _quoted_printable(text),
            between,
            _quoted_printable(self._inliner.inline(load(f"{mail.kind}/body.html").render(facts))),
            after,
        ]
        return Rendered(message_id, subject, b"".join(parts), text)


# An installation has few of them.
@cache
def _format_sender(sender: str) -> tuple[bytes, str]:
    """The header From, and the domain of the address, as the DNS knows it."""
    name, address = parse_mailbox(sender)
    return mailbox_header("From", name, address), ascii_domain(address).rpartition("@")[2]


# As `mailbox_header` writes it; From is the first header of every message.
_FROM = re.compile(rb"From: (?:(\S+@\S+)\r\n(?! )|[^<>]*<([^<>\s]+)>\r\n)")


def find_sender(body: bytes) -> str | None:
    """The address that a message of `Composer` is from; None for what it did not write."""
    found = _FROM.match(body)
    return (found[1] or found[2]).decode("ascii", "replace") if found else None


def _environment(folder: Path, base_url: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        # A name with line breaks could otherwise write lines of its own into a mail.
        finalize=_tame,
    )
    environment.globals["base_url"] = base_url
    return environment


def _tame(value: Any) -> Any:  # noqa: ANN401 - Jinja hands over whatever a template prints
    if isinstance(value, str) and not isinstance(value, Markup):
        return one_line(value)
    return value


def _frame() -> tuple[bytes, bytes, bytes]:
    """What every message has in common: before the text, between text and HTML, after it."""
    message = EmailMessage(policy=SMTP)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_TEXT, cte="quoted-printable")
    message.add_alternative(_HTML, subtype="html", cte="quoted-printable")
    message.set_boundary(_BOUNDARY)
    before, _, rest = message.as_bytes().partition(_TEXT.encode())
    between, _, after = rest.partition(_HTML.encode())
    return before, between, after


def _quoted_printable(text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return binascii.b2a_qp(lines.encode("utf-8", "replace"))
