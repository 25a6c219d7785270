"""What a setting is called where it was given, and how it is shown without its secrets."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

PREFIX = "TRACKER_"
_IN_ADDRESS = re.compile(r"(?<=://)([^/@\s:]*):[^\s]*@")
_IN_QUERY = re.compile(r"(?<=[?&])(password|passwd|sslpassword)=[^&\s]*", re.IGNORECASE)


def variable_of(path: Sequence[str]) -> str | None:
    """The environment variable that gives the setting at ``path``, or a part it belongs to."""
    given = {name.upper() for name in os.environ}
    for end in range(len(path), 0, -1):
        variable = PREFIX + "__".join(path[:end]).upper()
        if variable in given:
            return variable
    return None


def key_of(path: Sequence[str]) -> str:
    """The setting's key in tracker.toml; people count from one: ``coordinators[1].email``."""
    steps = [f"[{int(step) + 1}]" if step.isdigit() else f".{step}" for step in path]
    return "".join(steps).removeprefix(".")


def hide_passwords(text: str) -> str:
    """``text`` with the password in every URL replaced."""
    return _IN_QUERY.sub(r"\1=***", _IN_ADDRESS.sub(r"\1:***@", text))


_HINTS = (
    (r"no such table|relation .* does not exist|no such column", "Run `tracker migrate`."),
    (r"locked|being used", "Another program holds the database: end it, or try again."),
    (r"unable to open", "The folder must exist, and its user must be the one who runs this."),
    (r"readonly|read-only|permission denied", "Give this program's user the right to write."),
    (r"full|No space", "Make room on the disk."),
    (r"not a database|malformed", "The file is no SQLite database, or damaged: restore a backup."),
    (r"password|authentication|role", "Correct the user and the password in the URL."),
    (r"refused|timeout|timed out|resolve|No such file", "Is the server running, and reachable?"),
)


def what_it_said(error: BaseException) -> str:
    """What the engine said, in one line, without the statement and its parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def what_to_do(said: str) -> str:
    """The advice that fits what an engine said; empty where none is known."""
    found = (hint for pattern, hint in _HINTS if re.search(pattern, said, re.IGNORECASE))
    return next(found, "")


# These say all in their own words.
_SAY_IT_THEMSELVES = {
    "tracker.rulebooks.RulebooksWrong": "The rules hold errors:",
    "tracker.db.engine.SchemaError": "The database cannot be used:",
    "tracker.services.backup_files.BackupError": "That could not be done:",
    "tracker.mail.smtp_connection.ServerAddressError": "The mail server cannot be used:",
    "tracker.cli.context.NotFound": "Not found:",
}
# The driver's own come from statements that run as a connection opens.
_DATABASE_ERRORS = {
    "sqlalchemy.exc.OperationalError",
    "sqlite3.OperationalError",
    "psycopg.OperationalError",
}
# These are a fault of ours, unless the database said one of the things below.
_DOUBTFUL_DATABASE_ERRORS = {
    "sqlalchemy.exc.ProgrammingError",
    "sqlalchemy.exc.DatabaseError",
    "sqlalchemy.exc.InternalError",
    "sqlite3.DatabaseError",
}
_DATABASE_URL_ERRORS = {"sqlalchemy.exc.ArgumentError", "sqlalchemy.exc.NoSuchModuleError"}
_DATABASE_URL_HINT = (
    "  It is written sqlite:////var/lib/tracker/tracker.db, or\n"
    "  postgresql+psycopg://user:password@host/database.\n"
)


def explain(error: BaseException) -> str:
    """The message for an expected failure, ending with a line break; raises any other again.

    Never holds a password.
    """
    for known, tell in _KINDS:
        if known(error):
            return hide_passwords(tell(error))
    raise error


def _names(error: BaseException) -> set[str]:
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}


def _says_it_itself(error: BaseException) -> bool:
    return bool(_names(error) & _SAY_IT_THEMSELVES.keys())


def _tell_itself(error: BaseException) -> str:
    (name,) = _names(error) & _SAY_IT_THEMSELVES.keys()
    lines = "".join(f"  {line}\n" for line in str(error).splitlines())
    return f"{_SAY_IT_THEMSELVES[name]}\n{lines}"


def _is_about_the_sender(error: BaseException) -> bool:
    about = str(error).startswith("the sender ")
    return isinstance(error, ValueError) and about and _passed("tracker.mail.compose", error)


def _tell_the_sender(error: BaseException) -> str:
    place = variable_of(["mail", "sender"]) or "tracker.toml: mail.sender"
    return f"{place}: {error}: write Renewals <renewals@your.domain>\n"


def _is_about_the_database_url(error: BaseException) -> bool:
    # A missing driver names itself: psycopg2, for a URL that begins with postgresql://.
    no_driver = isinstance(error, ModuleNotFoundError) and _passed("sqlalchemy", error)
    return no_driver or bool(_names(error) & _DATABASE_URL_ERRORS)


def _tell_the_database_url(error: BaseException) -> str:
    return f"TRACKER_DATABASE_URL cannot be used: {error}\n{_DATABASE_URL_HINT}"


def _is_about_the_database(error: BaseException) -> bool:
    # The very class: an IntegrityError is a DatabaseError too, and a fault of ours.
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    doubtful = name in _DOUBTFUL_DATABASE_ERRORS
    return name in _DATABASE_ERRORS or (doubtful and bool(what_to_do(what_it_said(error))))


def _tell_the_database(error: BaseException) -> str:
    said = what_it_said(error)
    hint = what_to_do(said) or "`tracker check` looks closer."
    return f"The database cannot be used: {said}\n  {hint}\n"


def _is_about_settings(error: BaseException) -> bool:
    # A type alone would not do: a ValidationError from elsewhere is a fault of ours.
    return isinstance(error, ValueError | OSError) and _passed("tracker.settings", error)


def _tell_the_settings(error: BaseException) -> str:
    found = getattr(error, "errors", None)
    if found is None:
        # Broken TOML, broken JSON in a variable, or a file that may not be read.
        return f"The settings cannot be read (tracker.toml or a TRACKER_ variable): {error}\n"
    # Without the input: what was typed can be a password.
    lines = [f"  {line}\n" for line in _wrong_settings(found(include_input=False))]
    return "The settings hold errors (config/README.md describes each):\n" + "".join(lines)


def _wrong_settings(errors: list[dict[str, Any]]) -> Iterator[str]:
    for wrong in errors:
        path = [str(step) for step in wrong["loc"]]
        reason = wrong["msg"].removeprefix("Value error, ")
        place = variable_of(path) or f"tracker.toml: {key_of(path)}"
        yield f"{place}: {reason}"


def _passed(module: str, error: BaseException) -> bool:
    """Whether the error came up through a module, or a package's own modules."""
    frame = error.__traceback__
    while frame is not None:
        name = str(frame.tb_frame.f_globals.get("__name__", ""))
        if name == module or name.startswith(f"{module}."):
            return True
        frame = frame.tb_next
    return False


_KINDS: tuple[tuple[Callable[[BaseException], bool], Callable[[BaseException], str]], ...] = (
    (_says_it_itself, _tell_itself),
    (_is_about_settings, _tell_the_settings),
    (_is_about_the_sender, _tell_the_sender),
    (_is_about_the_database_url, _tell_the_database_url),
    (_is_about_the_database, _tell_the_database),
)
