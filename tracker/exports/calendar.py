"""A person's dates as an iCalendar file (RFC 5545, with the names of RFC 7986)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from icalendar import Alarm, Calendar, Event, Timezone, TimezoneStandard
from sqlalchemy import select
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Provider, find_ending, format_ending
from tracker.rules.standing import Span, Standing, Status
from tracker.services.endorsements import endorsements_of, spans_of
from tracker.services.entries import list_entries
from tracker.services.evaluation import days_at, judge_current
from tracker.services.rsc_providers import load_providers

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


_STANDING = METADATA.tables["standing"]
_UNSETTLED = {Status.OPEN, Status.OVERDUE, Status.LAPSED}
# Days before: time to log what is missing, or to find somebody else.
_LONG, _SHORT = (30, 7), (7,)
Judged = Mapping[tuple[int, date], date]


class _Origin(NamedTuple):
    """One standing, its ``today``, and when it was last judged."""

    standing: Standing
    today: date
    judged_on: date

    def dated(
        self, key: str, day: date, summary: str, description: str, alarms: tuple[int, ...]
    ) -> Dated:
        facts = self.standing.facts
        # Days only pass: so it never falls, and is another after each judgment of another day.
        revision = max((self.judged_on - facts.starts_on).days, 0)
        key = f"{key}/{facts.subject_id}"
        return Dated(key, day, summary, description, self.judged_on, revision, alarms)


def read_calendar(
    session: Session, rulebooks: Rulebooks, person_id: int, at: datetime
) -> list[Dated]:
    """The dates of a person's renewals, as of an instant; each key once."""
    ids = [e.id for e in endorsements_of(session, person_id)]
    day_of = days_at(rulebooks, at)
    standings = list(judge_current(session, rulebooks, day_of, endorsement_ids=ids))
    judged = _judged(session, ids)
    found: dict[str, Dated] = {}
    for standing in standings:
        if standing.plan.cycle is None:
            continue
        today = day_of(standing.plan.association)
        key = (standing.facts.subject_id, standing.plan.cycle.starts_on)
        origin = _Origin(standing, today, judged.get(key, today))
        for dated in (*_days(origin), *_cutoffs(session, rulebooks, origin)):
            # The cycle before comes second, and has nothing newer to say of the same thing.
            if dated.key not in found or found[dated.key].day < dated.day:
                found[dated.key] = dated
    return list(found.values())


def _judged(session: Session, endorsement_ids: list[int]) -> Judged:
    query = select(
        _STANDING.c.endorsement_id, _STANDING.c.cycle_starts_on, _STANDING.c.judged_on
    ).where(_STANDING.c.endorsement_id.in_(endorsement_ids))
    return {(row[0], row[1]): row[2] for row in session.connection().execute(query)}


def _days(origin: _Origin) -> Iterator[Dated]:
    standing = origin.standing
    plan, cycle, due_on = standing.plan, standing.plan.cycle, standing.due_on
    name = f"{plan.association} {plan.category}"
    if cycle is None or due_on is None:
        return
    if standing.status is not Status.EXCUSED:
        done = standing.status is Status.MET
        what, alarms = ("Renewal complete", ()) if done else ("Renewal due", _LONG)
        about = "All that was asked is in." if done else "The whole day counts."
        yield origin.dated(f"due/{cycle.starts_on}", due_on, f"{what}: {name}", about, alarms)
    grace = cycle.grace_ends_on(due_on)
    if standing.status in _UNSETTLED and grace > due_on:
        summary, about = f"Last day of grace: {name}", "After it the renewal lapses."
        yield origin.dated(f"grace/{cycle.starts_on}", grace, summary, about, _SHORT)
    until = standing.covered_until
    if (
        until is not None
        and until < date.max
        and any(a.counts == "membership" for a in plan.requirements)
    ):
        summary, about = f"Membership ends: {name}", "It is the last day that is covered."
        yield origin.dated("membership", until, summary, about, _LONG)


def _cutoffs(session: Session, rulebooks: Rulebooks, origin: _Origin) -> Iterator[Dated]:
    """When each provider of the cycle's sessions stops counting."""
    plan, cycle = origin.standing.plan, origin.standing.plan.cycle
    if plan.provider_rule is None or cycle is None:
        return
    person_id = origin.standing.facts.person_id
    sessions = list_entries(session, person_id, cycle.starts_on, cycle.ends_on)
    used = load_providers(session, {e.provider_id for e in sessions if e.provider_id})
    association, rule = rulebooks.provider_rules[plan.provider_rule]
    spans = spans_of(session, plan.provider_rule, used)
    for provider_id, provider in used.items():
        last = _last_day(spans.get(provider_id, []), cycle.starts_on, origin.today)
        if last is not None:
            summary = _stops(provider, plan.association, plan.category)
            ending = find_ending(association, rule, provider, last)
            about = f"{format_ending(ending, origin.today)}."
            yield origin.dated(f"provider/{provider_id}", last, summary, about, _LONG)


def _stops(provider: Provider, association: str, category: str) -> str:
    return f"{provider.name}'s RSC counts for the last time: {association} {category}"


def _last_day(spans: list[Span], since: date, today: date) -> date | None:
    """The end of the span that holds today, else of the last one that ended in the cycle."""
    begun = [s for s in spans if s.starts_on <= today and s.ends_on >= since]
    if not begun or begun[-1].ends_on > date.max - timedelta(days=1):
        return None
    return begun[-1].ends_on
