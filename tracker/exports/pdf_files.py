"""Makes PDF files of templates for typst, few at a time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from importlib.util import find_spec
from threading import BoundedSemaphore, Lock
from typing import Any

import structlog

from tracker.settings import templates_folder

AVAILABLE = find_spec("typst") is not None
# Typesetting takes a whole processor: leave room for pages.
_AT_A_TIME = BoundedSemaphore(2)
_WAIT_SECONDS = 20
# More than the processor time that typesetting may take: the machine may be busy.
_MOST_SECONDS = 60
_CHILD = [sys.executable, "-P", "-m", "tracker.exports.typesetting"]
_LOG = structlog.get_logger(__name__)


class BusyError(Exception):
    """Too many PDF files are being made at the moment, or one for this person: try again later."""


class TypesettingError(Exception):
    """A document can't be typeset, or only with more memory or time than it may take."""


def make_pdf(name: str, data: Mapping[str, Any], printed_on: date, person_id: int) -> bytes:
    """The template ``name`` with ``data`` as a tagged PDF, dated at noon of ``printed_on``.

    ``person_id`` is for whom it is made. Raises BusyError or TypesettingError.
    """
    printed_at = datetime.combine(printed_on, time(12), UTC)
    wanted = {
        "folder": str(templates_folder() / "pdf"),
        "name": name,
        "content": json.dumps(data, ensure_ascii=False),
        "printed_at": int(printed_at.timestamp()),
    }
    with wait_for_turn(person_id):
        return _typeset(json.dumps(wanted).encode())


_people_served = set[int]()
_people_lock = Lock()


@contextmanager
def wait_for_turn(person_id: int) -> Iterator[None]:
    """Let few files be made at a time, and one for each person. Raises BusyError."""
    with _people_lock:
        if person_id in _people_served:
            raise BusyError
        _people_served.add(person_id)
    try:
        if not _AT_A_TIME.acquire(timeout=_WAIT_SECONDS):
            raise BusyError
        try:
            yield
        finally:
            _AT_A_TIME.release()
    finally:
        with _people_lock:
            _people_served.remove(person_id)


def _typeset(wanted: bytes) -> bytes:
    # It needs none of our settings, some of which are secret.
    environment = {name: os.environ[name] for name in os.environ if name.startswith("PYTHON")}
    try:
        done = subprocess.run(  # noqa: S603 - nothing of the command is typed by anybody
            _CHILD,
            input=wanted,
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=True,
            env=environment,
        )
    except subprocess.SubprocessError as error:
        # What it printed can contain what is in the document.
        _LOG.error("a document was not typeset", error=type(error).__name__)
        raise TypesettingError from error
    return done.stdout
