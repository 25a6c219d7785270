"""Links that fill in the form for a session: those of mails, of My year, and "log again"."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import Connection

from tracker.records.entries.entries import entry_by_id
from tracker.records.entries.provider_names import may_name
from tracker.web.forms.typed_date import say_date
from tracker.web.hours.fields import ACTIVITIES
from tracker.web.hours.form_setting import FormSetting
from tracker.web.hours.log_form import about_all, prefill_from

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


def prefill_of(connection: Connection, setting: FormSetting, link: Link) -> Mapping[str, str]:
    """The fields that a link fills in; what it says wrongly is left out."""
    found = _copy(connection, setting.person_id, link.again)
    if link.activity in ACTIVITIES:
        found["activity"] = link.activity
        if link.topic in _topics_of(setting, link.activity):
            found |= about_all(link.activity, link.topic)
    if _is_id(link.provider) and may_name(
        connection, setting.person_id, setting.rules, int(link.provider)
    ):
        found |= {"provider": str(int(link.provider)), "activity": "rsc"}
    with suppress(ValueError):
        found |= say_date(date.fromisoformat(link.day))
    return found


def _topics_of(setting: FormSetting, activity: str) -> set[str]:
    return {t for t, _ in setting.rsc_topics} if activity == "rsc" else {*setting.topics}


def _copy(connection: Connection, person_id: int, again: str) -> dict[str, str]:
    entry = entry_by_id(connection, person_id, int(again)) if _is_id(again) else None
    if entry is None:
        return {}
    # Everything is as it was the last time, but the day.
    return {k: v for k, v in prefill_from(entry).items() if k not in {"day", "month", "year"}}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
