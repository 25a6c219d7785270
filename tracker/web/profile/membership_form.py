"""The form for a membership term: what may be typed, and what is wrong with what was."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from starlette.datastructures import FormData
from wtforms import RadioField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired

from tracker.records.profile.memberships import Term, TermOverlaps
from tracker.rules.providers import say_day
from tracker.web.forms.day_fields import DayAsked, read_day, say_day_fields, with_today
from tracker.web.forms.form_parts import OwnForm, add_problem, clean

_YEAR, _UNTIL = "year", "until"
_MOST_YEARS = 5


class Organization(NamedTuple):
    """An organization whose membership is accepted."""

    id: str
    name: str


class TermForm(OwnForm):
    """One term: an organization, its first day, and how long it runs."""

    # Whether it is shown again because "Today" was pressed.
    is_today = False
    organization = SelectField("Which organization?", default="")
    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    length = RadioField(
        "How long does it run?",
        choices=[
            SelectChoice(_YEAR, "One year from its first day"),
            SelectChoice(_UNTIL, "To another last day"),
        ],
        validators=[InputRequired("Choose how long it runs")],
    )
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])


def term_form(
    organizations: Sequence[Organization],
    typed: FormData | None = None,
    *,
    stored: Term | None = None,
    today: date | None = None,
) -> TermForm:
    """The form as it was ``typed``, else as a term is ``stored``, else empty.

    Where the button "Today" was pressed, ``today`` is its first day.
    """
    prefill = {"length": _YEAR}
    if len(organizations) == 1:
        prefill["organization"] = organizations[0].id
    if stored is not None:
        prefill = {
            "organization": stored.organization,
            "length": _YEAR if stored.ends_on == one_year_from(stored.starts_on) else _UNTIL,
            **say_day_fields("starts", stored.starts_on),
            **say_day_fields("ends", stored.ends_on),
        }
    is_today = False
    if typed is not None and today is not None and "today" in typed:
        typed, is_today = with_today(typed, "starts", today), True
    form = TermForm(typed, data=prefill)
    form.is_today = is_today
    known = [SelectChoice(one.id, f"{one.name} ({one.id})") for one in organizations]
    form.organization.choices = [SelectChoice("", "Choose"), *known]
    return form


def one_year_from(first: date) -> date:
    """The last day, included, of a year that begins on ``first``."""
    after = first + relativedelta(years=1)
    # The year of a 29 February has its last day on the 28th, not on the 27th.
    return after if after.day != first.day else after - timedelta(days=1)


def read_term(form: TermForm, today: date) -> Term | None:
    """The term that the form describes; None with `problems` where something is wrong."""
    form.validate()
    organization = _organization(form)
    starts_on = read_day(form, DayAsked("starts", "first day", today))
    ends_on = None
    if form.length.data == _UNTIL:
        ends_on = read_day(form, DayAsked("ends", "last day", today))
    elif starts_on is not None:
        ends_on = one_year_from(starts_on)
    if starts_on and ends_on and not _fits(form, starts_on, ends_on):
        return None
    if form.errors or starts_on is None or ends_on is None:
        return None
    return Term(organization, starts_on, ends_on)


def say_overlap(form: TermForm, refused: TermOverlaps) -> None:
    """Say which recorded term covers some of the same days."""
    other = refused.other
    days = f"{say_day(other.starts_on)} to {say_day(other.ends_on)}"
    words = f"You have {other.organization} from {days} already: a new term must lie beside it"
    add_problem(form.starts_day, words)


def _organization(form: TermForm) -> str:
    if not form.organization.data or form.organization.errors:
        form.organization.errors = ["Choose an organization from the list"]
    return str(form.organization.data or "")


def _fits(form: TermForm, starts_on: date, ends_on: date) -> bool:
    if ends_on < starts_on:
        add_problem(form.ends_day, f"The last day must be {say_day(starts_on)} or later")
        return False
    if ends_on >= starts_on + relativedelta(years=_MOST_YEARS):
        add_problem(form.ends_year, f"A term can be {_MOST_YEARS} years long at most")
        return False
    return True
