"""Failures that the user can fix, each as one message without a traceback."""

import re
from typing import ClassVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from tracker.database_urls import DATABASE_URL_FORMS

# Greedy to the last @ of the line: a password can hold any character.
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^\n]*@")
_PASSWORD_IN_QUERY = re.compile(r"(?<=[?&])(password|passwd|sslpassword)=[^&\s]*", re.IGNORECASE)

HIDDEN = "***"
_SHOWN_OPTIONS = {
    "application_name",
    "ca",
    "connect_timeout",
    "host",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tls",
    "user",
}
_SECRET_OPTIONS = {"password", "passwd", "sslpassword"}

# Named rather than imported: every command loads this module, few of them load a database driver.
_DATABASE_ERRORS = {
    "sqlalchemy.exc.OperationalError",
    "sqlite3.OperationalError",
    "psycopg.OperationalError",
}
# Usually our own bug, unless the message is one of those in _HINTS.
_POSSIBLE_DATABASE_ERRORS = {
    "sqlalchemy.exc.ProgrammingError",
    "sqlalchemy.exc.DatabaseError",
    "sqlalchemy.exc.InternalError",
    "sqlite3.DatabaseError",
}
_DATABASE_URL_ERRORS = {"sqlalchemy.exc.ArgumentError", "sqlalchemy.exc.NoSuchModuleError"}
# What a database engine says, and what to do about it.
_HINTS = (
    (r"no such table|relation .* does not exist|no such column", "Run `tracker migrate`."),
    (r"locked|being used", "Another program is using the database. Stop it, or try again."),
    (r"unable to open", "The folder must exist and belong to the user who runs this program."),
    (r"readonly|read-only|permission denied", "Give this program's user permission to write."),
    (r"full|No space", "Free up space on the disk."),
    (r"not a database|malformed", "The file is damaged or not SQLite. Restore a backup."),
    (r"password|authentication|role", "Correct the user and password in the URL."),
    (r"refused|timeout|timed out|resolve|No such file", "Is the server running and reachable?"),
)


class UserError(Exception):
    """A failure that the user can fix. The message says what, where, and what would be right."""

    heading: ClassVar[str] = "That can't be done:"


def explain_error(error: BaseException) -> str:
    """The message for an expected failure, ending with a line break; raises any other again.

    It never contains a password.
    """
    if isinstance(error, UserError):
        lines = [f"  {line}\n" for line in str(error).splitlines()]
        return hide_passwords("".join([f"{error.heading}\n", *lines]))
    if _is_database_url_error(error):
        hint = f"Write it as {DATABASE_URL_FORMS}."
        return hide_passwords(f"TRACKER_DATABASE_URL can't be used: {error}\n  {hint}\n")
    if _is_database_error(error):
        hint = find_database_hint(error) or "`tracker check` has more details."
        return hide_passwords(
            f"The database can't be used: {describe_database_error(error)}\n  {hint}\n"
        )
    raise error


def describe_database_error(error: BaseException) -> str:
    """What the engine said, on one line, without the statement and its parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def find_database_hint(error: BaseException) -> str:
    """What to do about a database error; empty if we don't know."""
    message = describe_database_error(error)
    for pattern, hint in _HINTS:
        if re.search(pattern, message, re.IGNORECASE):
            return hint
    return ""


def format_url(url: str) -> str:
    """A URL of the settings as it can be shown: each part that could be a secret is ``***``.

    Whatever can't be taken apart without doubt is hidden whole.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return HIDDEN
    if not _is_clear(url, parts):
        return HIDDEN
    address = parts.hostname or ""
    if port is not None:
        address = f"{address}:{port}"
    if "@" in parts.netloc:
        address = f"{_format_login(parts.username or '', parts.password)}@{address}"
    query = "&".join(_format_option(name, value) for name, value in options)
    return f"{parts.scheme}://{address}{parts.path}{'?' if query else ''}{query}"


def _is_clear(url: str, parts: SplitResult) -> bool:
    """Whether no part could belong to a password that was written without %-encoding."""
    has_blank = not url.isprintable() or " " in url
    if has_blank or parts.fragment or not url.startswith(f"{parts.scheme}://"):
        return False
    host, rest = parts.hostname or "", parts.path + parts.query
    if parts.netloc and not host:
        return False
    return set("@:%\\").isdisjoint(host) and set("@:").isdisjoint(rest)


def _format_login(user: str, password: str | None) -> str:
    # A login without a password can be a token, and a coded sign can divide the two.
    if password is None or "%" in user:
        return HIDDEN
    return f"{user}:{HIDDEN}"


def _format_option(name: str, value: str) -> str:
    if name in _SHOWN_OPTIONS:
        return f"{name}={value}"
    return f"{name}={HIDDEN}" if name in _SECRET_OPTIONS else HIDDEN


def hide_passwords(text: str) -> str:
    """Replace the password in every URL in an error message, as far as one can be recognized."""
    return _PASSWORD_IN_QUERY.sub(r"\1=***", _PASSWORD_IN_URL.sub(r"\1:***@", text))


def _is_database_url_error(error: BaseException) -> bool:
    if isinstance(error, ModuleNotFoundError):
        # A URL that starts with postgresql:// makes SQLAlchemy look for the driver psycopg2.
        return _came_through_sqlalchemy(error)
    return any(_qualified_name(kind) in _DATABASE_URL_ERRORS for kind in type(error).__mro__)


def _is_database_error(error: BaseException) -> bool:
    # The exact class: an IntegrityError is a DatabaseError too, and our own bug.
    name = _qualified_name(type(error))
    if name in _DATABASE_ERRORS:
        return True
    return name in _POSSIBLE_DATABASE_ERRORS and bool(find_database_hint(error))


def _qualified_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _came_through_sqlalchemy(error: BaseException) -> bool:
    frame = error.__traceback__
    while frame is not None:
        name = str(frame.tb_frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "sqlalchemy":
            return True
        frame = frame.tb_next
    return False
