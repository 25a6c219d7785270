"""What the form offers one person: topics and providers that can count, and the last day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.records.applying.applicants import undecided_of
from tracker.records.evidence.closing import Closing
from tracker.records.judging.endorsees import Own, own_of
from tracker.records.judging.evaluation import days_at
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.plan import Plan
from tracker.rules.readiness_words import lower
from tracker.web.frame.own_time import known_zones
from tracker.web.hours.fields import Named


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
    closing: Closing


def read_setting(
    connection: Connection,
    books: Rulebooks,
    person_id: int,
    at: datetime,
    editing: LoggedEntry | None = None,
) -> FormSetting:
    """What to offer; the topics of an entry being edited are kept though no rule counts them."""
    day_of = days_at(books, at)
    plans: list[Plan] = []
    zones: set[str] = set()
    own = own_of(connection, person_id)
    applications = undecided_of(connection, person_id) if own.has_applied else []
    for held in own.endorsements:
        if held.association in books.associations:
            zones.add(held.association)
            today = day_of(held.association)
            plans += _plan(books, held.association, held.category, held.starts_on, today)
    for applied in applications:
        if applied.association in books.associations:
            zones.add(applied.association)
            day = applied.submitted_on or day_of(applied.association)
            plans.append(books.application_plan(applied.association, applied.category, day))
    asked = {t for plan in plans for t in _topics(plan)}
    return FormSetting(
        person_id=person_id,
        topics=tuple(sorted(asked | _kept(editing, "training"))),
        rsc_topics=_named(books, plans, _kept(editing, "rsc")),
        rules=frozenset(plan.provider_rule for plan in plans if plan.provider_rule),
        associations=frozenset(zones),
        today=_today(books, own, at, zones),
        closing=Closing(books, day_of, own.endorsements, {}, bool(applications)),
    )


def _today(books: Rulebooks, own: Own, at: datetime, held: set[str]) -> date:
    """By the person's own time zone (see `frame.own_time`), else by their associations'."""
    if own.time_zone in known_zones():
        return local_day(at, str(own.time_zone))
    # The day begins first in the east: with two associations the later one's is open.
    day_of = days_at(books, at)
    return max(day_of(name) for name in held or books.associations)


def _kept(editing: LoggedEntry | None, activity: str) -> set[str]:
    return set(editing.topics) if editing and editing.activity == activity else set()


def _named(books: Rulebooks, plans: Iterable[Plan], kept: set[str]) -> tuple[Named, ...]:
    """What an RSC session can be about, with the words of a rulebook that asks it."""
    found = {topic: topic for topic in kept}
    for plan in plans:
        words = books.associations[plan.association].topic_names
        for ask in plan.asks:
            if ask.counts == "rsc" and ask.topic:
                found[ask.topic] = lower(words.get(ask.topic, ask.topic))
    return tuple(sorted(found.items()))


def _topics(plan: Plan) -> Iterable[str]:
    """What the hours of a training can be about."""
    for ask in plan.asks:
        if ask.counts == "training":
            yield from ((ask.topic,) if ask.topic else ask.rule.besides)


def _plan(
    books: Rulebooks, association: str, category: str, starts_on: date, today: date
) -> Iterable[Plan]:
    plan = books.plan(association, category, starts_on, today)
    return (plan,) if plan else ()
