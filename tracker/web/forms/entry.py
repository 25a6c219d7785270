"""The form for one session: its fields, what was submitted, and the entry that it describes."""

import dataclasses
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Query
from sqlmodel import Session
from wtforms import HiddenField, MultipleFileField, RadioField, SelectChoice, StringField

from tracker.formatting import MINUTES_IN_DAY, format_hours
from tracker.refusal_text import format_refusal
from tracker.rules.explain import LoggedEntry
from tracker.rules.requirement import FORMATS
from tracker.services.context import Refusal
from tracker.services.courses import COURSE_DAYS
from tracker.services.entries import find_entry
from tracker.services.entry_rules import (
    ACTIVITIES,
    TEXT_LIMITS,
    YEARS_BACK,
    EntryInput,
    EntryRules,
    usual_title,
)
from tracker.services.rsc_providers import check_provider
from tracker.web.forms.body import OwnForm, clean, keep_form_key, parse_id
from tracker.web.forms.fields import (
    DAYS_AGO,
    LIMIT_WORDS,
    SEVERAL,
    TYPED,
    DateError,
    DateWording,
    HoursError,
    format_date_fields,
    join_date_fields,
    parse_chosen_day,
    parse_chosen_hours,
    parse_date,
    parse_session_hours,
    settle_choices,
)

ACTIVITY_LABELS = {"rsc": "Reflective supervision", "training": "Training"}
FORMAT_LABELS = {"individual": "Individual", "group": "Group", "peer": "Peer"}
SOMEONE_ELSE = "other"
# The fields of each day of a course begin so, with its number: day1-month.
COURSE_FIELDS = tuple(f"day{number}-" for number in range(1, COURSE_DAYS + 1))
# Instead of hours about a topic: the whole session.
ALL = "all"
TOPIC_PREFIXES = {"training": "topic-", "rsc": "rsc-topic-"}
# Topic fields are shown below these fields.
_FIELD_ABOVE = {"topic-": "hours", "rsc-topic-": "provider_name"}
_FIELDS = {
    "held_on": "day",
    "minutes": "hours",
    "form_key": "activity",
    "version": "activity",
}
# What to do about more hours than a day has.
_LONG_HINTS = {"training": ". For a course over several days, log each day"}
_DETAILS = ("format", "reference")
# What the form itself sends back is as long as it is; dates, hours, and choices are short.
_HIDDEN_LISTS = {"seen", "prefilled_course"}
_MOST_LETTERS = TEXT_LIMITS["provider_name"]
_DATE_FIELDS = ("day", "month", "year")


class SubmittedForm:
    """The texts of a form by field, each as one line, and what is wrong with them.

    A field that was not sent is empty; one that was sent twice has its first text. There is always
    a form key. A text that is too long for its field is a problem, and is shown whole; where only
    a few letters make sense, the rest is cut off.
    """

    def __init__(self, fields: Iterable[tuple[str, object]]) -> None:
        self.texts: dict[str, str] = {}
        # Whether anything is typed about the days of a course.
        self.has_course_days = False
        for field, text in fields:
            self.texts.setdefault(field, clean(str(text)))
            if text and field.startswith(COURSE_FIELDS):
                self.has_course_days = True
        self.problems: list[tuple[str, str]] = []
        self.refusals: list[Refusal] = []
        for field, text in self.texts.items():
            if field in TEXT_LIMITS:
                if len(text) > TEXT_LIMITS[field]:
                    facts = {"limit": TEXT_LIMITS[field]}
                    self.add_problem(field, format_refusal("text-too-long", facts))
            elif len(text) > _MOST_LETTERS and field not in _HIDDEN_LISTS:
                self.texts[field] = text[:_MOST_LETTERS]
        self.texts["form_key"] = keep_form_key(self.texts.get("form_key"))

    def __getitem__(self, field: str) -> str:
        return self.texts.get(field, "")

    def __setitem__(self, field: str, text: str) -> None:
        self.texts[field] = text

    def add_problem(self, field: str, message: str) -> None:
        """Show a message beside a field."""
        self.problems.append((field, message))

    def add_refusal(self, refusal: Refusal) -> None:
        """Show why a service refused, and prepare the form for being sent again."""
        self.refusals.append(refusal)
        if refusal.code == "provider-not-offered":
            self["provider"] = ""
        elif refusal.code == "form-already-saved":
            self["form_key"] = keep_form_key()
        elif refusal.code == "entry-changed-meanwhile":
            self["version"] = refusal.facts["version"]

    def add_refusals(self, refusals: Iterable[Refusal]) -> None:
        """Add those about fields that can be read; the others have their problem already."""
        unreadable = {name for name, _ in self.problems}
        for refusal in refusals:
            if self.field_of(refusal) not in unreadable:
                self.add_refusal(refusal)

    def field_of(self, refusal: Refusal) -> str:
        """The name of the field that a refusal is about."""
        name, _, topic = refusal.field.partition(".")
        if name.isdecimal():
            return self._course_field_of(int(name), dataclasses.replace(refusal, field=topic))
        is_chosen = {
            "held_on": self["when"] in DAYS_AGO,
            "minutes": self["length"] not in {"", TYPED},
        }
        if is_chosen.get(name):
            return "when" if name == "held_on" else "length"
        if refusal.code == "day-too-long-ago":
            return "year"
        if refusal.code == "provider-required" and self["provider"] == SOMEONE_ELSE:
            return "provider_name"
        if name == "topics":
            return topic_field(self["activity"], topic or refusal.facts["topics"][-1])
        return _FIELDS.get(name, name)

    def _course_field_of(self, number: int, refusal: Refusal) -> str:
        """The name of the field that a refusal of one day of a course is about."""
        name = self.field_of(refusal)
        own = {"when": "day", "length": "hours"}.get(name, name)
        is_own = own in {*_DATE_FIELDS, "hours"} or name.startswith(TOPIC_PREFIXES["training"])
        return course_field(number, own) if is_own else name


def course_field(number: int, name: str) -> str:
    """The name of a field of one day of a course, such as ``day2-hours``."""
    return f"day{number}-{name}"


def topic_field(activity: str, topic: str) -> str:
    """The name of the field for the hours about a topic."""
    return TOPIC_PREFIXES.get(activity, "") + topic


def parse_entry(
    form: SubmittedForm, provider: tuple[int | None, str | None], today: date
) -> EntryInput:
    """The entry that a form describes, with ``provider`` as a known person's id or a name.

    What can't be read becomes a problem of the form, and today or 24 hours in the entry.
    """
    activity = form["activity"]
    provider_id, provider_name = provider
    minutes = _parse_hours(form, "hours", "the hours")
    held_on = today
    try:
        if form["when"] in DAYS_AGO:
            held_on = parse_chosen_day(form.texts, today)
        else:
            words = DateWording("Enter the day of the session", "The session date", today.year)
            years = range(today.year - YEARS_BACK, today.year + 1)
            held_on = parse_date(form["day"], form["month"], form["year"], words, years)
    except DateError as error:
        is_missing = not form["when"] and not join_date_fields(form.texts)
        form.add_problem("when" if is_missing else error.part, str(error))
    return EntryInput(
        activity=activity,
        held_on=held_on,
        minutes=MINUTES_IN_DAY if minutes is None else minutes,
        title=form["title"],
        provider_id=provider_id,
        provider_name=provider_name,
        format=(form["format"] or None) if activity == "rsc" else None,
        reference=form["reference"] or None,
        topics=_parse_topics(form, activity, minutes),
    )


def _parse_hours(form: SubmittedForm, field: str, label: str) -> int | None:
    """The minutes in a field; a length that is chosen stands for the field ``hours``."""
    is_chosen = form["length"] != TYPED and (form["length"] or not form["hours"])
    if field == "hours" and is_chosen:
        field = "length"
    try:
        if field == "length":
            return parse_chosen_hours(form.texts, label)
        return parse_session_hours(form[field], label)
    except HoursError as error:
        message = str(error)
        if field == "hours" and LIMIT_WORDS in message and form["when"] != SEVERAL:
            message += _LONG_HINTS.get(form["activity"], "")
        form.add_problem(field, message)
        return None


def _parse_topics(form: SubmittedForm, activity: str, session: int | None) -> dict[str, int]:
    """The minutes about each topic whose field is filled in."""
    topics: dict[str, int] = {}
    prefix = TOPIC_PREFIXES.get(activity)
    for field, text in form.texts.items():
        if prefix is None or not text or not field.startswith(prefix):
            continue
        topic = field.removeprefix(prefix)
        if text.lower() == ALL:
            minutes = session
        else:
            minutes = _parse_hours(form, field, f"the hours about {topic}")
        if minutes is not None:
            topics[topic] = minutes
    return topics


@dataclass(frozen=True, slots=True)
class LogLink:
    """What a link to the form fills in; ``again`` is an entry to copy, ``day`` is in ISO form."""

    activity: Annotated[str, Query()] = ""
    topic: Annotated[str, Query()] = ""
    provider: Annotated[str, Query()] = ""
    day: Annotated[str, Query(alias="date")] = ""
    again: Annotated[str, Query()] = ""


LogLinkDep = Annotated[LogLink, Depends()]


def prefill_from_link(
    session: Session, person_id: int, rules: EntryRules, link: LogLink
) -> dict[str, str]:
    """The fields that a link fills in; whatever is wrong in it is ignored."""
    texts: dict[str, str] = {}
    copied = find_entry(session, person_id, parse_id(link.again))
    if copied is not None:
        texts = prefill_from_entry(copied)
        for part in _DATE_FIELDS:
            del texts[part]
    if link.activity in ACTIVITIES:
        texts["activity"] = link.activity
        if link.topic in rules.topics[link.activity]:
            texts[topic_field(link.activity, link.topic)] = ALL
    provider_id = parse_id(link.provider)
    if provider_id:
        use = check_provider(session, person_id, rules.provider_rules, provider_id, rules.today)
        if use.may_be_named:
            texts |= {"provider": str(provider_id), "activity": "rsc"}
    with suppress(ValueError):
        texts |= format_date_fields(date.fromisoformat(link.day))
    return texts


def prefill_from_entry(entry: LoggedEntry) -> dict[str, str]:
    """An entry as a person would type it."""
    has_usual_title = entry.title == usual_title(entry.activity, entry.format)
    texts = {
        "activity": entry.activity,
        **format_date_fields(entry.held_on),
        "hours": format_hours(entry.minutes),
        "title": "" if has_usual_title else entry.title,
        "provider": str(entry.provider_id or ""),
        "provider_name": entry.provider_name or "",
        "asked": entry.provider_name or "",
        "format": entry.format or "",
        "reference": entry.reference or "",
    }
    if entry.provider_name:
        texts["provider"] = SOMEONE_ELSE
    for topic, minutes in entry.topics.items():
        texts[topic_field(entry.activity, topic)] = format_hours(minutes)
    return texts


class LogForm(OwnForm):
    """The fields of the page. `build_log_form` adds one for each topic."""

    form_key = HiddenField()
    version = HiddenField()
    # The name for which providers were offered, and the warnings that were shown.
    asked = HiddenField()
    seen = HiddenField()
    # As of `parse_chosen_day` and `parse_chosen_hours`.
    as_of = HiddenField()
    prefilled_day = HiddenField()
    prefilled_hours = HiddenField()
    # As of `parse_course`.
    prefilled_course = HiddenField()
    activity = RadioField(
        "What was it?", choices=[SelectChoice(key, ACTIVITY_LABELS[key]) for key in ACTIVITIES]
    )
    when = StringField("When was it?")
    day = StringField("Day")
    month = StringField("Month")
    year = StringField("Year")
    length = StringField("How many hours?")
    hours = StringField("Hours")
    title = StringField("Title")
    provider = StringField("Who provided it?")
    provider_name = StringField("Or type part of the provider's name")
    format = RadioField(
        "Individual, group, or peer?",
        choices=[SelectChoice(key, FORMAT_LABELS[key]) for key in FORMATS],
    )
    reference = StringField("Reference")
    files = MultipleFileField("Supporting documents")
    wrong: list[tuple[str, str]]

    def topic_field(self, activity: str, topic: str) -> Any:  # noqa: ANN401 - wtforms ships no types
        """The field for the hours about a topic."""
        return self[topic_field(activity, topic)]

    def has_details(self, problems: Iterable[tuple[str, str]]) -> bool:
        """Whether a detail that is not asked for at first is filled in, or has a problem."""
        filled = any(self[name].data for name in _DETAILS)
        return filled or any(name in {*_DETAILS, "files"} for name, _ in problems)

    def problems(self) -> list[tuple[str, str]]:
        """Each problem as (id of the field, message), in the order of the page."""
        return sorted(self.wrong, key=lambda problem: self._place(problem[0]))

    def _place(self, name: str) -> tuple[int, str]:
        for prefix in COURSE_FIELDS:
            if name.startswith(prefix):
                place = list(self._fields).index(name)
                return list(self._fields).index("when"), f"{place:04}"
        for prefix, above in _FIELD_ABOVE.items():
            if name.startswith(prefix):
                return list(self._fields).index(above), above
        return list(self._fields).index(name), ""


def build_log_form(
    rules: EntryRules, form: SubmittedForm, hour_choices: Collection[str], rows: int
) -> LogForm:
    """The page's form with what was typed and what is wrong.

    ``hour_choices`` are the values of the lengths to choose from; ``rows`` is for how many days of
    a course there are fields.
    """
    fields = []
    for activity in ACTIVITIES:
        for topic, label in rules.topics[activity].items():
            fields.append((topic_field(activity, topic), f"Of these, hours about {label}"))
    texts = form.texts | settle_choices(form.texts, rules.today, hour_choices)
    topics = tuple(fields)
    built = _log_form_class(topics, tuple(rules.topics["training"]), rows)(data=texts)
    built.wrong = list(form.problems)
    for refusal in form.refusals:
        name, message = form.field_of(refusal), format_refusal(refusal.code, refusal.facts)
        if name.startswith(COURSE_FIELDS):
            message = f"Day {refusal.field.partition('.')[0]}: {message}"
        if (name, message) not in built.wrong:
            built.wrong.append((name, message))
    return built


@cache
def _log_form_class(
    topic_fields: tuple[tuple[str, str], ...], course_topics: tuple[str, ...], rows: int
) -> type[LogForm]:
    """The form with a field for each topic, given as pairs of its name and label.

    Each of ``rows`` days of a course has fields of its own, also for ``course_topics``.
    """
    members = {name: StringField(label) for name, label in topic_fields}
    for number in range(1, rows + 1):
        for part in _DATE_FIELDS:
            members[course_field(number, part)] = StringField(part.capitalize())
        members[course_field(number, "hours")] = StringField("Hours")
        for topic in course_topics:
            name = topic_field("training", topic)
            members[course_field(number, name)] = StringField(f"{topic} hours")
    return type("LogFormWithTopics", (LogForm,), members)
