"""The master key of an installation: a secret that is not in the database.

Every key that signs a link or encrypts a waiting email is derived from it
(`tracker.db.signing_keys`), so that a reader of the database, or of a backup, can open nothing.
"""

import os
import re
import secrets
from pathlib import Path

from tracker.database_urls import find_sqlite_file
from tracker.errors import UserError

_SHORTEST = 32
_KEY = re.compile(rf"[!-~]{{{_SHORTEST},}}")
_BYTES = 32
FORMAT = (
    f"at least {_SHORTEST} characters, of letters, digits, and other ASCII characters, without "
    "spaces: `openssl rand -hex 32` makes one"
)


class MasterKeyError(UserError):
    """The master key is missing or wrong: the message says which, where, and what to do."""

    heading = "The master key can't be used:"


def is_master_key(text: str) -> bool:
    """Whether a text is long enough for a master key, and in one line."""
    return _KEY.fullmatch(text) is not None


class MasterKey:
    """Where the master key is: the setting's own value, or else a file.

    Without either there is none, and what needs it raises MasterKeyError.
    """

    def __init__(self, value: str | None = None, file: Path | None = None) -> None:
        self.file = None if value else file
        self._value = value.encode() if value else None

    @classmethod
    def beside(cls, url: str) -> "MasterKey":
        """The file beside an SQLite database, under its name; no key for other databases."""
        return cls(file=file_beside(url))

    @property
    def place(self) -> str:
        """Where the key is, in words."""
        if self.file is not None:
            return str(self.file)
        return "TRACKER_MASTER_KEY" if self._value else "TRACKER_MASTER_KEY_FILE, which is not set"

    @property
    def is_there(self) -> bool:
        """Whether there is a key, readable or not."""
        return self._value is not None or (self.file is not None and self.file.exists())

    def read(self) -> bytes:
        """The key. Raises MasterKeyError if it is missing, unreadable, or no key."""
        if self._value is None:
            self._value = self._read_file()
        return self._value

    def create(self) -> None:
        """Create the file, which only its owner may read, with a new key, unless it exists.

        Raises MasterKeyError if no file is set, or if it can't be written.
        """
        if self.is_there:
            return
        if self.file is None:
            raise MasterKeyError(
                "no master key is set, and this database has no folder to keep one in. Create one "
                "with `openssl rand -hex 32`, outside of the database and its backups, and set "
                "TRACKER_MASTER_KEY_FILE to the file that holds it (or TRACKER_MASTER_KEY to its "
                "value), the same on every machine"
            )
        unfinished = self.file.with_name(f".{self.file.name}-{secrets.token_hex(8)}")
        try:
            opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "w", encoding="ascii") as file:
                file.write(f"{secrets.token_hex(_BYTES)}\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                # Whole or not at all; another process may have been faster.
                os.link(unfinished, self.file)
            except FileExistsError:
                pass
            finally:
                unfinished.unlink()
        except OSError as error:
            raise MasterKeyError(
                f"the file {self.file} can't be created ({error.strerror}): let this user write "
                "its folder, or set TRACKER_MASTER_KEY_FILE to another file"
            ) from error

    def _read_file(self) -> bytes:
        if self.file is None or not self.file.exists():
            raise MasterKeyError(
                f"it is missing: {self.place}. The database has links and emails that need it. "
                "Put back your copy of it, or set TRACKER_MASTER_KEY_FILE to where it is (or "
                "TRACKER_MASTER_KEY to its value). If it is lost, `tracker sessions end-all "
                "--lost-key` makes a new one; links that were sent until now then stop working"
            )
        try:
            text = self.file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text of ASCII"
            raise MasterKeyError(
                f"{self.file} can't be read ({reason}): let the user of the services read it"
            ) from error
        if not is_master_key(text):
            raise MasterKeyError(f"{self.file} must hold {FORMAT}")
        return text.encode()


def file_beside(url: str) -> Path | None:
    """The file beside an SQLite database, under its name; None for other databases."""
    database = find_sqlite_file(url)
    return database.with_suffix(".key") if database else None
