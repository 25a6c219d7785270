"""What is logged, and what never is: nothing that a person typed, no code, and no token.

A line says what failed and where: the types of the errors, the database's error number, and the
places in the code. Error messages (databases quote whole rows in them) and variables are left out.
Lines are JSON unless a person is watching the terminal. Each line that is logged for a request has
its ``request_id``, which the response has as X-Request-ID. Of lines of one kind the first few in
a minute are logged, and then only how many there have been, so that a flood cannot fill the disk.
"""

import json
import logging
import sys
import traceback
from collections.abc import Hashable, MutableMapping
from threading import Lock
from typing import Any

import structlog

from tracker.clock import stopwatch

Event = MutableMapping[str, Any]
_TRACEBACK_START = "Traceback "
# Lines of one kind in a minute that are logged; of later ones the 100th, the 1,000th, and so on.
_FIRST_LINES, _WINDOW_SECONDS = 10, 60.0
_MOST_KINDS = 500


class Repetitions:
    """Counts log lines by kind, and tells which are logged; a kind's minute begins with its first.

    Threads may share it. It forgets all counts when there are too many kinds.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # By kind: when its minute began, by `stopwatch`, and its lines since.
        self._kinds: dict[Hashable, tuple[float, int]] = {}

    def count(self, kind: Hashable) -> int:
        """Count a line, and return how many of its kind there are in its minute, this one included.

        0 if it is not logged.
        """
        now = stopwatch()
        with self._lock:
            began, lines = self._kinds.get(kind, (now, 0))
            if now - began >= _WINDOW_SECONDS:
                began, lines = now, 0
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[kind] = (began, lines + 1)
        digits = str(lines + 1)
        is_round = digits == f"1{'0' * (len(digits) - 1)}"
        return lines + 1 if lines < _FIRST_LINES or is_round else 0


_REPETITIONS = Repetitions()


def configure_logs(level: int = logging.INFO) -> None:
    """Write our own events of ``level`` and above to standard error, and warnings of others."""
    global _REPETITIONS  # noqa: PLW0603 - a process has one log
    _REPETITIONS = Repetitions()
    # What other packages log where no server configures handlers, as in a worker.
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(ForeignLogFormatter())
        logging.lastResort.filters = [ForeignLogFilter()]
    structlog.configure(
        processors=[_limit_own_events, *_SHARED_PROCESSORS, _choose_renderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up for each event, so that tests can replace the stream.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def server_log_config() -> dict[str, Any]:
    """The same for uvicorn and other packages, as a configuration for `logging.config`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": f"{__name__}.ForeignLogFormatter"}},
        "filters": {"repetitions": {"()": f"{__name__}.ForeignLogFilter"}},
        "handlers": {
            "error": {
                "filters": ["repetitions"],
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["error"], "level": "WARNING"},
        "loggers": {"uvicorn": {"handlers": ["error"], "level": "INFO", "propagate": False}},
    }


class ForeignLogFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats what other packages log like our own events."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[
                _reduce_message,
                structlog.stdlib.add_logger_name,
                *_SHARED_PROCESSORS,
            ],
            processors=[self.remove_processors_meta, _choose_renderer()],
        )


class ForeignLogFilter(logging.Filter):
    """Drops repeated lines of other packages; the lines that are left say which one they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is logged. Its kind is its first words, and its error's type and place."""
        error = record.exc_info[1] if record.exc_info else None
        words = str(record.msg).strip().partition("\n")[0]
        repeated = _REPETITIONS.count((record.name, words, _place_of(error)))
        if repeated > _FIRST_LINES:
            record.msg, record.args = f"{words} ({repeated} times within a minute)", ()
        return repeated > 0


def _limit_own_events(_logger: object, _name: str, event: Event) -> Event:
    """Drop one of our own events if it is repeated; the others say which one they are."""
    info = event.get("exc_info")
    error = sys.exc_info()[1] if info is True else info
    kind = (event["event"], _place_of(error if isinstance(error, BaseException) else None))
    repeated = _REPETITIONS.count(kind)
    if not repeated:
        raise structlog.DropEvent
    return {**event, "repeated": repeated} if repeated > _FIRST_LINES else event


def _place_of(error: BaseException | None) -> Hashable:
    """The type of an error, and the line that raised it."""
    if error is None:
        return None
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = (last.tb_frame.f_code.co_filename, last.tb_lineno) if last else None
    return type(error), place


def describe_error(error: BaseException) -> str:
    """An error after its causes, one line for each type and each place, without messages."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.insert(0, cause)
        if cause.__cause__ is not None or cause.__suppress_context__:
            cause = cause.__cause__
        else:
            cause = cause.__context__
    lines: list[str] = []
    for link in chain:
        lines += _describe_link(link)
    return "\n".join(lines)


def _describe_link(error: BaseException) -> list[str]:
    kind = type(error)
    words = [f"{kind.__module__}.{kind.__qualname__}"]
    # Each of these is a number, or a name from a fixed list.
    for attribute in ("sqlstate", "sqlite_errorname", "errno"):
        if value := getattr(error, attribute, None):
            words.append(str(value))
    lines = [" ".join(words)]
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f"  {frame.filename}:{frame.lineno} in {frame.name}")
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            lines += _describe_link(member)
    return lines


def _choose_renderer() -> structlog.typing.Processor:
    if sys.stderr.isatty():
        return structlog.dev.ConsoleRenderer(colors=True)
    return _render_json


def _render_json(_logger: object, _name: str, event: Event) -> str:
    return json.dumps(dict(event), ensure_ascii=False, default=repr)


def _reduce_message(_logger: object, _name: str, event: Event) -> Event:
    """Keep the first line of another package's message; of a traceback, only types and places."""
    message = str(event["event"]).strip()
    if message.startswith(_TRACEBACK_START):
        *lines, last = message.splitlines()
        places = [line for line in lines if line.startswith("  File ")]
        exception = "\n".join([*places, last.partition(":")[0]])
        return {**event, "event": "failed", "exception": exception}
    event.pop("stack_info", None)
    return {**event, "event": message.partition("\n")[0]}


def _add_exception(_logger: object, _name: str, event: Event) -> Event:
    info = event.pop("exc_info", None)
    if isinstance(info, tuple):
        # Other packages log (type, error, traceback).
        info = info[1]
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info else None
    if error is not None:
        event["exception"] = describe_error(error)
    return event


_SHARED_PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_exception,
)
