"""A process that dies while it applies an import: `-m tests.importer.dying_import URL ID AFTER`.

``AFTER`` is the number of statements that it lives for.
"""

import sys

from tests.importer.uploads import Desk
from tests.support.cast import Cast
from tests.support.dying import die_after
from tracker.db.engine import open_engine


def main() -> None:
    url, plan_id, statements = sys.argv[1:]
    engine = open_engine(url)
    die_after(engine, int(statements))
    Desk(Cast(url, engine)).run(int(plan_id))


if __name__ == "__main__":
    main()
