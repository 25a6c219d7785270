"""Reads what the form for a session says: the entry that it describes, or what is wrong with it."""

from collections.abc import Callable
from datetime import date

from tracker.hours import count_hours
from tracker.records.entries.entry_writes import Content
from tracker.web.forms.typed_date import DateWrong, read_date
from tracker.web.forms.typed_hours import HoursWrong, read_hours
from tracker.web.hours.fields import ACTIVITIES, ALL, FORMATS, topic_field, usual_title
from tracker.web.hours.form_setting import FormSetting
from tracker.web.hours.sent import Sent

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
    topics = _topics(sent, setting, activity, minutes)
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


def _topics(sent: Sent, setting: FormSetting, activity: str, minutes: int | None) -> dict[str, int]:
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
            whole = count_hours(minutes)
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
