"""Settings that are a time of day, in the time zone of an association."""

import re
from datetime import time
from typing import Annotated

from pydantic import BeforeValidator

_WRITTEN = re.compile(r"\d{2}:\d{2}(:\d{2})?")


def _read_time(value: object) -> object:
    """A time of TOML, or one that is written so. Raises ValueError for anything else."""
    # Otherwise a number would be seconds after midnight, and a time could have a zone of its own.
    if isinstance(value, time) or (isinstance(value, str) and _WRITTEN.fullmatch(value)):
        return value
    message = "write the time of day as 07:30:00"
    raise ValueError(message)


TimeOfDay = Annotated[time, BeforeValidator(_read_time)]
