"""A process that dies while it applies an import: `-m tests.importer.dying_import URL ID AFTER`.

``AFTER`` is the number of statements that it lives for.
"""

import os
import sys

from sqlalchemy import event

from tests.importer.uploads import Desk
from tests.support.cast import Cast
from tracker.db.engine import open_engine

KILLED = 9


def main() -> None:
    url, plan_id, statements = sys.argv[1:]
    engine = open_engine(url)
    left = int(statements)

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(KILLED)

    event.listen(engine, "before_cursor_execute", count)
    Desk(Cast(url, engine)).run(int(plan_id))


if __name__ == "__main__":
    main()
