"""A process that dies at long work: `-m tests.jobs.dying_desk_work URL TASK NOW AFTER`.

``AFTER`` is the number of statements that it lives for. Batches are small, as in the tests.
"""

import sys
from datetime import datetime

from tests.support.cast import Cast
from tests.support.desk_work import LongWork, use_small_batches
from tests.support.dying import die_after
from tracker.db.engine import open_engine


def main() -> None:
    url, task_id, now, statements = sys.argv[1:]
    engine = open_engine(url)
    use_small_batches()
    die_after(engine, int(statements))
    LongWork(Cast(url, engine), datetime.fromisoformat(now)).runner.run(int(task_id))


if __name__ == "__main__":
    main()
