"""Days so far away that one can't count from them: years before or after would have no date."""

from datetime import date, timedelta

_THOUSAND_YEARS = timedelta(days=366 * 1000)


def is_far(day: date) -> bool:
    """Whether a day is within a thousand years of the first or last day that a date can be."""
    return not date.min + _THOUSAND_YEARS <= day <= date.max - _THOUSAND_YEARS
