"""What the form offers one person: topics and providers that can count, and the last day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from tracker.records.applicants import undecided_of
from tracker.records.endorsees import Choice, endorsements_of, provider_choices
from tracker.records.evaluation import days_at
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.plan import Plan


@dataclass(frozen=True, slots=True)
class FormSetting:
    """``today`` is the last day on which a session may have been held."""

    topics: tuple[str, ...]
    providers: list[Choice]
    today: date


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
    for held in endorsements_of(connection, person_id):
        if held.association in books.associations:
            zones.add(held.association)
            today = day_of(held.association)
            plans += _plan(books, held.association, held.category, held.starts_on, today)
    for applied in undecided_of(connection, person_id):
        if applied.association in books.associations:
            zones.add(applied.association)
            day = applied.submitted_on or day_of(applied.association)
            plans.append(books.application_plan(applied.association, applied.category, day))
    asked = {t for plan in plans for t in _topics(plan)}
    rules = {plan.provider_rule for plan in plans if plan.provider_rule}
    return FormSetting(
        topics=tuple(sorted(asked | set(editing.topics if editing else ()))),
        providers=provider_choices(connection, person_id, rules),
        # The day begins first in the east: with two associations the later one's is open.
        today=max(day_of(name) for name in zones or books.associations),
    )


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
