"""How requirements are counted and compared: the same for renewals and applications."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

from tracker.rules.membership import MembershipGrace
from tracker.rules.plan import Plan, PlannedCap, PlannedRequirement
from tracker.rules.reasons import Reason
from tracker.rules.standing import DaySum, Outcome, Remark, Result, Span


def count_minutes(requirement: PlannedRequirement, minutes: Mapping[str, int]) -> int:
    """The minutes that count, from the sums of `Facts.minutes`."""
    counted = minutes.get(requirement.sum_key, 0)
    if requirement.rule.besides:
        besides = sum(minutes.get(f"topic:{topic}", 0) for topic in requirement.rule.besides)
        counted = max(0, counted - besides)
    return counted


def count_days(requirement: PlannedRequirement, days: Iterable[DaySum]) -> int:
    """The minutes (of a spread: the calendar months) that count, from `Facts.days`."""
    included = []
    for day in days:
        # As in `Facts.minutes`, hours about a topic are of any activity.
        is_counted = requirement.topic is not None or day.activity == requirement.counts
        if is_counted and requirement.includes(day.held_on, day.format):
            included.append(day)
    counted = [day for day in included if day.topic == requirement.topic]
    if requirement.is_spread:
        return len({(day.held_on.year, day.held_on.month) for day in counted})
    total = sum(day.minutes for day in counted)
    return total - _count_beyond_caps(requirement.caps, included)


def _count_beyond_caps(caps: Iterable[PlannedCap], days: Iterable[DaySum]) -> int:
    """The minutes that are too many for one of the caps; those within others come first.

    The topics of a session are never about the same minutes.
    """
    left: Counter[str | None] = Counter()
    if caps:
        for day in days:
            left[f"topic:{day.topic}" if day.topic else day.format] += day.minutes
    beyond = 0
    for cap in caps:
        kinds = cap.formats or (f"topic:{cap.topic}",)
        too_many = max(0, sum(left[kind] for kind in kinds) - cap.minutes)
        beyond += too_many
        # Only a cap on one kind lies within another: there are three formats, and none limits all.
        left[kinds[0]] -= too_many
    return beyond


def compare(
    requirement: PlannedRequirement,
    counted: int,
    *,
    needs_review: bool = False,
    notes: tuple[Reason, ...] = (),
    remarks: Sequence[Remark] = (),
) -> Result:
    """The result of counting so much; ``needs_review``: it is met only if the reviewers agree."""
    required = requirement.amount
    short = max(0, required - counted)
    outcome = Outcome.REVIEW if needs_review else Outcome.MET
    if short:
        outcome = Outcome.SHORT
    return Result(
        requirement, required, counted, short, outcome, notes=notes, remarks=tuple(remarks)
    )


def is_covered(spans: Iterable[Span], day: date) -> bool:
    """Whether one of the spans includes the day."""
    return any(starts_on <= day <= ends_on for starts_on, ends_on in spans)


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """The same days as spans in order, with a gap between any two of them."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and (span.starts_on - merged[-1].ends_on).days <= 1:
            merged[-1] = Span(merged[-1].starts_on, max(merged[-1].ends_on, span.ends_on))
        else:
            merged.append(span)
    return merged


@lru_cache(maxsize=4_096)
def _grant_grace(spans: tuple[Span, ...], grace: MembershipGrace) -> tuple[Span, ...]:
    return tuple(Span(span.starts_on, grace.ends_on(span.ends_on)) for span in spans)


def list_counted_spans(plan: Plan, memberships: tuple[Span, ...]) -> tuple[Span, ...]:
    """The days on which each membership counts: it may count for some time after its last day."""
    grace = plan.membership_grace
    return memberships if grace is None else _grant_grace(memberships, grace)


def find_membership_end(
    plan: Plan, memberships: tuple[Span, ...], counted_until: date | None
) -> date | None:
    """The last day of the membership that counts through ``counted_until``, without its grace."""
    grace = plan.membership_grace
    if counted_until is None or grace is None:
        return counted_until
    return max(s.ends_on for s in memberships if grace.ends_on(s.ends_on) == counted_until)


# Most memberships run for the same days.
@lru_cache(maxsize=4_096)
def find_cover_end(spans: tuple[Span, ...], day: date) -> date | None:
    """The last day of the unbroken cover that includes ``day``; None if that day is not covered."""
    for span in merge_spans(spans):
        if span.starts_on <= day <= span.ends_on:
            return span.ends_on
    return None
