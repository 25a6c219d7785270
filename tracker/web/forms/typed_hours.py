"""Hours as people type them: ``1.5``, ``1:30``, ``90 min``."""

from tracker.hours import MINUTES_IN_DAY, parse_hours, say_hours


class HoursWrong(ValueError):  # noqa: N818 - reads as the sentence it prints
    """What is wrong with typed hours."""


def read_hours(typed: str, what: str) -> int:
    """The minutes that are typed for ``what``, more than none and a day at most.

    Raises HoursWrong, in words for the person who typed it.
    """
    if not typed:
        words = f"Enter {what}, like 1.5, 1:30 or 90 min"
        raise HoursWrong(words)
    try:
        minutes = parse_hours(typed)
    except ValueError as error:
        words = f"Write {what} like 1.5, 1:30 or 90 min"
        raise HoursWrong(words) from error
    if 0 < minutes <= MINUTES_IN_DAY:
        return minutes
    limit = "more than 0" if minutes <= 0 else f"{say_hours(MINUTES_IN_DAY)} at most"
    words = f"{what[0].upper()}{what[1:]} must be {limit}"
    is_bare = minutes > MINUTES_IN_DAY and typed.isdecimal() and int(typed) <= MINUTES_IN_DAY
    raise HoursWrong(f"{words}: for minutes write {typed} min" if is_bare else words)
