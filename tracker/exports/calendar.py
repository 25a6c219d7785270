"""A person's dates as an iCalendar file (RFC 5545, with the names of RFC 7986)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from icalendar import Alarm, Calendar, Event, Timezone, TimezoneStandard
from sqlmodel import Session, col, select

from tracker.db.ledgers import StandingRow
from tracker.formatting import use_locale
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import find_ending, format_ending
from tracker.rules.standing import Standing, Status
from tracker.services.endorsements import endorsements_of, spans_of
from tracker.services.entries import list_entries
from tracker.services.evaluation import days_at, judge_current
from tracker.services.rsc_providers import load_providers

_ONE_DAY = timedelta(days=1)
_REFRESH = timedelta(hours=12)
# An alarm of a whole-day event goes off at nine in the morning.
_MORNING = timedelta(hours=9)
_PRODUCT = "-//Endorsement renewals//Calendar//EN"
_IN_PROGRESS = {Status.OPEN, Status.OVERDUE, Status.LAPSED}
# Days before: time to log what is missing, or to find another provider.
_EARLY_ALARMS, _LATE_ALARM = (30, 7), (7,)


class CalendarDate(NamedTuple):
    """Something that happens on a whole day.

    ``key`` identifies it whatever its day: the event keeps its UID when the day moves. It was
    last evaluated on ``judged_on``. ``revision`` never decreases. ``alarms`` are days before.
    """

    key: str
    day: date
    summary: str
    description: str
    judged_on: date
    revision: int
    alarms: tuple[int, ...]


def list_calendar_dates(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> list[CalendarDate]:
    """The dates of a person's renewals, each key once."""
    ids = [endorsement.id for endorsement in endorsements_of(session, person_id)]
    day_of = days_at(rulebooks, now)
    standings = list(judge_current(session, rulebooks, day_of, endorsement_ids=ids))
    judged_on = {}
    rows = select(StandingRow).where(col(StandingRow.endorsement_id).in_(ids))
    for row in session.exec(rows):
        judged_on[row.endorsement_id, row.cycle_starts_on] = row.judged_on
    dates: dict[str, CalendarDate] = {}
    for standing in standings:
        if standing.plan.cycle is None:
            continue
        today = day_of(standing.plan.association)
        judged = judged_on.get((standing.facts.subject_id, standing.plan.cycle.starts_on), today)
        found = _StandingDates(standing, today, judged)
        own = [*found.deadlines(), *found.end_of_membership()]
        with use_locale(standing.plan.rulebook.locale):
            own += found.last_provider_days(session, rulebooks)
        for each in own:
            # The cycle before comes second, and has nothing newer about the same thing.
            if each.key not in dates or dates[each.key].day < each.day:
                dates[each.key] = each
    return list(dates.values())


class _StandingDates(NamedTuple):
    """The dates of one standing, which was last evaluated on ``judged_on``."""

    standing: Standing
    today: date
    judged_on: date

    def deadlines(self) -> Iterator[CalendarDate]:
        """The due date and the end of the grace period."""
        cycle, due_on = self.standing.plan.cycle, self.standing.due_on
        if cycle is None or due_on is None:
            return
        key, status = f"due/{cycle.starts_on}", self.standing.status
        if status is Status.MET:
            yield self._date(key, due_on, "Renewal complete", "All requirements are met.", ())
        elif status is not Status.EXCUSED:
            text = "You have until the end of this day."
            yield self._date(key, due_on, "Renewal due", text, _EARLY_ALARMS)
        grace_ends_on = cycle.grace_ends_on(due_on)
        if status in _IN_PROGRESS and grace_ends_on > due_on:
            key, text = f"grace/{cycle.starts_on}", "After this day the renewal lapses."
            yield self._date(key, grace_ends_on, "Grace period ends", text, _LATE_ALARM)

    def end_of_membership(self) -> Iterator[CalendarDate]:
        """The last day that is covered, if a membership is required."""
        until = self.standing.covered_until
        required = {requirement.counts for requirement in self.standing.plan.requirements}
        if "membership" in required and until is not None and until < date.max:
            text = "This is the last day that is covered."
            yield self._date("membership", until, "Membership ends", text, _EARLY_ALARMS)

    def last_provider_days(self, session: Session, rulebooks: Rulebooks) -> Iterator[CalendarDate]:
        """The last day on which each provider of the cycle's sessions counts."""
        plan, cycle = self.standing.plan, self.standing.plan.cycle
        if plan.provider_rule is None or cycle is None:
            return
        person_id = self.standing.facts.person_id
        sessions = list_entries(session, person_id, cycle.counts_from, cycle.ends_on)
        providers = load_providers(session, {e.provider_id for e in sessions if e.provider_id})
        association, rule = rulebooks.provider_rules[plan.provider_rule]
        spans = spans_of(session, plan.provider_rule, providers)
        for provider_id, provider in providers.items():
            # The end of the span that contains today, or of the last one that ended in the cycle.
            last = date.max
            for span in spans.get(provider_id, []):
                if span.starts_on <= self.today and span.ends_on >= cycle.starts_on:
                    last = span.ends_on
            if last != date.max:
                ending = find_ending(association, rule, provider, last)
                text = f"{format_ending(ending, self.today)}."
                summary = f"Last day that {provider.name}'s RSC counts"
                yield self._date(f"provider/{provider_id}", last, summary, text, _EARLY_ALARMS)

    def _date(
        self, key: str, day: date, summary: str, description: str, alarms: tuple[int, ...]
    ) -> CalendarDate:
        facts, plan = self.standing.facts, self.standing.plan
        return CalendarDate(
            key=f"{key}/{facts.subject_id}",
            day=day,
            summary=f"{summary}: {plan.association} {plan.category}",
            description=description,
            judged_on=self.judged_on,
            # Days only pass, so this never decreases, and each day's evaluation has its own.
            revision=max((self.judged_on - facts.starts_on).days, 0),
            alarms=alarms,
        )


def calendar_file(name: str, namespace: UUID, address: str, dates: Sequence[CalendarDate]) -> bytes:
    """The file, the same bytes for the same dates. Each event links to ``address``.

    ``namespace`` belongs to this installation, so that its UIDs are unique.
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
    for dated in sorted(dates, key=lambda dated: (dated.day, dated.key)):
        calendar.add_component(_event(dated, namespace, address))
    if not dates:
        # The standard requires at least one component.
        zone, standard = Timezone(), TimezoneStandard()
        zone.add("tzid", "Etc/UTC")
        standard.add("dtstart", datetime.combine(date(1970, 1, 1), time()))
        standard.add("tzoffsetfrom", timedelta())
        standard.add("tzoffsetto", timedelta())
        zone.add_component(standard)
        calendar.add_component(zone)
    return bytes(calendar.to_ical())


def _event(dated: CalendarDate, namespace: UUID, address: str) -> Event:
    stamp = datetime.combine(dated.judged_on, time(), UTC)
    event = Event()
    event.add("uid", str(uuid5(namespace, dated.key)))
    event.add("dtstamp", stamp)
    event.add("last-modified", stamp)
    event.add("sequence", dated.revision)
    event.add("dtstart", dated.day)
    event.add("dtend", dated.day + _ONE_DAY)
    event.add("summary", dated.summary)
    event.add("description", f"{dated.description}\n{address}")
    event.add("url", address)
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT")
    for days in dated.alarms:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", dated.summary)
        alarm.add("trigger", _MORNING - days * _ONE_DAY)
        event.add_component(alarm)
    return event
