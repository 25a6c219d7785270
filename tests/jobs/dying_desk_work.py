"""A process that dies at long work: `-m tests.jobs.dying_desk_work URL TASK NOW AFTER`.

``AFTER`` is the number of statements that it lives for. Batches are small, as in the tests.
"""

import os
import sys
from datetime import datetime

from sqlalchemy import event

from tests.importer.dying_import import KILLED
from tests.support.cast import Cast
from tests.support.desk_work import LongWork, use_small_batches
from tracker.db.engine import open_engine


def main() -> None:
    url, task_id, now, statements = sys.argv[1:]
    engine = open_engine(url)
    left = int(statements)

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(KILLED)

    use_small_batches()
    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)
    LongWork(Cast(url, engine), datetime.fromisoformat(now)).runner.run(int(task_id))


if __name__ == "__main__":
    main()
