"""What is logged, and what never is: nothing that a person typed, no code, and no token.

A line says what failed and where: the types of the errors, the database's error number, and the
places in the code. Error messages (databases quote whole rows in them) and variables are left out.
Lines are JSON unless a person is watching the terminal. Each line that is logged for a request has
its ``request_id``, which the response has as X-Request-ID.
"""

import json
import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]
_TRACEBACK_START = "Traceback "


def configure_logs(level: int = logging.INFO) -> None:
    """Write our own events of ``level`` and above to standard error."""
    structlog.configure(
        processors=[*_SHARED_PROCESSORS, _choose_renderer()],
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
        "handlers": {
            "error": {
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
