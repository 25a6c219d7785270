"""What several kinds of rules check about their keys."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")


def number_items(
    numbers: Mapping[str, Sequence[int]], field: str, items: Sequence[Item]
) -> list[tuple[int, Item]]:
    """The items of a list with their places in the file, from one.

    ``numbers`` has the places of the lists of which some items were left out.
    """
    return list(zip(numbers.get(field, range(1, len(items) + 1)), items, strict=True))


def require_each_once(what: str, names: Sequence[str]) -> None:
    """Raise ValueError if a name is listed twice."""
    if len({*names}) < len(names):
        message = f"{what} lists something more than once"
        raise ValueError(message)


def require_company(key: str, value: object, other: str, other_value: object) -> None:
    """Raise ValueError if one key is given without the other that makes it count."""
    if value and not other_value:
        message = f"{key} without {other} changes nothing: add {other}, or remove {key}"
        raise ValueError(message)


def require_end_after_start(starts_from: date, until: date | None) -> None:
    """Raise ValueError if the last day is before the first one."""
    if until and until < starts_from:
        message = f"until ({until}) is before from ({starts_from})"
        raise ValueError(message)


def require_order(what: str, starts: list[date]) -> None:
    """Raise ValueError unless each date is later than the one before."""
    for earlier, later in pairwise(starts):
        if later <= earlier:
            message = f"{what} must be in order of their from dates: {later} follows {earlier}"
            raise ValueError(message)
