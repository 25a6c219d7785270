"""Comparisons of rulebooks for the desk: run one at a time, and kept in memory for a while."""

import secrets
from collections import OrderedDict
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
_LONGEST_SECONDS = 120.0
# Most are done by then, so that the page that follows has the result.
_WAIT_SECONDS = 1.5


class _StoppedError(Exception):
    """The comparison took too long, or its owner started another."""


@dataclass
class Comparison:
    """One comparison: whose it is, what is compared, and how far it is.

    ``result`` is None while it runs, and if it ``failed``.
    """

    owner: str
    title: str
    asked: ComparisonInput
    started_at: datetime
    done: int = 0
    total: int = 0
    result: RulesComparison | None = None
    failed: bool = False
    is_stopped: bool = False
    future: Future[None] | None = field(default=None, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether it waits or runs."""
        return self.result is None and not self.failed


class Comparisons:
    """Runs comparisons in a thread of its own, one after another, off the pages' threads.

    Nothing is stored: the results are in this process, for the person who asked, by a token.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="comparisons")
        self._lock = Lock()
        self._kept: OrderedDict[str, Comparison] = OrderedDict()

    def start(self, owner: str, title: str, asked: ComparisonInput, now: datetime) -> str:
        """Start a comparison in place of the owner's unfinished one, and return its token."""
        comparison = Comparison(owner, title, asked, now)
        token = secrets.token_urlsafe(12)
        with self._lock:
            for other in self._kept.values():
                if other.owner == owner and other.is_running:
                    other.is_stopped = True
            self._kept[token] = comparison
            while len(self._kept) > _MOST_KEPT:
                _, oldest = self._kept.popitem(last=False)
                oldest.is_stopped = True
        comparison.future = self._thread.submit(copy_context().run, self._run, comparison)
        wait([comparison.future], timeout=_WAIT_SECONDS)
        return token

    def find(self, token: str, owner: str, now: datetime) -> Comparison | None:
        """The comparison with a token, for its owner, while it is kept."""
        with self._lock:
            comparison = self._kept.get(token)
        if comparison is None or comparison.owner != owner:
            return None
        return comparison if now - comparison.started_at <= _KEPT_FOR else None

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
