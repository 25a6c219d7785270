"""Email addresses: which ones can be used, and how their domain is written in a message."""

import re

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@]+@[^\s<>()\[\],;:\\\"@]+")


def is_address(text: str) -> bool:
    """Whether ``text`` is one bare email address that can stand in a command and a header."""
    if not text.isprintable() or _ADDRESS.fullmatch(text) is None:
        return False
    try:
        ascii_domain(text)
    except UnicodeError:
        return False
    return True


def ascii_domain(address: str) -> str:
    """``address`` with its domain as the DNS knows it (``xn--…``).

    Raises UnicodeError for a domain that cannot be written that way.
    """
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{domain.encode('idna').decode()}"
