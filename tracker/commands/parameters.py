"""Reading what is typed on the command line."""

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """An ISO instant as aware UTC; without an offset it is UTC, a bare day is its midnight.

    Raises ValueError, saying what would be right.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not an instant: write it as 2026-12-31T08:00-05:00"
        raise ValueError(message) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
