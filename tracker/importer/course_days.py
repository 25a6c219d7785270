"""A training over several days in one row of entries.csv, as one row for each day."""

import re
from collections.abc import Mapping

from tracker.formatting import parse_hours
from tracker.importer.cells import clean, read_date

COLUMN = "days"
# The columns that are read from ``days``.
DAY_COLUMNS = frozenset({"date", "hours", "topics"})
_FORM = (
    "write each day with its hours, separated by semicolons, and the hours about a topic in "
    "parentheses: YYYY-MM-DD 6; YYYY-MM-DD 5.5 (DEIA:1)"
)
# A line break within a cell is as good.
_BETWEEN_DAYS = re.compile(r"[;\r\n]")
_DAY = re.compile(r"(?P<date>\S+)\s+(?P<hours>[^()]*[^()\s])\s*(?:\((?P<topics>[^()]*)\))?")


class CourseCellError(ValueError):
    """What is wrong with a course's row, and in which column."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def split_course(cells: Mapping[str, str]) -> list[dict[str, str]]:
    """The cells of one row for each day; the row itself if its ``days`` are empty.

    In each of them, ``days`` has the part about that day. Raises CourseCellError. Days and hours
    are checked like those of any other row.
    """
    course = dict(cells)
    lines = _BETWEEN_DAYS.split(course.get(COLUMN, ""))
    parts = [part for line in lines if (part := _clean(COLUMN, line))]
    if not parts:
        return [course]
    if _clean("activity", course["activity"]).lower() == "rsc":
        raise CourseCellError(COLUMN, "only a training has days: give each RSC session a row")
    rows = [course | _read_day(part) for part in parts]
    _check_other_cells(course, rows)
    _check_repeated_days(rows)
    return rows


def _clean(column: str, cell: str) -> str:
    try:
        return clean(cell)
    except ValueError as error:
        raise CourseCellError(column, str(error)) from error


def _read_day(part: str) -> dict[str, str]:
    match = _DAY.fullmatch(part)
    if match is None:
        raise CourseCellError(COLUMN, f'"{part}" is not a day with its hours: {_FORM}')
    topics = (match["topics"] or "").replace(",", ";")
    return {"date": match["date"], "hours": match["hours"], "topics": topics, COLUMN: part}


def _check_other_cells(course: Mapping[str, str], rows: list[dict[str, str]]) -> None:
    """The row's own date, hours, and topics are empty, or say the same as its days."""
    first, date = rows[0]["date"], _clean("date", course["date"])
    if date and read_date(date) != read_date(first):
        raise CourseCellError("date", f"must be empty, or {first} as the first one of the days")
    if _clean("topics", course.get("topics", "")):
        raise CourseCellError("topics", f"must be empty if days are given: {_FORM}")
    hours = _clean("hours", course["hours"])
    if hours and _add_hours([hours]) != _add_hours([row["hours"] for row in rows]):
        raise CourseCellError("hours", "must be empty, or the sum of the hours of all days")


def _check_repeated_days(rows: list[dict[str, str]]) -> None:
    days = [read_date(row["date"]) for row in rows]
    for row, day in zip(rows, days, strict=True):
        if day and days.count(day) > 1:
            which = f"has {row['date']} twice"
            message = f"{which}: add its hours up, or give the second session a row of its own"
            raise CourseCellError(COLUMN, message)


def _add_hours(texts: list[str]) -> int | None:
    """The minutes of all texts together; None if one can't be read: that is reported as it is."""
    try:
        return sum(map(parse_hours, texts))
    except ValueError:
        return None
