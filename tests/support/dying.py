"""How a process of the tests dies in the middle of its work."""

import os

from sqlalchemy import Engine, event

KILLED = 9


def die_after(engine: Engine, statements: int) -> None:
    """End this process at once after so many statements, commits included."""
    left = statements

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(KILLED)

    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)
