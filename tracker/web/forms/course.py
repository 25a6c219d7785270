"""The days of a course on the form for hours: one row each, with its date and hours."""

from collections import defaultdict
from datetime import date

from tracker.services.entry_rules import TEXT_LIMITS, EntryInput
from tracker.web.forms.entry import (
    ALL,
    COURSE_FIELDS,
    TOPIC_PREFIXES,
    SubmittedForm,
    course_field,
    parse_entry,
)
from tracker.web.forms.fields import SEVERAL, TYPED, join_date_fields

# So many rows are shown at first, and added by one press of the button.
_FIRST_ROWS, _MORE_ROWS = 3, 2
_FEWEST_DAYS = 2
_TOPIC = TOPIC_PREFIXES["training"]
_KEEP = "To keep what you chose, save again."
# What is typed in the fields of one day, by their names in a form for a single day.
_Row = dict[str, str]


def count_rows(form: SubmittedForm) -> int:
    """For how many days of a course the form has fields; more if the person asked for more."""
    sent = [number for number in range(1, len(COURSE_FIELDS) + 1) if _has_row(form, number)]
    more = _MORE_ROWS if "add_days" in form.texts else 0
    return min(max([_FIRST_ROWS, *sent]) + more, len(COURSE_FIELDS))


def _has_row(form: SubmittedForm, number: int) -> bool:
    return course_field(number, "hours") in form.texts


def _rows_of(form: SubmittedForm) -> dict[int, _Row]:
    """What is typed for each day, by its number; blank fields and rows are left out."""
    rows = defaultdict[int, _Row](dict)
    for number, prefix in enumerate(COURSE_FIELDS, start=1):
        for name, text in sorted(form.texts.items()):
            if text and name.startswith(prefix):
                rows[number][name.removeprefix(prefix)] = text
    return rows


def join_course_fields(form: SubmittedForm) -> str:
    """All that is typed about the days of a course, in one text."""
    rows = _rows_of(form).values()
    return " ".join(f"{name}={text}" for row in rows for name, text in row.items())


def check_unused_days(form: SubmittedForm) -> None:
    """Ask about the days of a course that would be lost, because one day is chosen."""
    if join_course_fields(form) != form["prefilled_course"]:
        message = "You entered the days of a course and chose one day. For the course, choose"
        form.add_problem("when", f"{message} “Several days.” {_KEEP}")


def parse_course(form: SubmittedForm, today: date) -> list[EntryInput]:
    """The entry for each day of a course; what can't be read becomes a problem of the form.

    A row without a month or year has that of the row above. A blank row is none: the rows below
    move up. What is typed for a single day, and would be lost, is asked about.
    """
    _check_unused_fields(form)
    rows = list(_rows_of(form).values())
    _move_up(form, rows)
    if len(rows) < _FEWEST_DAYS:
        message = "Enter at least two days of the course, or choose one day above"
        form.add_problem(course_field(len(rows) + 1, "day"), message)
    # What the days have in common.
    shared = {name: text for name, text in form.texts.items() if text.lower() == ALL}
    shared |= {name: form[name] for name in ("activity", "title", "reference")}
    shared |= {"when": SEVERAL, "length": TYPED}
    days, above = [], _Row()
    for number, row in enumerate(rows, start=1):
        above |= {name: row[name] for name in ("month", "year") if name in row}
        single = SubmittedForm((shared | above | row).items())
        days.append(parse_entry(single, (None, None), today))
        for field, message in single.problems:
            # What is wrong with a shared text is a problem of the form already.
            if field not in TEXT_LIMITS:
                form.add_problem(course_field(number, field), f"Day {number}: {message}")
    return days


def _move_up(form: SubmittedForm, rows: list[_Row]) -> None:
    """Close the gaps between the rows that are filled in."""
    for name in form.texts:
        if name.startswith(COURSE_FIELDS):
            form[name] = ""
    for number, row in enumerate(rows, start=1):
        for name, text in row.items():
            form[course_field(number, name)] = text


def _check_unused_fields(form: SubmittedForm) -> None:
    day = join_date_fields(form.texts)
    if day not in {"", form["prefilled_day"]} or form["hours"] not in {"", form["prefilled_hours"]}:
        message = "You chose “Several days” and also typed one day or its hours. For one, choose"
        form.add_problem("when", f"{message} “Another day.” {_KEEP}")
    for name, text in form.texts.items():
        if name.startswith(_TOPIC) and text.lower() not in {"", ALL}:
            topic = name.removeprefix(_TOPIC)
            message = f"Enter the hours about {topic} beside each day, or “all” here for every day"
            form.add_problem(name, message)
