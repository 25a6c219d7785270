"""Email addresses: which ones can be used, and how their domain is written in a message."""

import re
from typing import NamedTuple

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@]+@[^\s<>()\[\],;:\\\"@]+")

_MAILBOX = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ERASED = re.compile(r"erased-[0-9]+(-[0-9]+)?@erased\.invalid")


class NamedAddress(NamedTuple):
    """A name, which can be empty and contain commas, and its address."""

    name: str
    address: str


def parse_mailbox(text: str) -> NamedAddress:
    """Read ``NCIMHA, Inc. <renewals@ncimha.example>``, with or without quotes around the name.

    The name is everything before the address. Raises ValueError unless there is exactly one
    address that can be used.
    """
    found = _MAILBOX.fullmatch(text.strip())
    name, address = (found["name"].strip(), found["address"].strip()) if found else ("", text)
    address = address.strip()
    if not is_address(address):
        raise ValueError(f"{text!r} is not one email address, with or without a name before it")
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    return NamedAddress(name, address)


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


def format_erased_address(person_id: int, number: int = 1) -> str:
    """The address that a person has after the erasure. No mail arrives there.

    ``number`` tells addresses of one person apart where no two may be the same.
    """
    suffix = f"-{number}" if number > 1 else ""
    return f"erased-{person_id}{suffix}@erased.invalid"


def is_erased_address(address: str) -> bool:
    """Whether an address is that of a person who was erased."""
    return _ERASED.fullmatch(address.lower()) is not None
