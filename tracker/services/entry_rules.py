"""What an entry must satisfy to be saved, and what looks like a mistake in it."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from rapidfuzz import fuzz
from sqlmodel import Session

from tracker.clock import known_zones, local_day
from tracker.db.applications import Application
from tracker.formatting import (
    DEFAULT_LOCALE,
    MINUTES_IN_DAY,
    MINUTES_IN_HOUR,
    lowercase_first,
)
from tracker.plain_text import normalize_text, plain_name
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.plan import Plan
from tracker.rules.reasons import Reason
from tracker.rules.requirement import FORMATS
from tracker.services.applications import list_undecided_applications
from tracker.services.context import Refusal
from tracker.services.endorsements import (
    CycleLock,
    CycleLocks,
    Endorsed,
    own_of,
    refusal_of_lock,
)
from tracker.services.evaluation import DayOf, days_at

ACTIVITIES = ("rsc", "training")
YEARS_BACK = 50
DAILY_LIMIT = 60
TEXT_LIMITS = {"title": 300, "provider_name": 200, "reference": 200}
# A session is so short or long that the person is asked about it outside of these minutes.
_USUAL_FROM, _USUAL_TO = 5, 12 * MINUTES_IN_HOUR
_SIMILAR_MINUTES = 15
# Of 100, by rapidfuzz: one or two letters may differ.
_SIMILAR_NAME = 85.0


@dataclass(frozen=True, slots=True)
class EntryInput:
    """What a person or a program enters about one session; minutes, also in ``topics``.

    An RSC session's provider is a known person or a name; a training has none.
    """

    activity: str
    held_on: date
    minutes: int
    title: str
    provider_id: int | None = None
    provider_name: str | None = None
    format: str | None = None
    reference: str | None = None
    topics: Mapping[str, int] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Its fields by name."""
        return {name: getattr(self, name) for name in INPUT_FIELDS}


INPUT_FIELDS = tuple(one.name for one in dataclasses.fields(EntryInput))


@dataclass(frozen=True, slots=True)
class EntryRules:
    """What applies to one person's entries, or to those of an import, at one instant.

    ``today`` is the last day on which a session may have been held. ``topics`` are those that can
    be entered, with their labels, by activity. ``provider_rules`` and ``associations`` decide
    which RSC providers the person is offered. Without ``locks`` no cycle is locked. ``locale`` is
    that of an association of the person.
    """

    today: date
    topics: Mapping[str, Mapping[str, str]]
    provider_rules: frozenset[str] = frozenset()
    associations: frozenset[str] = frozenset()
    locks: CycleLocks | None = None
    locale: str = DEFAULT_LOCALE
    requires_provider: bool = True

    def lock_on(self, day: date) -> CycleLock | None:
        """The lock that keeps entries of a day from being changed; None if there is none."""
        return self.locks.lock_on(day) if self.locks else None

    def lock_of(self, entry: LoggedEntry) -> CycleLock | None:
        """The lock that keeps a stored entry from being changed; None if there is none."""
        return self.locks.lock_of(entry.id, entry.held_on) if self.locks else None

    def for_editing(self, entry: LoggedEntry) -> "EntryRules":
        """The same rules with the entry's own topics, which stay though no rule counts them."""
        topics = {activity: dict(labels) for activity, labels in self.topics.items()}
        for topic in entry.topics:
            topics[entry.activity].setdefault(topic, topic)
        return dataclasses.replace(self, topics=topics)


@dataclass(frozen=True, slots=True)
class EntryWarnings:
    """What a person confirms before an entry is saved; ``minutes`` is 0 for a usual length.

    ``uncounted`` is why no session with the provider counts on that day, with its key.
    """

    duplicate: LoggedEntry | None = None
    minutes: int = 0
    uncounted: tuple[str, Reason] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """What a form sends back to confirm these warnings."""
        keys = []
        if self.duplicate is not None:
            keys.append(str(self.duplicate.id))
        if self.minutes:
            keys.append(length_key(self.minutes))
        if self.uncounted is not None:
            keys.append(self.uncounted[0])
        return tuple(keys)


def load_entry_rules(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> EntryRules:
    """The rules for a person's entries, from their endorsements and open applications."""
    own = own_of(session, person_id)
    applications = list_undecided_applications(session, person_id) if own.has_applied else []
    today_at = days_at(rulebooks, now)
    plans = _plans_of(rulebooks, own.endorsements, applications, today_at)
    associations = sorted(plans)
    if own.time_zone in known_zones():
        today = local_day(now, str(own.time_zone))
    else:
        # A new day starts first in the east.
        today = max(today_at(name) for name in associations or rulebooks.associations)
    every_plan = [plan for some in plans.values() for plan in some]
    locale = rulebooks.associations[associations[0]].locale if associations else DEFAULT_LOCALE
    return EntryRules(
        today=today,
        topics=_topics_of(every_plan),
        provider_rules=frozenset(plan.provider_rule for plan in every_plan if plan.provider_rule),
        associations=frozenset(associations),
        locale=locale,
        locks=CycleLocks(rulebooks, today_at, own, applies=bool(applications)),
    )


def _plans_of(
    rulebooks: Rulebooks,
    endorsements: Iterable[Endorsed],
    applications: Iterable[Application],
    today_at: DayOf,
) -> dict[str, list[Plan]]:
    """The plans in force today for endorsements and applications, by association."""
    plans: dict[str, list[Plan]] = {}
    for endorsed in endorsements:
        if endorsed.association in rulebooks.associations:
            plan = rulebooks.plan(*endorsed.triple, today_at(endorsed.association))
            plans.setdefault(endorsed.association, []).extend([plan] if plan else [])
    for applied in applications:
        if applied.association in rulebooks.associations:
            day = applied.submitted_on or today_at(applied.association)
            plans.setdefault(applied.association, []).append(
                rulebooks.application_plan(
                    applied.association, applied.category, day, applied.plan_purpose
                )
            )
    return plans


def _topics_of(plans: Iterable[Plan]) -> dict[str, dict[str, str]]:
    topics: dict[str, dict[str, str]] = {"rsc": {}, "training": {}}
    for plan in plans:
        labels = plan.rulebook.topic_names
        for requirement in plan.requirements:
            if requirement.counts == "rsc" and requirement.topic:
                label = labels.get(requirement.topic, requirement.topic)
                topics["rsc"][requirement.topic] = lowercase_first(label)
            elif requirement.counts == "training":
                topics["training"].update((topic, topic) for topic in requirement.own_topics)
    return {activity: dict(sorted(found.items())) for activity, found in topics.items()}


def usual_title(activity: str, session_format: str | None) -> str:
    """The title of an RSC session without one: "Individual RSC"; empty for a training."""
    return f"{(session_format or '').capitalize()} RSC".strip() if activity == "rsc" else ""


def validate_entry(entry: EntryInput, rules: EntryRules) -> list[Refusal]:
    """Every reason to refuse an entry that can be known without the person's other entries."""
    refusals = _validate_day(entry.held_on, rules)
    if entry.activity not in ACTIVITIES:
        refusals.append(Refusal("activity", "activity-required"))
    if not 1 <= entry.minutes <= MINUTES_IN_DAY:
        refusals.append(Refusal("minutes", "minutes-out-of-range"))
    if entry.activity == "training" and not entry.title:
        refusals.append(Refusal("title", "title-required"))
    for name, limit in TEXT_LIMITS.items():
        if len(getattr(entry, name) or "") > limit:
            refusals.append(Refusal(name, "text-too-long", {"limit": limit}))
    refusals += _validate_provider(entry, rules)
    refusals += _validate_topics(entry, rules)
    return refusals


def _validate_day(day: date, rules: EntryRules) -> list[Refusal]:
    if day > rules.today:
        return [Refusal("held_on", "day-in-future", {"today": rules.today})]
    first_year = rules.today.year - YEARS_BACK
    if day.year < first_year:
        return [Refusal("held_on", "day-too-long-ago", {"first_year": first_year})]
    lock = rules.lock_on(day)
    if lock is not None:
        return [refusal_of_lock("held_on", lock)]
    return []


def _validate_provider(entry: EntryInput, rules: EntryRules) -> list[Refusal]:
    named = (entry.provider_id is not None, bool(entry.provider_name))
    if entry.activity == "training":
        forbidden = {"provider": any(named), "format": entry.format is not None}
        return [Refusal(name, f"{name}-forbidden") for name, given in forbidden.items() if given]
    if entry.activity == "rsc" and rules.requires_provider and not any(named):
        return [Refusal("provider", "provider-required")]
    if all(named):
        return [Refusal("provider", "provider-twice")]
    if entry.format not in (None, *FORMATS):
        return [Refusal("format", "format-unknown")]
    return []


def _validate_topics(entry: EntryInput, rules: EntryRules) -> list[Refusal]:
    refusals = []
    allowed = rules.topics.get(entry.activity)  # None for an unknown activity
    for topic, minutes in entry.topics.items():
        if allowed is not None and topic not in allowed:
            facts = {"topic": topic, "allowed": tuple(allowed)}
            refusals.append(Refusal(f"topics.{topic}", "topic-unknown", facts))
        elif minutes < 1:
            refusals.append(Refusal(f"topics.{topic}", "topic-minutes-required", {"topic": topic}))
    if sum(entry.topics.values()) > entry.minutes:
        total = {"topics": tuple(entry.topics), "minutes": entry.minutes}
        refusals.append(Refusal("topics", "topics-exceed-session", total))
    return refusals


def find_warnings(
    entry: EntryInput,
    others: Sequence[LoggedEntry],
    confirmed: Collection[str],
    uncounted: Reason | None = None,
) -> EntryWarnings | None:
    """What looks like a mistake, and is not ``confirmed`` yet; None if nothing does.

    ``others`` are the other entries of the day, newest first. ``uncounted`` is why the provider
    does not count on that day (None: they do).
    """
    duplicate = None
    for other in others:
        if other.activity == entry.activity and _may_be_same_session(entry, other):
            duplicate = other
    if duplicate is not None and str(duplicate.id) in confirmed:
        duplicate = None
    minutes = unusual_minutes(entry.minutes, confirmed)
    keyed = None
    if uncounted is not None:
        key = provider_key(entry.provider_id, entry.held_on)
        keyed = None if key in confirmed else (key, uncounted)
    found = EntryWarnings(duplicate, minutes, keyed)
    return found if found != EntryWarnings() else None


def unusual_minutes(minutes: int, confirmed: Collection[str]) -> int:
    """The minutes if they are unusually few or many and not ``confirmed`` yet, else 0."""
    if _USUAL_FROM <= minutes <= _USUAL_TO or length_key(minutes) in confirmed:
        return 0
    return minutes


def provider_key(provider_id: int | None, day: date) -> str:
    """What a form sends back to confirm a provider who does not count on a day."""
    return f"{provider_id}@{day.isoformat()}"


def length_key(minutes: int) -> str:
    """What a form sends back to confirm an unusual length."""
    return f"{minutes}min"


def _may_be_same_session(entry: EntryInput, other: LoggedEntry) -> bool:
    has_similar_length = abs(entry.minutes - other.minutes) <= _SIMILAR_MINUTES
    if entry.activity != "rsc":
        titles = [normalize_text(each.title).casefold() for each in (entry, other)]
        similarity = fuzz.ratio(*titles)
        return similarity >= (_SIMILAR_NAME if has_similar_length else 100)
    if entry.provider_id and other.provider_id:
        # Two sessions with one provider on one day are rare, whatever their length.
        return entry.provider_id == other.provider_id
    if entry.provider_name and other.provider_name:
        similarity = fuzz.ratio(plain_name(entry.provider_name), plain_name(other.provider_name))
        return similarity >= _SIMILAR_NAME
    # A name can be that of a known provider, so a similar length is enough.
    return has_similar_length
