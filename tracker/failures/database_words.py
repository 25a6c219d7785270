"""What the engines say when they fail, and what to do about it."""

import re

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
