"""Settings that are a time of day or a day, as TOML has them or as text of that form.

Pydantic also takes numbers: seconds after midnight, or since the epoch of Unix.
"""

import re
from datetime import date, time
from typing import Annotated

from pydantic import BeforeValidator

_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?")


def _read_time(value: object) -> object:
    # Without an offset, as it is in the time zone of an association.
    if isinstance(value, time) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    message = "write the time of day as 07:30:00"
    raise ValueError(message)


def _read_day(value: object) -> object:
    if isinstance(value, date | str):
        return value
    message = "write the day as YYYY-MM-DD"
    raise ValueError(message)


TimeOfDay = Annotated[time, BeforeValidator(_read_time)]
SettingDay = Annotated[date, BeforeValidator(_read_day)]
