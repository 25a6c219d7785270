"""Cycles worked out the slow way: from one cycle to the next, by year, month and day."""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta

from tracker.rules.model import CycleScheme

DAY = timedelta(days=1)
Span = tuple[date, date]


def _scheme(
    starts_from: str,
    years: int,
    ends_on: str | None,
    first_cycle: str,
    **changes: object,
) -> CycleScheme:
    return CycleScheme.model_validate(
        {
            "from": date.fromisoformat(starts_from),
            "kind": "fixed" if ends_on else "anniversary",
            "years": years,
            "ends_on": date.fromisoformat(ends_on) if ends_on else None,
            "grace_days": 31,
            "first_cycle": first_cycle,
            **changes,
        }
    )


def _lengthens(day: str) -> dict[str, object]:
    return {"lengthens_on": date.fromisoformat(day), "long_cycle": "all hours"}


_CALENDAR = _scheme("2000-01-01", 1, "2000-12-31", "no hours")
SCHEMES: dict[str, list[CycleScheme]] = {
    "calendar year": [_CALENDAR],
    "June 30": [_scheme("2000-07-01", 1, "2021-06-30", "all hours")],
    "February 28": [_scheme("2000-03-01", 1, "2023-02-28", "fraction by month")],
    "February 29": [_scheme("2000-03-01", 1, "2024-02-29", "fraction by month")],
    "three years": [_scheme("2000-01-01", 3, "2027-12-31", "fraction by month")],
    "three years, by year": [_scheme("2000-01-01", 3, "2027-12-31", "fraction by year")],
    "anniversary": [_scheme("2000-01-01", 1, None, "no hours")],
    "third anniversary": [_scheme("2000-01-01", 3, None, "all hours")],
    "one year, then three": [_CALENDAR, _scheme("2025-01-01", 3, "2027-12-31", "fraction by year")],
    "June, then December": [
        _scheme("2000-07-01", 1, "2021-06-30", "all hours"),
        _scheme("2024-07-01", 1, "2024-12-31", "all hours"),
    ],
    "calendar year, lengthened": [
        _CALENDAR,
        _scheme("2024-07-01", 1, "2024-06-30", "no hours", **_lengthens("2022-10-01")),
    ],
    "third anniversary, lengthened": [
        _scheme("2000-01-01", 3, None, "all hours"),
        _scheme("2025-01-01", 3, "2024-12-31", "all hours", **_lengthens("2022-02-28")),
    ],
    "calendar year, then anniversary": [_CALENDAR, _scheme("2023-01-01", 2, None, "no hours")],
}


def walk(schemes: Sequence[CycleScheme], endorsed_on: date, until: date) -> list[Span]:
    """Every cycle, both ends included, of someone endorsed on a day, from the first one on."""
    found: list[Span] = []
    for number, scheme in enumerate(schemes):
        following = schemes[number + 1] if number + 1 < len(schemes) else None
        for first, last in _cycles(scheme, endorsed_on, until):
            starts_on, ends_on = max(first, scheme.starts_from), last
            if following:
                eve = following.starts_from - DAY
                is_long = _is_lengthened(scheme, following, endorsed_on, (first, last))
                ends_on = eve if is_long else min(last, eve)
            if starts_on <= ends_on and ends_on >= endorsed_on:
                found.append((starts_on, ends_on))
            if ends_on > last:
                break
    return found


def _is_lengthened(
    scheme: CycleScheme, following: CycleScheme, endorsed_on: date, cycle: Span
) -> bool:
    day = following.lengthens_on
    runs = day is not None and cycle[0] <= day <= cycle[1]
    is_held = scheme.kind == "fixed" or (day is not None and endorsed_on <= day)
    return runs and is_held and cycle[1] < following.starts_from


def _cycles(scheme: CycleScheme, endorsed_on: date, until: date) -> list[Span]:
    anchor = scheme.ends_on + DAY if scheme.ends_on else endorsed_on
    year = anchor.year
    while year > scheme.starts_from.year - 2 * scheme.years:
        year -= scheme.years
    found = []
    while (first := anniversary_in(anchor, year)) <= until:
        year += scheme.years
        found.append((first, anniversary_in(anchor, year) - DAY))
    return found


def anniversary_in(anchor: date, year: int) -> date:
    """The anchor's day in another year; February 29 is February 28 in a common one."""
    last = calendar.monthrange(year, anchor.month)[1]
    return date(year, anchor.month, min(anchor.day, last))
