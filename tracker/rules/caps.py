"""How much of each session counts where a requirement limits hours that are alike. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracker.formatting import format_hours, format_hours_with_unit
from tracker.rules.explain import CappedHours, LoggedEntry, Verdict
from tracker.rules.plan import Plan, PlannedCap, PlannedRequirement
from tracker.rules.reasons import Reason, because, format_reason

# Why hours beyond a cap do not count.
CAP_CODES = frozenset({"format_cap", "topic_cap"})


class _Room(NamedTuple):
    """A requirement with caps, and the minutes that each of them has left."""

    requirement: PlannedRequirement
    left: dict[PlannedCap, int]


def limit_by_caps(
    plan: Plan, explained: Iterable[tuple[LoggedEntry, Verdict]]
) -> Iterator[tuple[LoggedEntry, Verdict]]:
    """Yield the verdicts on a cycle's entries, with how much of each its caps let count.

    Sessions count in the order of their days, so the last ones are too many. ``explained`` are all
    entries of the cycle with what `explain` says of each; they are yielded in order of their days.
    """
    rooms = [
        _Room(requirement, {cap: cap.minutes for cap in requirement.caps})
        for requirement in plan.requirements
        if requirement.caps
    ]
    for entry, verdict in sorted(explained, key=lambda pair: (pair[0].held_on, pair[0].id)):
        yield entry, _limit(rooms, entry, verdict)


def _limit(rooms: Iterable[_Room], entry: LoggedEntry, verdict: Verdict) -> Verdict:
    capped = []
    for room in rooms:
        if room.requirement.id in verdict.requirement_ids:
            minutes, reason = _take(room, entry)
            if reason is not None:
                capped.append(CappedHours(room.requirement.id, minutes, reason))
    if not capped:
        return verdict
    full = {hours.requirement_id for hours in capped if not hours.minutes}
    left = tuple(each for each in verdict.requirement_ids if each not in full)
    if not left:
        return Verdict((), capped[0].reason)
    return verdict._replace(requirement_ids=left, capped=tuple(capped))


def _take(room: _Room, entry: LoggedEntry) -> tuple[int, Reason | None]:
    """The minutes of an entry that count toward a requirement; why not all of them (None: all)."""
    counted, reason = entry.minutes, None
    for minutes, caps in _list_capped_parts(room, entry):
        tightest = min(caps, key=lambda cap: room.left[cap])
        fits = min(minutes, room.left[tightest])
        for cap in caps:
            room.left[cap] -= fits
        if fits < minutes:
            counted -= minutes - fits
            reason = _explain_cap(tightest)
    return counted, reason


def _list_capped_parts(room: _Room, entry: LoggedEntry) -> Iterator[tuple[int, list[PlannedCap]]]:
    """The parts of an entry that caps limit, in minutes, each with those caps."""
    if by_format := [cap for cap in room.left if entry.format in cap.formats]:
        yield entry.minutes, by_format
    for cap in room.left:
        if cap.topic in entry.topics:
            yield entry.topics[cap.topic], [cap]


def _explain_cap(cap: PlannedCap) -> Reason:
    hours = format_hours_with_unit(cap.minutes)
    if cap.topic:
        return because("topic_cap", hours=hours, topic=cap.topic)
    return because("format_cap", hours=hours, formats=cap.formats)


def count_whole_minutes(plan: Plan, entry: LoggedEntry, verdict: Verdict) -> int:
    """The minutes of an entry that count toward the whole hours of its activity.

    Without such a requirement: all of its minutes, if it counts.
    """
    if not verdict.counts:
        return 0
    capped = {hours.requirement_id: hours.minutes for hours in verdict.capped}
    for requirement in plan.requirements:
        if requirement.counts == entry.activity and not requirement.is_part:
            return capped.get(requirement.id, entry.minutes)
    return entry.minutes


def list_cap_sentences(plan: Plan, entry: LoggedEntry, verdict: Verdict) -> list[str]:
    """What of an entry does not count toward what, without full stops.

    "only 1 of 2 hours toward RSC: at most 6 hours of peer sessions count".
    """
    names = {requirement.id: requirement.hours_name for requirement in plan.requirements}
    sentences = []
    for hours in verdict.capped:
        part = "not"
        if hours.minutes:
            whole = format_hours_with_unit(entry.minutes)
            part = f"only {format_hours(hours.minutes)} of {whole}"
        reason = format_reason(hours.reason)
        sentences.append(f"{part} toward {names[hours.requirement_id]}: {reason}")
    return sentences
