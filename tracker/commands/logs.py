"""What is logged, and what never is: no text of a person's, no code, no token.

A line says what went wrong and where: the kinds of the errors, a database's number for them, and
the places in the code. What errors say in words is left out (databases quote whole rows), as are
the variables that were in use. Lines are JSON where no person reads along. What is logged for one
request has its ``request_id``, which its answer has as X-Request-ID.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]
_FIRST_OF_TRACEBACK = "Traceback "


def configure_logs(level: int = logging.INFO) -> None:
    """Have our own lines of ``level`` and above written to standard error."""
    renderer = structlog.dev.ConsoleRenderer(colors=True) if _is_read() else _as_json
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_trace,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for anew each time: whoever replaces the stream later gets what is written then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def server_logs() -> dict[str, Any]:
    """The same for what uvicorn and other packages log, as `logging.config` takes it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": f"{__name__}.Lines"}},
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


class Lines(logging.Formatter):
    """One line for what another package logs."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, or as text where a person reads along."""
        said = record.getMessage().strip()
        event: Event = {"event": said.partition("\n")[0], "logger": record.name}
        if said.startswith(_FIRST_OF_TRACEBACK):
            # An error that has become text on the way; its last line begins with its kind.
            event = {"event": "failed", "logger": record.name, "exception": _without_words(said)}
        event["level"] = record.levelname.lower()
        event.update(structlog.contextvars.get_contextvars())
        if record.exc_info and record.exc_info[1]:
            event["exception"] = trace(record.exc_info[1])
        if not _is_read():
            return _as_json(None, "", event)
        more = event.get("exception", "")
        return f"{event['level']:9}{event['event']}" + (f"\n{more}" if more else "")


def trace(error: BaseException) -> str:
    """An error, and those that it came from, the last one last; a line each kind and place."""
    return "\n".join(line for one in _chain(error) for line in _lines_of(one))


def _is_read() -> bool:
    return sys.stderr.isatty()


def _as_json(_logger: object, _name: str, event: Event) -> str:
    return json.dumps(dict(event), ensure_ascii=False, default=repr)


def _with_trace(_logger: object, _name: str, event: Event) -> Event:
    told = event.pop("exc_info", None)
    if told:
        error = told if isinstance(told, BaseException) else sys.exc_info()[1]
        if error is not None:
            event["exception"] = trace(error)
    return event


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return found[::-1]


def _lines_of(error: BaseException) -> Iterator[str]:
    kind = type(error)
    # Each is a number or a name out of a fixed list.
    numbers = (getattr(error, name, None) for name in ("sqlstate", "sqlite_errorname", "errno"))
    said = " ".join(str(number) for number in numbers if number)
    yield f"{kind.__module__}.{kind.__qualname__} {said}".rstrip()
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines_of(one)


def _without_words(text: str) -> str:
    *lines, last = text.splitlines()
    places = [line for line in lines if line.startswith("  File ")]
    return "\n".join([*places, last.partition(":")[0]])
