"""The work on imports that pages have begun, and how far it has come."""

from threading import Lock

from fastapi.responses import Response

from tracker.db.engine import writing
from tracker.importer.plans import ImportRunner, start_undoing
from tracker.importer.problems import Progress
from tracker.services.context import Refused
from tracker.web.dependencies import Site
from tracker.web.page_request import PageRequest


class ProgressBoard:
    """How far the imports have come on which this process works; others know nothing of it."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[int, int]] = {}
        self._lock = Lock()

    def note(self, plan_id: int, done: int, total: int) -> None:
        """Note how many steps are done."""
        with self._lock:
            self._done[plan_id] = (done, total)

    def forget(self, plan_id: int) -> None:
        """Forget an import whose work has ended."""
        with self._lock:
            self._done.pop(plan_id, None)

    def percent(self, plan_id: int) -> int | None:
        """How much is done; None if it is not known."""
        with self._lock:
            done, total = self._done.get(plan_id, (0, 0))
        return min(99, 100 * done // total) if total else None


_PROGRESS = ProgressBoard()


def percent_done(plan_id: int) -> int | None:
    """How much of an import this process has done; None if another one works on it, or none yet."""
    return _PROGRESS.percent(plan_id)


def start_import(site: Site, plan_id: int) -> None:
    """Have an import worked on soon. If this process ends before, the next tick of any does it.

    Where workers run the jobs, they find it within seconds.
    """
    if site.configured.web.jobs:
        site.imports.run(run_import, site, plan_id)


def run_import(site: Site, plan_id: int) -> None:
    """Work on an import in the background."""
    runner = ImportRunner(site, site.rulebooks, lambda: writing(site.engine))
    progress = Progress(lambda done, total: _PROGRESS.note(plan_id, done, total))
    try:
        runner.run(plan_id, site.now(), progress)
    finally:
        _PROGRESS.forget(plan_id)


def undo_import(page: PageRequest, plan_id: int) -> Response:
    """Have an import undone; its page says what happened to each row."""
    try:
        page.write(lambda context: start_undoing(context, plan_id))
    except Refused:
        # Somebody else was faster: the page shows what is.
        return page.redirect(f"/coordinator/import/{plan_id}", "")
    start_import(page.site, plan_id)
    return page.redirect(f"/coordinator/import/{plan_id}", "")
