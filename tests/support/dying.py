"""How a process of the tests dies in the middle of its work."""

import os
import signal

from sqlalchemy import Engine, event

KILLED = -signal.SIGKILL


def die_after(engine: Engine, statements: int) -> None:
    """Kill this process after so many statements, commits included."""
    left = statements

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)
