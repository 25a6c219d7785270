"""What a setting is called where it was given, and how it is shown without its secrets."""

import os
import re
from collections.abc import Sequence

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
