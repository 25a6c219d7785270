"""Failures that the user can fix, each as one message without a traceback."""

import re
from typing import ClassVar

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^\s]*@")
_PASSWORD_IN_QUERY = re.compile(r"(?<=[?&])(password|passwd|sslpassword)=[^&\s]*", re.IGNORECASE)

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
_DATABASE_URL_HINT = (
    "  Write it as sqlite:////var/lib/tracker/tracker.db or\n"
    "  postgresql+psycopg://user:password@host/database.\n"
)
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
        message = f"TRACKER_DATABASE_URL can't be used: {error}\n{_DATABASE_URL_HINT}"
        return hide_passwords(message)
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


def hide_passwords(text: str) -> str:
    """Replace the password in every URL in ``text``."""
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
