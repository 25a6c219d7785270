"""Requests for time in words."""

from typing import NamedTuple

from tracker.records.profile.time_requests import ASKED, DECLINED, GRANTED, LEAVE, Request
from tracker.rules.providers import say_day

_STATES = {ASKED: "Waiting", GRANTED: "Granted", DECLINED: "Declined"}
_TONES = {ASKED: "plain", GRANTED: "good", DECLINED: "warm"}


class Said(NamedTuple):
    """``title`` is "Leave" or "Later due date", ``days`` which days, ``tone`` as states have it."""

    title: str
    days: str
    state: str
    tone: str


def say_request(request: Request) -> Said:
    """What is asked for, and where it stands."""
    ends_on = say_day(request.ends_on) if request.ends_on else ""
    if request.kind == LEAVE:
        title = "Leave"
        days = f"{say_day(request.starts_on)} to {ends_on or 'a day to be told'}"
    else:
        title, days = "Later due date", f"due {ends_on}"
    state = _STATES.get(request.state, "Withdrawn")
    return Said(title, days, state, _TONES.get(request.state, "plain"))
