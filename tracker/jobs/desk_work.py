"""Does the desk's long work batch by batch, for the embedded engine and for workers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from tracker.clock import stopwatch
from tracker.db.errors import is_passing, name_error
from tracker.notifications.context import JobContext
from tracker.services.desk_tasks import CannotGoOnError, fail_task, list_working_tasks

_LOG = structlog.get_logger(__name__)
# Then a run ends, so that a shutdown never waits long for it. The next tick goes on.
_MOST_SECONDS = 10.0
_FAILED = "Something went wrong on our side. What is done so far is kept."

# Does the next batch of a task (its id) at an instant; False if the task ended, or another process
# works on it. It opens its own transactions; the one that stores locks the task (`lock_task`) and
# moves it on (`advance_task`).
DeskBatch = Callable[[JobContext, int, datetime], bool]
DeskBatches = Mapping[str, DeskBatch]


@dataclass(frozen=True, slots=True)
class DeskWorkRunner:
    """Does the work that waits, each kind by its own batches."""

    context: JobContext
    batches: DeskBatches
    clock: Callable[[], datetime]

    def run_waiting(self, seconds: float = _MOST_SECONDS) -> int:
        """Work on all that waits, a batch of each in turn; return how many there were.

        After so many seconds no more batches are begun.
        """
        with self.context.transaction() as session:
            waiting = dict(list_working_tasks(session))
        found = len(waiting)
        self._run(waiting, seconds)
        return found

    def run(self, task_id: int, seconds: float = _MOST_SECONDS) -> None:
        """Work on one task, as `run_waiting` does."""
        with self.context.transaction() as session:
            waiting = dict(list_working_tasks(session))
        self._run({task_id: waiting[task_id]} if task_id in waiting else {}, seconds)

    def _run(self, kinds: dict[int, str], seconds: float) -> None:
        """Do batches of the tasks with these ids and kinds, which are taken out as they end."""
        started = stopwatch()
        while kinds:
            for task_id, kind in list(kinds.items()):
                if not self._do_batch(task_id, kind):
                    del kinds[task_id]
                if stopwatch() - started >= seconds:
                    return

    def _do_batch(self, task_id: int, kind: str) -> bool:
        """Do one batch; whether there may be another. What goes wrong is stored with the task."""
        try:
            return self.batches[kind](self.context, task_id, self.clock())
        except CannotGoOnError as error:
            self._fail(task_id, str(error))
            return False
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            if is_passing(error):
                _LOG.warning(
                    "the desk's work waits, the next tick tries again",
                    task_id=task_id,
                    error=name_error(error),
                )
                return False
            _LOG.exception("the desk's work failed", task_id=task_id, kind=kind)
            self._fail(task_id, _FAILED)
            return False

    def _fail(self, task_id: int, problem: str) -> None:
        with self.context.transaction() as session:
            fail_task(session, task_id, problem, self.clock())
