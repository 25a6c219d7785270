"""Days on forms that have several: each in three fields, ``<prefix>_day`` and so on."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from dateutil.relativedelta import relativedelta
from starlette.datastructures import FormData

from tracker.rules.providers import say_day
from tracker.rules.spans import PLAUSIBLE_YEARS
from tracker.web.forms.form_parts import add_problem
from tracker.web.forms.typed_date import DateWrong, Said, read_any_date, say_date

_PARTS = ("day", "month", "year")


@dataclass(frozen=True, slots=True)
class DayAsked:
    """One day of a form: its fields' ``prefix``, what it is called ("first day"), and today."""

    prefix: str
    called: str
    today: date


def say_day_fields(prefix: str, day: date | None) -> dict[str, str]:
    """A day as one would type it into the fields of ``prefix``; nothing for None."""
    return {f"{prefix}_{part}": text for part, text in say_date(day).items()} if day else {}


def with_today(typed: FormData, prefix: str, today: date) -> FormData:
    """What was typed, with today in the fields of ``prefix``."""
    parts = say_day_fields(prefix, today)
    kept = [(name, text) for name, text in typed.multi_items() if name not in parts]
    return FormData([*kept, *parts.items()])


def is_blank(form: Any, prefix: str) -> bool:  # noqa: ANN401 - wtforms ships no types
    """Whether nothing is typed in any of the three fields."""
    return not any(form[f"{prefix}_{part}"].data for part in _PARTS)


def read_day(form: Any, asked: DayAsked) -> date | None:  # noqa: ANN401
    """The day that was typed; None with its problem, which stands at one of the fields.

    Ten years back and ahead are taken, both ends included: what lies outside is a slip.
    """
    parts = [form[f"{asked.prefix}_{part}"].data or "" for part in _PARTS]
    this_year = asked.today.year
    said = Said(f"Enter the {asked.called}", f"The {asked.called}", this_year)
    years = range(this_year - PLAUSIBLE_YEARS, this_year + PLAUSIBLE_YEARS + 1)
    try:
        found = read_any_date(*parts, said=said, years=years)
    except DateWrong as wrong:
        add_problem(form[f"{asked.prefix}_{wrong.part}"], str(wrong))
        return None
    span = relativedelta(years=PLAUSIBLE_YEARS)
    first, last = asked.today - span, asked.today + span
    if not first <= found <= last:
        words = f"The {asked.called} must lie between {say_day(first)} and {say_day(last)}"
        add_problem(form[f"{asked.prefix}_year"], words)
        return None
    return found
