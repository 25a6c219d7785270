"""The form for a session: what may be typed, and what is wrong with what was."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from starlette.datastructures import FormData
from wtforms import HiddenField, MultipleFileField, RadioField, SelectChoice, StringField
from wtforms.validators import InputRequired, Length

from tracker.hours import MINUTES_IN_DAY, count_hours, parse_hours, say_hours
from tracker.records.entry_writes import Content
from tracker.rules.explain import LoggedEntry
from tracker.web.forms.form_parts import OwnForm, add_problem, clean, is_form_key, new_form_key
from tracker.web.forms.typed_date import DateWrong, read_date, say_date
from tracker.web.hours.bound_once import BoundOnce

ACTIVITIES = {"rsc": "Reflective supervision", "training": "Training"}
FORMATS = {"individual": "Individual", "group": "Group"}
SOMEONE_ELSE = "other"
_TOPIC, _RSC_TOPIC = "topic-", "rsc-topic-"
_BELOW = {_TOPIC: "hours", _RSC_TOPIC: "provider_name"}
_ALL = "all"  # instead of hours about a topic: the whole session was
# A topic of RSC sessions, and the words for it.
Named = tuple[str, str]
_LONGEST_TITLE, _LONGEST_NAME = 300, 200


def _choices(labels: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in labels.items()]


class LogForm(OwnForm):
    """One session. Its topics' fields are added by `form_class`; `problems` lists what is wrong."""

    Meta = BoundOnce

    form_key = HiddenField(filters=[clean])
    version = HiddenField(filters=[clean])
    # The name for which providers were offered, and what was asked about (see `Doubts`).
    asked = HiddenField(filters=[clean])
    seen = HiddenField(filters=[clean])
    activity = RadioField(
        "What was it?",
        choices=_choices(ACTIVITIES),
        validators=[InputRequired("Choose reflective supervision or training")],
    )
    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])
    hours = StringField("Hours", filters=[clean])
    title = StringField(
        "Title",
        filters=[clean],
        validators=[
            Length(max=_LONGEST_TITLE, message="The title can have 300 characters at most")
        ],
    )
    provider = StringField("Who provided it?", filters=[clean])
    provider_name = StringField(
        "Or type part of their name",
        filters=[clean],
        validators=[Length(max=_LONGEST_NAME, message="The name can have 200 characters at most")],
    )
    format = RadioField("Individual or group?", choices=_choices(FORMATS), validate_choice=False)
    reference = StringField(
        "Reference",
        filters=[clean],
        validators=[
            Length(max=_LONGEST_NAME, message="The reference can have 200 characters at most")
        ],
    )
    files = MultipleFileField("Proof")
    topics: Sequence[str] = ()
    rsc_topics: Sequence[str] = ()

    def topic_field(self, topic: str) -> Any:  # noqa: ANN401 - wtforms ships no types
        """The field for the hours of a training about a topic."""
        return self[_TOPIC + topic]

    def rsc_topic_field(self, topic: str) -> Any:  # noqa: ANN401 - wtforms ships no types
        """The field for the hours of an RSC session about a topic."""
        return self[_RSC_TOPIC + topic]

    def problems(self) -> list[tuple[str, str]]:
        """Each problem as (id of the field, words), in the order of the page."""
        names = sorted(self.errors, key=self._place)
        return [(name, str(words)) for name in names for words in self.errors[name]]

    def _place(self, name: str) -> tuple[int, str]:
        """Hours about a topic stand below those of the session, or below its provider."""
        above = next((above for start, above in _BELOW.items() if name.startswith(start)), "")
        return list(self._fields).index(above or name), above


@cache
def form_class(topics: tuple[str, ...], rsc_topics: tuple[Named, ...] = ()) -> type[LogForm]:
    """The form with a field for the hours about each topic of a training, and of RSC."""
    labels = {_TOPIC + topic: topic for topic in topics}
    labels |= {_RSC_TOPIC + topic: words for topic, words in rsc_topics}
    fields = {
        name: StringField(f"Of these, hours about {words}", filters=[clean])
        for name, words in labels.items()
    }
    named = {"topics": topics, "rsc_topics": tuple(topic for topic, _ in rsc_topics)}
    return type("LogFormWithTopics", (LogForm,), {**fields, **named})


def make_form(
    topics: Sequence[str],
    typed: FormData | None = None,
    prefill: Mapping[str, str] | None = None,
    *,
    rsc_topics: Sequence[Named] = (),
) -> LogForm:
    """The form as it was ``typed``, else with ``prefill``."""
    form = form_class(tuple(topics), tuple(rsc_topics))(typed, data=dict(prefill or {}))
    if not is_form_key(form.form_key.data):
        form.form_key.data = new_form_key()
    return form


def prefill_from(entry: LoggedEntry) -> dict[str, str]:
    """An entry as one would have typed it."""
    named = SOMEONE_ELSE if entry.provider_name else ""
    topic_of = _RSC_TOPIC if entry.activity == "rsc" else _TOPIC
    return {
        "activity": entry.activity,
        **say_date(entry.held_on),
        "hours": say_hours(entry.minutes),
        "title": "" if entry.title == _usual_title(entry) else entry.title,
        "provider": str(entry.provider_id) if entry.provider_id else named,
        "provider_name": entry.provider_name or "",
        "asked": entry.provider_name or "",
        "format": entry.format or "",
        "reference": entry.reference or "",
        **{topic_of + topic: say_hours(minutes) for topic, minutes in entry.topics.items()},
    }


def about_all(activity: str, topic: str) -> dict[str, str]:
    """What one would type for a session that is about one topic from beginning to end."""
    return {(_RSC_TOPIC if activity == "rsc" else _TOPIC) + topic: _ALL}


def read_content(
    form: LogForm, today: date, name: Callable[[LogForm], tuple[int | None, str | None]]
) -> Content | None:
    """The entry that the form describes; None with `problems` where something is wrong.

    ``today`` is the last day on which a session may have been held; ``name`` finds its provider:
    the id of a known one, or a name.
    """
    form.validate()
    activity = form.activity.data
    held_on = _held_on(form, today)
    minutes = read_hours(form.hours, "the hours")
    is_rsc = activity == "rsc"
    provider_id, provider_name = name(form) if is_rsc else (None, None)
    topics = _topics(form, minutes, activity)
    title = _title(form, activity) if activity else ""
    if form.errors or held_on is None or minutes is None:
        return None
    return Content(
        activity=activity,
        held_on=held_on,
        minutes=minutes,
        title=title,
        provider_id=provider_id,
        provider_name=provider_name,
        format=form.format.data if is_rsc and form.format.data in FORMATS else None,
        reference=form.reference.data or None,
        topics=topics,
    )


def _held_on(form: LogForm, today: date) -> date | None:
    try:
        return read_date(form.day.data, form.month.data, form.year.data, today)
    except DateWrong as wrong:
        add_problem(form[wrong.part], str(wrong))
        return None


def read_hours(field: Any, what: str) -> int | None:  # noqa: ANN401 - wtforms ships no types
    """The minutes typed into the field for ``what``; None with what is wrong."""
    if not field.data:
        add_problem(field, f"Enter {what}, like 1.5, 1:30 or 90 min")
        return None
    try:
        minutes = parse_hours(field.data)
    except ValueError:
        add_problem(field, f"Write {what} like 1.5, 1:30 or 90 min")
        return None
    if not 0 < minutes <= MINUTES_IN_DAY:
        limit = "more than 0" if minutes <= 0 else f"{say_hours(MINUTES_IN_DAY)} at most"
        words = f"{what[0].upper()}{what[1:]} must be {limit}"
        typed = str(field.data)
        is_bare = minutes > MINUTES_IN_DAY and typed.isdecimal() and int(typed) <= MINUTES_IN_DAY
        add_problem(field, f"{words}: for minutes write {typed} min" if is_bare else words)
        return None
    return minutes


def _topics(form: LogForm, minutes: int | None, activity: str | None) -> dict[str, int]:
    found: dict[str, int] = {}
    fields = {
        "training": [(topic, form.topic_field(topic)) for topic in form.topics],
        "rsc": [(topic, form.rsc_topic_field(topic)) for topic in form.rsc_topics],
    }
    typed = [(topic, field) for topic, field in fields.get(activity or "", ()) if field.data]
    for topic, field in typed:
        words = f"the hours about {topic}"
        about = minutes if field.data.lower() == _ALL else read_hours(field, words)
        if about is None:
            continue
        found[topic] = about
        if minutes is not None and sum(found.values()) > minutes:
            whole = count_hours(minutes)
            together = "Together the hours about topics" if len(found) > 1 else f"{topic} hours"
            add_problem(field, f"{together} cannot be more than the session's {whole}")
    return found


def _title(form: LogForm, activity: str) -> str:
    title = str(form.title.data or "")
    if title:
        return title
    if activity != "rsc":
        add_problem(form.title, "Enter what the training was called")
    return _say_title(activity, form.format.data)


def _usual_title(entry: LoggedEntry) -> str:
    return _say_title(entry.activity, entry.format) if entry.activity == "rsc" else ""


def _say_title(activity: str, kind: str | None) -> str:
    # A session needs no name of its own: what it was says enough.
    return f"{FORMATS.get(kind or '', '')} {activity.upper()}".strip()
