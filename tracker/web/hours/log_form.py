"""The form for a session as a page shows it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from wtforms import HiddenField, MultipleFileField, RadioField, SelectChoice, StringField

from tracker.hours import say_hours
from tracker.rules.explain import LoggedEntry
from tracker.web.forms.form_parts import OwnForm
from tracker.web.forms.typed_date import say_date
from tracker.web.hours.fields import (
    ACTIVITIES,
    ALL,
    FORMATS,
    RSC_TOPIC,
    SOMEONE_ELSE,
    TOPIC,
    Named,
    topic_field,
    usual_title,
)
from tracker.web.hours.form_setting import FormSetting
from tracker.web.hours.sent import Sent

_BELOW = {TOPIC: "hours", RSC_TOPIC: "provider_name"}


def _choices(labels: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in labels.items()]


class LogForm(OwnForm):
    """One session. Its topics' fields are added by `_form_class`; what is read is `Sent`."""

    form_key = HiddenField()
    version = HiddenField()
    # The name for which providers were offered, and what was asked about (see `Doubts`).
    asked = HiddenField()
    seen = HiddenField()
    activity = RadioField("What was it?", choices=_choices(ACTIVITIES))
    day = StringField("Day")
    month = StringField("Month")
    year = StringField("Year")
    hours = StringField("Hours")
    title = StringField("Title")
    provider = StringField("Who provided it?")
    provider_name = StringField("Or type part of their name")
    format = RadioField("Individual or group?", choices=_choices(FORMATS))
    reference = StringField("Reference")
    files = MultipleFileField("Proof")
    topics: Sequence[str] = ()
    rsc_topics: Sequence[str] = ()
    wrong: Sequence[tuple[str, str]] = ()

    def topic_field(self, topic: str) -> Any:  # noqa: ANN401 - wtforms ships no types
        """The field for the hours of a training about a topic."""
        return self[TOPIC + topic]

    def rsc_topic_field(self, topic: str) -> Any:  # noqa: ANN401 - wtforms ships no types
        """The field for the hours of an RSC session about a topic."""
        return self[RSC_TOPIC + topic]

    def problems(self) -> list[tuple[str, str]]:
        """Each problem as (id of the field, words), in the order of the page."""
        return sorted(self.wrong, key=lambda one: self._place(one[0]))

    def _place(self, name: str) -> tuple[int, str]:
        """Hours about a topic stand below those of the session, or below its provider."""
        above = next((above for start, above in _BELOW.items() if name.startswith(start)), "")
        return list(self._fields).index(above or name), above


def form_of(setting: FormSetting, sent: Sent) -> LogForm:
    """The form for what is offered, filled in as it was sent, with what is wrong."""
    form = _form_class(setting.topics, setting.rsc_topics)(data=sent.texts)
    form.wrong = sent.problems
    return form


@cache
def _form_class(topics: tuple[str, ...], rsc_topics: tuple[Named, ...]) -> type[LogForm]:
    """The form with a field for the hours about each topic of a training, and of RSC."""
    labels = {TOPIC + topic: topic for topic in topics}
    labels |= {RSC_TOPIC + topic: words for topic, words in rsc_topics}
    fields = {name: StringField(f"Of these, hours about {words}") for name, words in labels.items()}
    named = {"topics": topics, "rsc_topics": tuple(topic for topic, _ in rsc_topics)}
    return type("LogFormWithTopics", (LogForm,), {**fields, **named})


def prefill_from(entry: LoggedEntry) -> dict[str, str]:
    """An entry as one would have typed it."""
    is_unnamed = entry.activity == "rsc" and entry.title == usual_title("rsc", entry.format)
    hours = {topic_field(entry.activity, t): say_hours(m) for t, m in entry.topics.items()}
    return {
        "activity": entry.activity,
        **say_date(entry.held_on),
        "hours": say_hours(entry.minutes),
        "title": "" if is_unnamed else entry.title,
        "provider": _provider_of(entry),
        "provider_name": entry.provider_name or "",
        "asked": entry.provider_name or "",
        "format": entry.format or "",
        "reference": entry.reference or "",
        **hours,
    }


def about_all(activity: str, topic: str) -> dict[str, str]:
    """What one would type for a session that is about one topic from beginning to end."""
    return {topic_field(activity, topic): ALL}


def _provider_of(entry: LoggedEntry) -> str:
    named = SOMEONE_ELSE if entry.provider_name else ""
    return str(entry.provider_id) if entry.provider_id else named
