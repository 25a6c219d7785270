"""The fields of the form for a session: what they are called, and what can be chosen in them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Query
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, MultipleFileField, RadioField, SelectChoice, StringField

from tracker.clock import known_zones, local_day
from tracker.formatting import format_hours, format_hours_with_unit, lowercase_first
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.plan import Plan
from tracker.services.applications import list_undecided_applications
from tracker.services.cycle_locks import CycleLocks
from tracker.services.endorsements import Own, own_of
from tracker.services.entries import find_entry
from tracker.services.evaluation import days_at
from tracker.services.old_entries import Content
from tracker.services.provider_choices import may_name
from tracker.web.forms.body import OwnForm, clean, is_form_key, new_form_key
from tracker.web.forms.fields import DateWrong, HoursWrong, date_fields_of, read_date, read_hours

ACTIVITIES = {"rsc": "Reflective supervision", "training": "Training"}
FORMATS = {"individual": "Individual", "group": "Group"}
SOMEONE_ELSE = "other"
ALL = "all"  # instead of hours about a topic: the whole session was
# A topic of RSC sessions, and the words for it.
Named = tuple[str, str]
TOPIC, RSC_TOPIC = "topic-", "rsc-topic-"


def topic_field(activity: str, topic: str) -> str:
    """The name of the field for the hours of a session that were about a topic."""
    return (RSC_TOPIC if activity == "rsc" else TOPIC) + topic


def usual_title(activity: str, kind: str | None) -> str:
    """What a session is called that has no name of its own: what it was says enough."""
    return f"{FORMATS.get(kind or '', '')} {activity.upper()}".strip()


# The id of the field that it is about, and the words.
Problem = tuple[str, str]


class Sent:
    """Each field's text, by name, as one line; whatever is absent reads as empty.

    It has a form's key in any case.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self.problems: list[Problem] = []
        if not is_form_key(self["form_key"]):
            self["form_key"] = new_form_key()

    def __getitem__(self, field: str) -> str:
        return self.texts.get(field, "")

    def __setitem__(self, field: str, text: str) -> None:
        self.texts[field] = text

    def refuse(self, field: str, words: str) -> None:
        """Say what is wrong with a field."""
        self.problems.append((field, words))


def sent_in(typed: FormData) -> Sent:
    """What was typed; of a field that was sent twice the first."""
    texts: dict[str, str] = {}
    for field, text in typed.multi_items():
        if field not in texts:
            texts[field] = clean(str(text))
    return Sent(texts)


@dataclass(frozen=True, slots=True)
class FormSetting:
    """``today`` is the last day on which a session may have been held.

    ``topics`` are those of a training, ``rsc_topics`` those of an RSC session with their words.
    ``rules`` are the provider rules that hold for the person, by their ``associations``.
    """

    person_id: int
    topics: tuple[str, ...]
    rsc_topics: tuple[Named, ...]
    rules: frozenset[str]
    associations: frozenset[str]
    today: date
    # Without extensions: what is open by it is open.
    closing: CycleLocks


def read_setting(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    at: datetime,
    editing: LoggedEntry | None = None,
) -> FormSetting:
    """What to offer; the topics of an entry being edited are kept though no rule counts them."""
    day_of = days_at(rulebooks, at)
    plans: list[Plan] = []
    zones: set[str] = set()
    own = own_of(session, person_id)
    applications = list_undecided_applications(session, person_id) if own.has_applied else []
    for held in own.endorsements:
        if held.association in rulebooks.associations:
            zones.add(held.association)
            today = day_of(held.association)
            plans += _plan(rulebooks, held.association, held.category, held.starts_on, today)
    for applied in applications:
        if applied.association in rulebooks.associations:
            zones.add(applied.association)
            day = applied.submitted_on or day_of(applied.association)
            plans.append(rulebooks.application_plan(applied.association, applied.category, day))
    asked = {t for plan in plans for t in _topics(plan)}
    return FormSetting(
        person_id=person_id,
        topics=tuple(sorted(asked | _kept(editing, "training"))),
        rsc_topics=_named(rulebooks, plans, _kept(editing, "rsc")),
        rules=frozenset(plan.provider_rule for plan in plans if plan.provider_rule),
        associations=frozenset(zones),
        today=_today(rulebooks, own, at, zones),
        closing=CycleLocks(rulebooks, day_of, own.endorsements, {}, bool(applications)),
    )


def _today(rulebooks: Rulebooks, own: Own, at: datetime, held: set[str]) -> date:
    """By the person's own time zone (see `frame.own_time`), else by their associations'."""
    if own.time_zone in known_zones():
        return local_day(at, str(own.time_zone))
    # The day begins first in the east: with two associations the later one's is open.
    day_of = days_at(rulebooks, at)
    return max(day_of(name) for name in held or rulebooks.associations)


def _kept(editing: LoggedEntry | None, activity: str) -> set[str]:
    return set(editing.topics) if editing and editing.activity == activity else set()


def _named(rulebooks: Rulebooks, plans: Iterable[Plan], kept: set[str]) -> tuple[Named, ...]:
    """What an RSC session can be about, with the words of a rulebook that asks it."""
    found = {topic: topic for topic in kept}
    for plan in plans:
        words = rulebooks.associations[plan.association].topic_names
        for requirement in plan.requirements:
            if requirement.counts == "rsc" and requirement.topic:
                found[requirement.topic] = lowercase_first(
                    words.get(requirement.topic, requirement.topic)
                )
    return tuple(sorted(found.items()))


def _topics(plan: Plan) -> Iterable[str]:
    """What the hours of a training can be about."""
    for requirement in plan.requirements:
        if requirement.counts == "training":
            yield from ((requirement.topic,) if requirement.topic else requirement.rule.besides)


def _plan(
    rulebooks: Rulebooks, association: str, category: str, starts_on: date, today: date
) -> Iterable[Plan]:
    plan = rulebooks.plan(association, category, starts_on, today)
    return (plan,) if plan else ()


# The most characters of a field, and what it is called.
_LONGEST = {
    "title": (300, "The title"),
    "provider_name": (200, "The name"),
    "reference": (200, "The reference"),
}


def read_content(
    sent: Sent, setting: FormSetting, name: Callable[[Sent], tuple[int | None, str | None]]
) -> Content | None:
    """The entry that the form describes; None where something is wrong, which it then says.

    ``name`` finds the provider: the id of a known one, or a name.
    """
    activity = _activity(sent)
    held_on = _held_on(sent, setting.today)
    minutes = _minutes(sent, "hours", "the hours")
    is_rsc = activity == "rsc"
    provider_id, provider_name = name(sent) if is_rsc else (None, None)
    topics = _topics_content(sent, setting, activity, minutes)
    title = _title(sent, activity)
    _check_lengths(sent)
    if sent.problems or held_on is None or minutes is None:
        return None
    return Content(
        activity=activity,
        held_on=held_on,
        minutes=minutes,
        title=title,
        provider_id=provider_id,
        provider_name=provider_name,
        format=sent["format"] if is_rsc and sent["format"] in FORMATS else None,
        reference=sent["reference"] or None,
        topics=topics,
    )


def _activity(sent: Sent) -> str:
    """What it was; empty where nothing is chosen that there is."""
    if sent["activity"] in ACTIVITIES:
        return sent["activity"]
    sent.refuse("activity", "Choose reflective supervision or training")
    return ""


def _held_on(sent: Sent, today: date) -> date | None:
    try:
        return read_date(sent["day"], sent["month"], sent["year"], today)
    except DateWrong as wrong:
        sent.refuse(wrong.part, str(wrong))
        return None


def _minutes(sent: Sent, field: str, what: str) -> int | None:
    try:
        return read_hours(sent[field], what)
    except HoursWrong as wrong:
        sent.refuse(field, str(wrong))
        return None


def _topics_content(
    sent: Sent, setting: FormSetting, activity: str, minutes: int | None
) -> dict[str, int]:
    """The minutes about each topic of which some are typed."""
    found: dict[str, int] = {}
    topics = [t for t, _ in setting.rsc_topics] if activity == "rsc" else setting.topics
    for topic in topics if activity else ():
        field = topic_field(activity, topic)
        if not sent[field]:
            continue
        is_all = sent[field].lower() == ALL
        about = minutes if is_all else _minutes(sent, field, f"the hours about {topic}")
        if about is None:
            continue
        found[topic] = about
        if minutes is not None and sum(found.values()) > minutes:
            whole = format_hours_with_unit(minutes)
            together = "Together the hours about topics" if len(found) > 1 else f"{topic} hours"
            sent.refuse(field, f"{together} cannot be more than the session's {whole}")
    return found


def _title(sent: Sent, activity: str) -> str:
    if activity == "training" and not sent["title"]:
        sent.refuse("title", "Enter what the training was called")
    return sent["title"] or usual_title(activity, sent["format"])


def _check_lengths(sent: Sent) -> None:
    for field, (longest, what) in _LONGEST.items():
        if len(sent[field]) > longest:
            sent.refuse(field, f"{what} can have {longest} characters at most")


_LONGEST_ID = 9
Text = Annotated[str, Query()]


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says; ``again`` is an entry to copy, ``day`` is in ISO form."""

    activity: Text = ""
    topic: Text = ""
    provider: Text = ""
    day: Annotated[str, Query(alias="date")] = ""
    again: Text = ""


TheLink = Annotated[Link, Depends()]


def prefill_of(session: Session, setting: FormSetting, link: Link) -> Mapping[str, str]:
    """The fields that a link fills in; what it says wrongly is left out."""
    found = _copy(session, setting.person_id, link.again)
    if link.activity in ACTIVITIES:
        found["activity"] = link.activity
        if link.topic in _topics_of(setting, link.activity):
            found |= about_all(link.activity, link.topic)
    if _is_id(link.provider) and may_name(
        session, setting.person_id, setting.rules, int(link.provider)
    ):
        found |= {"provider": str(int(link.provider)), "activity": "rsc"}
    with suppress(ValueError):
        found |= date_fields_of(date.fromisoformat(link.day))
    return found


def _topics_of(setting: FormSetting, activity: str) -> set[str]:
    return {t for t, _ in setting.rsc_topics} if activity == "rsc" else {*setting.topics}


def _copy(session: Session, person_id: int, again: str) -> dict[str, str]:
    entry = find_entry(session, person_id, int(again)) if _is_id(again) else None
    if entry is None:
        return {}
    # Everything is as it was the last time, but the day.
    return {k: v for k, v in prefill_from(entry).items() if k not in {"day", "month", "year"}}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID


_BELOW = {TOPIC: "hours", RSC_TOPIC: "provider_name"}


def _choices(labels: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in labels.items()]


class LogForm(OwnForm):
    """One session. Its topics' fields are added by `_form_class`; what is read is `Sent`."""

    form_key = HiddenField()
    version = HiddenField()
    # The name for which providers were offered, and what was asked about (see `Warnings`).
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
    hours = {topic_field(entry.activity, t): format_hours(m) for t, m in entry.topics.items()}
    return {
        "activity": entry.activity,
        **date_fields_of(entry.held_on),
        "hours": format_hours(entry.minutes),
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
