"""Header values that cannot break out of their line, whatever is put into them."""

import re
from email.header import Header
from email.utils import quote

_ROOM = 900  # RFC 5322 allows 998 octets a line; the header's name needs some
_NAME_LENGTH = 200
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@]+@[^\s<>()\[\],;:\\\"@]+")
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
        raise ValueError(f"not an e-mail address: {address!r}")
    label = _phrase(one_line(person)[:_NAME_LENGTH], name)
    mailbox = f"{label}\r\n <{ascii_domain(address)}>" if label else ascii_domain(address)
    return f"{name}: {mailbox}\r\n".encode()


def is_address(text: str) -> bool:
    """Whether ``text`` is one bare address that no command or header can be hidden in."""
    return text.isprintable() and _ADDRESS.fullmatch(text) is not None


def ascii_domain(address: str) -> str:
    """``address`` with its domain in the form that the DNS knows (``xn--…``)."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{domain.encode('idna').decode()}"


def _phrase(text: str, name: str) -> str:
    if not text or not _is_plain(text):
        return _words(text, name)
    return f'"{quote(text)}"'


def _words(text: str, name: str) -> str:
    if _is_plain(text) and len(text) <= _ROOM:
        return text
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    # A literal "=?…?=" would be decoded by the reader into something that nobody wrote.
    return text.isascii() and "=?" not in text
