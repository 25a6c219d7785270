"""Comparisons of rulebooks for the desk: run one at a time, and kept in memory for a while."""

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

import structlog
from sqlalchemy import Engine

from tracker.clock import stopwatch
from tracker.db.engine import reading
from tracker.services.rules_comparison import ComparisonInput, RulesComparison, compare_rules

_LOG = structlog.get_logger()
# What is kept, in all and how long. The largest association takes a few megabytes.
_MOST_KEPT, _KEPT_FOR = 8, timedelta(minutes=30)
_FAILED_FOR = timedelta(minutes=1)
_LONGEST_SECONDS = 120.0
# Most are done by then, so that the first page already has the result.
_WAIT_SECONDS = 1.5


class _StoppedError(Exception):
    """The comparison took too long, or too many others were started."""


@dataclass
class Comparison:
    """One comparison, and how far it is: ``done`` of ``total`` endorsements.

    ``result`` is None while it runs, and if it ``failed``.
    """

    asked: ComparisonInput
    started_at: datetime
    done: int = 0
    total: int = 0
    result: RulesComparison | None = None
    failed: bool = False
    is_stopped: bool = False
    future: Future[None] | None = field(default=None, repr=False)

    def is_old(self, now: datetime) -> bool:
        """Whether it is time to compare anew; what failed is not tried again at once."""
        kept_for = _FAILED_FOR if self.failed else _KEPT_FOR
        return now - self.started_at > kept_for


class Comparisons:
    """Runs comparisons in a thread of its own, one after another, off the pages' threads.

    Results are in this process only. Another process, or a later page, compares again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="comparisons")
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Comparison] = OrderedDict()

    def get(self, key: Hashable, asked: ComparisonInput, now: datetime) -> Comparison:
        """The comparison with this key, started if there is none, or if it is too old.

        A page that comes while it runs gets it unfinished.
        """
        with self._lock:
            comparison = self._kept.get(key)
            if comparison is None or comparison.is_old(now):
                comparison = self._start(key, asked, now)
        if comparison.future is not None:
            wait([comparison.future], timeout=_WAIT_SECONDS)
        return comparison

    def forget(self, key: Hashable) -> None:
        """Compare anew the next time, because facts may have changed."""
        with self._lock:
            comparison = self._kept.pop(key, None)
            if comparison is not None:
                comparison.is_stopped = True

    def _start(self, key: Hashable, asked: ComparisonInput, now: datetime) -> Comparison:
        comparison = self._kept[key] = Comparison(asked, now)
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            _, oldest = self._kept.popitem(last=False)
            oldest.is_stopped = True
        comparison.future = self._thread.submit(copy_context().run, self._run, comparison)
        return comparison

    def _run(self, comparison: Comparison) -> None:
        started = stopwatch()

        def progress(done: int, total: int) -> None:
            comparison.done, comparison.total = done, total
            if comparison.is_stopped or stopwatch() - started > _LONGEST_SECONDS:
                raise _StoppedError

        try:
            progress(0, 0)
            comparison.result = compare_rules(
                lambda: reading(self._engine), comparison.asked, progress
            )
        except _StoppedError:
            comparison.failed = True
        except Exception:  # noqa: BLE001 - whatever it is, the thread goes on
            _LOG.exception("a comparison of rulebooks failed")
            comparison.failed = True
