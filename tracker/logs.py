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
    structlog.configure(
        processors=[*_COMMON, _renderer()],
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


class Lines(structlog.stdlib.ProcessorFormatter):
    """One line for what another package logs, in the form of our own."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[_as_event, structlog.stdlib.add_logger_name, *_COMMON],
            processors=[self.remove_processors_meta, _renderer()],
        )


def trace(error: BaseException) -> str:
    """An error, and those that it came from, the last one last; a line each kind and place."""
    return "\n".join(line for one in _chain(error) for line in _lines_of(one))


def _renderer() -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(colors=True) if sys.stderr.isatty() else _as_json


def _as_event(_logger: object, _name: str, event: Event) -> Event:
    """What another package says: its first line, or of an error its kind and places."""
    said = str(event["event"]).strip()
    if said.startswith(_FIRST_OF_TRACEBACK):
        # An error that has become text on the way; its last line begins with its kind.
        return {**event, "event": "failed", "exception": _without_words(said)}
    # Where it was called from quotes the code, and no more.
    event.pop("stack_info", None)
    return {**event, "event": said.partition("\n")[0]}


def _as_json(_logger: object, _name: str, event: Event) -> str:
    return json.dumps(dict(event), ensure_ascii=False, default=repr)


def _with_trace(_logger: object, _name: str, event: Event) -> Event:
    told = event.pop("exc_info", None)
    if told:
        # Other packages' lines carry kind, error and traceback.
        given = told[1] if isinstance(told, tuple) else told
        error = given if isinstance(given, BaseException) else sys.exc_info()[1]
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


# What every line goes through, whoever logs it.
_COMMON: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _with_trace,
)
