"""The form with which a coordinator proposes a correction of a session."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from typing import ClassVar

from starlette.datastructures import FormData
from wtforms import StringField

from tracker.formatting import format_hours
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import entry_input_of
from tracker.services.entry_rules import YEARS_BACK, EntryInput
from tracker.web.forms.body import add_problem, clean
from tracker.web.forms.days import PastDayForm
from tracker.web.forms.fields import HoursError, format_date_fields, parse_session_hours

_PREFIX = "topic-"


class CorrectionForm(PastDayForm):
    """The date, the length, and the title of a session; `build_correction_form` adds its topics."""

    years_back: ClassVar[int] = YEARS_BACK
    first_field = "hours"

    hours = StringField("Hours", filters=[clean])
    title = StringField("Title", filters=[clean])

    @property
    def topic_names(self) -> list[str]:
        """The names of the fields for hours about topics."""
        return [name for name in self._fields if name.startswith(_PREFIX)]


def build_correction_form(
    entry: LoggedEntry, topics: Mapping[str, str], typed: FormData | None
) -> CorrectionForm:
    """The form with what is typed, or filled with the session; ``topics`` have their labels."""
    values = {
        **format_date_fields(entry.held_on),
        "hours": format_hours(entry.minutes),
        "title": entry.title,
    }
    for topic, minutes in entry.topics.items():
        values[_PREFIX + topic] = format_hours(minutes)
    form: CorrectionForm = _form_class(tuple(topics.items()))(typed, data=values)
    return form


@cache
def _form_class(topics: tuple[tuple[str, str], ...]) -> type[CorrectionForm]:
    members = {
        _PREFIX + topic: StringField(f"Of these, hours about {label}", filters=[clean])
        for topic, label in topics
    }
    return type("CorrectionFormWithTopics", (CorrectionForm,), members)


def parse_correction(form: CorrectionForm, entry: LoggedEntry, today: date) -> EntryInput | None:
    """The session as it would be; None if a field is wrong, which its problem explains."""
    held_on = form.parse_past_day(today, named="session")
    minutes = _parse_minutes(form, "hours", "the hours")
    topics = {}
    for name in form.topic_names:
        if form[name].data:
            topic = name.removeprefix(_PREFIX)
            topics[topic] = _parse_minutes(form, name, f"the hours about {topic}") or 0
    if held_on is None or minutes is None or form.errors:
        return None
    title = form.title.data or entry.title
    stored = entry_input_of(entry)
    return replace(stored, held_on=held_on, minutes=minutes, title=title, topics=topics)


def _parse_minutes(form: CorrectionForm, name: str, label: str) -> int | None:
    try:
        return parse_session_hours(form[name].data or "", label)
    except HoursError as error:
        add_problem(form[name], str(error))
        return None
