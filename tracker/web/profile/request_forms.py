"""The forms for time: asking for leave or a later due date, and a coordinator's decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from starlette.datastructures import FormData
from wtforms import HiddenField, RadioField, SelectChoice, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from tracker.records.profile.time_decisions import Grant
from tracker.records.profile.time_requests import EXTENSION, LEAVE, Request, Wish
from tracker.rules.providers import say_day
from tracker.web.forms.day_fields import DayAsked, is_blank, read_day, say_day_fields, with_today
from tracker.web.forms.form_parts import OwnForm, add_problem, clean, is_form_key, new_form_key

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """What time may be asked for: an endorsement; for an extension, in the cycle from ``since``.

    ``due_on`` is then the due date in force, the whole day included.
    """

    endorsement_id: int
    label: str
    since: date | None = None
    due_on: date | None = None

    @property
    def value(self) -> str:
        """How a form names it."""
        return f"{self.endorsement_id}:{self.since}" if self.since else str(self.endorsement_id)


class RequestForm(OwnForm):
    """A request: for what, which days, and why. An extension has no first day."""

    # Whether it is shown again because "Today" was pressed.
    is_today = False
    form_key = HiddenField(filters=[clean])
    subject = RadioField("For which endorsement?", validate_choice=False)
    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])
    reason = TextAreaField(
        "Why?",
        filters=[clean],
        validators=[
            InputRequired("Say in a few words why"),
            Length(max=_LONGEST, message="The reason can have 500 characters at most"),
        ],
    )


class DecisionForm(OwnForm):
    """The days to grant, as they were asked for or changed, and a word."""

    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])
    answer = TextAreaField(
        "A word to them",
        filters=[clean],
        validators=[Length(max=_LONGEST, message="The answer can have 500 characters at most")],
    )


def request_form(
    subjects: Sequence[Subject], typed: FormData | None = None, *, today: date | None = None
) -> RequestForm:
    """The form as it was ``typed``, else empty.

    Where the button "Today" was pressed, ``today`` is its first day.
    """
    prefill = {"subject": subjects[0].value} if len(subjects) == 1 else {}
    is_today = False
    if typed is not None and today is not None and "today" in typed:
        typed, is_today = with_today(typed, "starts", today), True
    form = RequestForm(typed, data=prefill)
    form.is_today = is_today
    form.subject.choices = [SelectChoice(one.value, one.label) for one in subjects]
    if not is_form_key(form.form_key.data):
        form.form_key.data = new_form_key()
    return form


def read_wish(
    form: RequestForm, kind: str, subjects: Sequence[Subject], today: date
) -> Wish | None:
    """What the form asks for; None with `problems` where something is wrong."""
    form.validate()
    chosen = next((one for one in subjects if one.value == form.subject.data), None)
    if chosen is None:
        add_problem(form.subject, "Choose for which endorsement")
    read = _read_leave(form, today) if kind == LEAVE else _read_due(form, chosen, today)
    if form.errors or chosen is None or read is None:
        return None
    return Wish(chosen.endorsement_id, kind, *read, str(form.reason.data))


def decision_form(request: Request, typed: FormData | None = None) -> DecisionForm:
    """The form as it was ``typed``, else with the days that were asked for."""
    days: Mapping[str, str] = {
        **say_day_fields("starts", request.starts_on),
        **say_day_fields("ends", request.ends_on),
    }
    return DecisionForm(typed, data=days)


def read_grant(
    form: DecisionForm, request: Request, due_on: date | None, today: date
) -> Grant | None:
    """The days to grant; None with `problems`. ``due_on`` is the due date that is in force."""
    form.validate()
    if request.kind == LEAVE:
        read = _read_leave(form, today)
    else:
        read = _read_due(form, Subject(0, "", request.starts_on, due_on), today)
    return None if form.errors or read is None else Grant(*read)


def read_refusal(form: DecisionForm) -> str | None:
    """The word that goes with a no; None with `problems`."""
    form.validate()
    if not form.answer.data:
        add_problem(form.answer, "Say in a few words why not: they get it by mail")
    return None if form.errors else str(form.answer.data)


def _read_leave(form: OwnForm, today: date) -> tuple[date, date | None] | None:
    starts_on = read_day(form, DayAsked("starts", "first day", today))
    ends_on = None
    if not is_blank(form, "ends"):
        ends_on = read_day(form, DayAsked("ends", "last day", today))
    if starts_on is None:
        return None
    if ends_on is not None and ends_on < starts_on:
        add_problem(form["ends_day"], f"The last day must be {say_day(starts_on)} or later")
    return starts_on, ends_on


def _read_due(
    form: OwnForm, chosen: Subject | None, today: date
) -> tuple[date, date | None] | None:
    due_on = read_day(form, DayAsked("ends", "new due date", today))
    if due_on is None or chosen is None or chosen.since is None:
        return None
    if chosen.due_on is not None and due_on <= chosen.due_on:
        words = f"The new due date must be later than {say_day(chosen.due_on)}, the one in force"
        add_problem(form["ends_day"], words)
    return chosen.since, due_on


KINDS = (LEAVE, EXTENSION)
