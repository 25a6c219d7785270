"""Reading what is typed on the command line."""

import re
from datetime import UTC, datetime

_BARE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_instant(text: str) -> datetime:
    """An ISO instant as aware UTC; without an offset it is UTC.

    A bare day is its last minute in UTC, when the same day has come in every zone of the
    Americas and its morning jobs are due. Raises ValueError, saying what would be right.
    """
    if _BARE_DAY.fullmatch(text):
        text += "T23:59+00:00"
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        # An overflow: in UTC it would be in a year that dates do not have.
        message = f"{text!r} is not an instant: write it as YYYY-MM-DDTHH:MM-05:00"
        raise ValueError(message) from error
