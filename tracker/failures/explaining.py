"""Failures that are the user's to mend, each told as one message: what, where, what would be right.

Loaded only once something has failed. Errors are known by the name of their class, so that
telling one loads no package that the failing command did not load itself.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tracker.failures.database_words import what_it_said, what_to_do
from tracker.failures.setting_names import hide_passwords, key_of, variable_of

# These say all in their own words.
_SAY_IT_THEMSELVES = {
    "tracker.rulebooks.RulebooksWrong": "The rules hold errors:",
    "tracker.records.store.engine.SchemaError": "The database cannot be used:",
    "tracker.records.backups.backup_parts.BackupError": "That could not be done:",
    "tracker.mail.server.ServerAddressError": "The mail server cannot be used:",
    "tracker.commands.selecting.Unknown": "Not found:",
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
