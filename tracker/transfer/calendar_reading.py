"""The dates of a person's calendar: of each endorsement, this cycle's and the one's before it."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from tracker.records.entries.entries import entries_of
from tracker.records.judging.endorsees import endorsements_of, spans_of
from tracker.records.judging.evaluation import days_at, judge_current
from tracker.records.judging.facts import make_id_table
from tracker.records.judging.providers import load_providers
from tracker.records.schema.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Provider, why_it_ends
from tracker.rules.standing import Span, Standing, Status
from tracker.transfer.calendar import Dated

_STANDING = METADATA.tables["standing"]
_WANTED = "calendar_endorsement"
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
        # Days only pass: so it never falls, and is another after each judgement of another day.
        revision = max((self.judged_on - facts.starts_on).days, 0)
        key = f"{key}/{facts.subject_id}"
        return Dated(key, day, summary, description, self.judged_on, revision, alarms)


def read_calendar(
    connection: Connection, books: Rulebooks, person_id: int, at: datetime
) -> list[Dated]:
    """The dates of a person's renewals, as of an instant; each key once."""
    ids = [e.id for e in endorsements_of(connection, person_id)]
    make_id_table(connection, _WANTED, ids)
    day_of = days_at(books, at)
    standings = list(judge_current(connection, books, day_of, only=_WANTED))
    judged = _judged(connection, ids)
    found: dict[str, Dated] = {}
    for standing in standings:
        if standing.plan.cycle is None:
            continue
        today = day_of(standing.plan.association)
        key = (standing.facts.subject_id, standing.plan.cycle.starts_on)
        origin = _Origin(standing, today, judged.get(key, today))
        for dated in (*_days(origin), *_cutoffs(connection, books, origin)):
            # The cycle before comes second, and has nothing newer to say of the same thing.
            if dated.key not in found or found[dated.key].day < dated.day:
                found[dated.key] = dated
    return list(found.values())


def _judged(connection: Connection, endorsement_ids: list[int]) -> Judged:
    query = select(
        _STANDING.c.endorsement_id, _STANDING.c.cycle_starts_on, _STANDING.c.judged_on
    ).where(_STANDING.c.endorsement_id.in_(endorsement_ids))
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


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
    if until is not None and until < date.max and any(a.counts == "membership" for a in plan.asks):
        summary, about = f"Membership ends: {name}", "It is the last day that is covered."
        yield origin.dated("membership", until, summary, about, _LONG)


def _cutoffs(connection: Connection, books: Rulebooks, origin: _Origin) -> Iterator[Dated]:
    """When each provider of the cycle's sessions stops counting."""
    plan, cycle = origin.standing.plan, origin.standing.plan.cycle
    if plan.provider_rule is None or cycle is None:
        return
    person_id = origin.standing.facts.person_id
    sessions = entries_of(connection, person_id, cycle.starts_on, cycle.ends_on)
    used = load_providers(connection, {e.provider_id for e in sessions if e.provider_id})
    association, rule = books.provider_rules[plan.provider_rule]
    spans = spans_of(connection, plan.provider_rule, used)
    for provider_id, provider in used.items():
        last = _last_day(spans.get(provider_id, []), cycle.starts_on, origin.today)
        if last is not None:
            summary = _stops(provider, plan.association, plan.category)
            about = f"{why_it_ends(association, rule, provider, last).reason}."
            yield origin.dated(f"provider/{provider_id}", last, summary, about, _LONG)


def _stops(provider: Provider, association: str, category: str) -> str:
    return f"{provider.name}'s RSC counts for the last time: {association} {category}"


def _last_day(spans: list[Span], since: date, today: date) -> date | None:
    """The end of the span that holds today, else of the last one that ended in the cycle."""
    begun = [s for s in spans if s.starts_on <= today and s.ends_on >= since]
    if not begun or begun[-1].ends_on > date.max - timedelta(days=1):
        return None
    return begun[-1].ends_on
