"""A person's dates as an iCalendar file (RFC 5545, with the names of RFC 7986)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from icalendar import Alarm, Calendar, Event, Timezone, TimezoneStandard

_DAY = timedelta(days=1)
_REFRESH = timedelta(hours=12)
# An alarm of a whole day rings at nine in the morning.
_MORNING = timedelta(hours=9)
_PRODUCT = "-//Endorsement renewals//Calendar//EN"


class Dated(NamedTuple):
    """Something that happens on a whole day.

    ``key`` is what it is, whatever its day: the event keeps its UID when the day moves. It was
    last judged on ``judged_on``; ``revision`` never falls. ``alarms`` are days before.
    """

    key: str
    day: date
    summary: str
    description: str
    judged_on: date
    revision: int
    alarms: tuple[int, ...]


def calendar_file(name: str, space: UUID, address: str, events: Sequence[Dated]) -> bytes:
    """The file, the same bytes for the same events; ``address`` is where a person looks further.

    ``space`` is this installation's own, so that nobody else's events have these UIDs.
    """
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", _REFRESH, parameters={"VALUE": "DURATION"})
    for each in sorted(events, key=lambda e: (e.day, e.key)):
        calendar.add_component(_event(each, space, address))
    if not events:
        # The standard asks for one component at least.
        calendar.add_component(_universal_time())
    return bytes(calendar.to_ical())


def _event(dated: Dated, space: UUID, address: str) -> Event:
    stamp = datetime.combine(dated.judged_on, time(), UTC)
    event = Event()
    event.add("uid", str(uuid5(space, dated.key)))
    event.add("dtstamp", stamp)
    event.add("last-modified", stamp)
    event.add("sequence", dated.revision)
    event.add("dtstart", dated.day)
    event.add("dtend", dated.day + _DAY)
    event.add("summary", dated.summary)
    event.add("description", f"{dated.description}\n{address}")
    event.add("url", address)
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT")
    for days in dated.alarms:
        event.add_component(_alarm(dated.summary, days))
    return event


def _alarm(summary: str, days: int) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", summary)
    alarm.add("trigger", _MORNING - days * _DAY)
    return alarm


def _universal_time() -> Timezone:
    zone, standard = Timezone(), TimezoneStandard()
    zone.add("tzid", "Etc/UTC")
    standard.add("dtstart", datetime.combine(date(1970, 1, 1), time()))
    standard.add("tzoffsetfrom", timedelta())
    standard.add("tzoffsetto", timedelta())
    zone.add_component(standard)
    return zone
