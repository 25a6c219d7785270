"""The mailbox in which mail that comes back arrives: a folder over IMAP, or a Maildir.

What was read is moved aside. What nobody understood stays where it is, flagged, for a person to
look at; it is not read again, and is no longer counted once the person moved or deleted it. If the
program ends before it moved a message, the message is read once more, so the caller has to know
what was recorded already.
"""

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from tracker.errors import UserError
from tracker.mail.reports import LARGEST

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_PORTS = {"tls": 993, "starttls": 143, "none": 143}
_SECONDS = 30


class MailboxError(UserError):
    """The mailbox can't be read; the message says why, and never holds the password."""

    heading = "The mailbox for returned mail can't be used:"


class UnreadableMessage(Exception):  # noqa: N818 - reads as what it is
    """One message can't be read, and others can; the text says why."""


class ReturnsMailbox(Protocol):
    """An open mailbox."""

    def list_unread(self, limit: int) -> list[str]:
        """The keys of up to ``limit`` messages that were not flagged, the oldest first."""

    def read(self, key: str) -> bytes | None:
        """The beginning of a message, at most LARGEST octets; None if it is gone.

        Raises UnreadableMessage.
        """

    def put_aside(self, key: str) -> None:
        """Move a message to the folder of what was read."""

    def flag(self, key: str) -> None:
        """Leave a message for a person to look at."""

    def count_flagged(self) -> int:
        """How many messages lie there for a person to look at."""

    def count_unreadable(self) -> int:
        """How many messages this user may not read."""


@dataclass(frozen=True, slots=True)
class MailboxAddress:
    """Where the mailbox is; ``folder`` is the Maildir, or the name of the folder on the server."""

    kind: str
    folder: str
    host: str = ""
    port: int = 0
    security: str = "tls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str | None = None

    def __str__(self) -> str:
        """As shown to people; never the password."""
        return self.folder if self.kind == "maildir" else f"{self.host}:{self.port}/{self.folder}"


def parse_mailbox_address(url: str) -> MailboxAddress:
    """Read ``imaps://user:password@host[:port][/folder]``, ``imap://…``, or ``maildir:///path``.

    ``imaps`` is TLS from the first byte (port 993), ``imap`` asks for STARTTLS (port 143) unless
    ``?tls=none``, for a server on this machine. ``?ca=`` names a file with the certificate of the
    authority. Reserved characters in user and password are %-encoded. Raises MailboxError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Not chained: the parser's own message can quote a piece of the password.
        raise _wrong("the port must be a number up to 65535, the host a name") from None
    if parts.scheme == "maildir":
        if parts.netloc or not parts.path.startswith("/"):
            raise _wrong("a Maildir needs its whole path: maildir:///var/mail/bounces")
        return MailboxAddress("maildir", unquote(parts.path))
    security = _find_security(parts)
    if not parts.hostname:
        raise _wrong("it names no host: write imaps://user:password@host")
    if not parts.username or not parts.password:
        raise _wrong("it needs a user and a password: write imaps://user:password@host")
    return MailboxAddress(
        "imap",
        unquote(parts.path.strip("/")) or "INBOX",
        parts.hostname,
        port or _PORTS[security],
        security,
        unquote(parts.username),
        unquote(parts.password),
        parse_qs(parts.query).get("ca", [None])[-1],
    )


def _find_security(parts: SplitResult) -> str:
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(options) - {"tls", "ca"}):
        raise _wrong(f"unknown option {unknown[0]!r}: only tls and ca are known")
    tls = options.get("tls", [None])[-1]
    if parts.scheme == "imaps" and tls is None:
        return "tls"
    if parts.scheme == "imap" and tls in {None, "starttls"}:
        return "starttls"
    if parts.scheme == "imap" and tls == "none":
        if parts.hostname not in _THIS_MACHINE:
            raise _wrong("it would send the password in clear: leave ?tls=none out")
        return "none"
    raise _wrong("it must start with imaps://, imap://, or maildir://; ?tls= is for imap:// only")


def _wrong(reason: str) -> MailboxError:
    return MailboxError(f"TRACKER_MAIL__BOUNCES__MAILBOX: {reason}")


@contextmanager
def open_mailbox(
    address: MailboxAddress, done_folder: str, *, read_only: bool = False
) -> Iterator[ReturnsMailbox]:
    """The mailbox, open until the end. ``read_only``: nothing can be moved or flagged.

    Raises MailboxError if it can't be opened, or if it fails while it is used.
    """
    try:
        if address.kind == "maildir":
            yield _Maildir.open(Path(address.folder), done_folder)
            return
        client = _connect(address)
        try:
            client.select_folder(address.folder, readonly=read_only)
            yield _ImapFolder(client, done_folder)
        finally:
            with suppress(IMAPClientError, OSError):
                client.logout()
    except LoginError as error:
        reason = f"the server refused the login: {_in_words(error)}"
        raise MailboxError(f"{address}: {reason}") from error
    except (IMAPClientError, OSError) as error:
        raise MailboxError(f"{address}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    """What a server said, which the library writes as a literal of bytes."""
    return re.sub(r"b'([^']*)'", r"\1", str(error)) or type(error).__name__


def _connect(address: MailboxAddress) -> IMAPClient:
    """A client that has logged in. Certificates are always verified."""
    context = None
    if address.security != "none":
        context = ssl.create_default_context(cafile=address.ca)
    client = IMAPClient(
        address.host,
        address.port,
        ssl=address.security == "tls",
        ssl_context=context,
        timeout=_SECONDS,
    )
    try:
        if address.security == "starttls":
            client.starttls(context)
        client.login(address.user, address.password)
    except BaseException:
        with suppress(IMAPClientError, OSError):
            client.shutdown()
        raise
    return client


@dataclass
class _ImapFolder:
    """A selected folder; keys are UIDs."""

    client: Any
    done_folder: str

    def list_unread(self, limit: int) -> list[str]:
        found = self.client.search(["UNDELETED", "UNFLAGGED"])
        return [str(uid) for uid in sorted(found)[:limit]]

    def read(self, key: str) -> bytes | None:
        # PEEK: whether a person has seen it stays as it is.
        fetched = self.client.fetch([int(key)], [f"BODY.PEEK[]<0.{LARGEST}>".encode()])
        content: bytes | None = fetched.get(int(key), {}).get(b"BODY[]<0>")
        return content

    def put_aside(self, key: str) -> None:
        folder, uids = self.done_folder, [int(key)]
        if not self.client.folder_exists(folder):
            self.client.create_folder(folder)
        if self.client.has_capability("MOVE"):
            self.client.move(uids, folder)
            return
        # A crash between these leaves two copies of it, of which one is read again.
        self.client.copy(uids, folder)
        self.client.delete_messages(uids)
        if self.client.has_capability("UIDPLUS"):
            self.client.uid_expunge(uids)

    def flag(self, key: str) -> None:
        self.client.add_flags([int(key)], [b"\\Flagged"])

    def count_flagged(self) -> int:
        return len(self.client.search(["UNDELETED", "FLAGGED"]))

    def count_unreadable(self) -> int:
        # The server lets us read all of a folder, or nothing.
        return 0


_FLAGGED, _SEEN = "F", "S"


@dataclass
class _Maildir:
    """A Maildir, whose mail is in ``new`` and, once a mail program has seen it, in ``cur``.

    Keys are paths below the folder. What was read goes to a folder of Maildir++.
    """

    folder: Path
    done: Path

    @classmethod
    def open(cls, folder: Path, done_folder: str) -> "_Maildir":
        if not all((folder / name).is_dir() for name in ("new", "cur", "tmp")):
            raise MailboxError(f"{folder} is no Maildir: it needs the folders new, cur, and tmp")
        return cls(folder, folder / f".{done_folder}")

    def list_unread(self, limit: int) -> list[str]:
        return [key for key in self._list() if _FLAGGED not in _flags_of(key)][:limit]

    def _list(self) -> list[str]:
        entries = [
            entry
            for name in ("new", "cur")
            for entry in os.scandir(self.folder / name)
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
        ]
        # The names begin with the second in which the mail came.
        entries.sort(key=lambda entry: entry.name)
        return [str(Path(entry.path).relative_to(self.folder)) for entry in entries]

    def read(self, key: str) -> bytes | None:
        try:
            with (self.folder / key).open("rb") as file:
                return file.read(LARGEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableMessage(f"{self.folder / key}: {error.strerror}") from error

    def put_aside(self, key: str) -> None:
        for name in ("new", "cur", "tmp"):
            (self.done / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._move(key, self.done / "cur", _flags_of(key) | {_SEEN})

    def flag(self, key: str) -> None:
        self._move(key, self.folder / "cur", _flags_of(key) | {_FLAGGED})

    def _move(self, key: str, target: Path, flags: set[str]) -> None:
        name = Path(key).name.partition(":2,")[0]
        # Another process, or a person, may have moved it first.
        with suppress(FileNotFoundError):
            (self.folder / key).rename(target / f"{name}:2,{''.join(sorted(flags))}")

    def count_flagged(self) -> int:
        return sum(_FLAGGED in _flags_of(key) for key in self._list())

    def count_unreadable(self) -> int:
        return sum(not os.access(self.folder / key, os.R_OK) for key in self._list())


def _flags_of(key: str) -> set[str]:
    return set(key.partition(":2,")[2])
