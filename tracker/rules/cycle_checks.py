"""Whether the blocks of cycles of a rulebook follow each other, and their dates fit."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from tracker.rules.cycles import Cycle, common_cycle, cycle_containing, whole_cycle
from tracker.rules.model import CycleScheme

_DAY = timedelta(days=1)
# Every day of the year, and every place of a leap year among cycles of whole years.
_FOUR_YEARS = 4 * 366
_ENOUGH_CYCLES = 8
# A longer grace period to a day of the year is hardly meant: the day before was.
_LONG_GRACE = 183

Problems = Iterator[tuple[str, str]]


def list_cycle_problems(numbered: Sequence[tuple[int, CycleScheme]], *, is_whole: bool) -> Problems:
    """What would be silently wrong, each with its key and what to write instead.

    The blocks have their places in the file. Each block's cycles must be whole, unless it says what
    shortened ones require. What follows on what is not checked unless the list ``is_whole``: a
    block that is missing has an error of its own.
    """
    schemes = [scheme for _, scheme in numbered]
    for number, scheme in numbered:
        if scheme.kind == "fixed" and scheme.short_cycle is None:
            yield from _check_end(f"cycles[{number}].ends_on", scheme)
        yield from _check_dates(f"cycles[{number}]", scheme, schemes)
    if is_whole:
        yield from _check_sequence(numbered)


def _check_sequence(numbered: Sequence[tuple[int, CycleScheme]]) -> Problems:
    for number, first in numbered[:1]:
        if first.lengthens_on:
            reason = "lengthens the cycles of the block before, and there is none: remove it"
            yield f"cycles[{number}].lengthens_on", reason
    for (_, earlier), (number, later) in pairwise(numbered):
        if later.lengthens_on:
            key = f"cycles[{number}].lengthens_on"
            yield from _check_lengthened(key, earlier, later, later.lengthens_on)
            if earlier.kind == "fixed":
                continue
        if earlier.short_cycle is None:
            yield from _check_change(f"cycles[{number}].from", earlier, later)


def _check_lengthened(key: str, earlier: CycleScheme, later: CycleScheme, day: date) -> Problems:
    """A block may lengthen cycles of the block before that end early enough."""
    if not earlier.starts_from <= day < later.starts_from:
        reason = (
            f"{day} must be a day of the block before, whose cycles it lengthens: from "
            f"{earlier.starts_from} through {later.starts_from - _DAY}"
        )
        yield key, reason
    elif earlier.kind == "fixed":
        ends_on = whole_cycle(earlier, day)[1]
        if ends_on + _DAY >= later.starts_from:
            reason = (
                f"the cycle that runs on {day} lasts through {ends_on} anyway, which is no "
                f"earlier than {later.starts_from - _DAY}: remove lengthens_on and long_cycle, "
                "or write a day of the cycle that is lengthened"
            )
            yield key, reason


def _check_dates(key: str, scheme: CycleScheme, schemes: Sequence[CycleScheme]) -> Problems:
    """No cycle may lapse while hours still count, or close its submission out of order."""
    yield from _check_grace(f"{key}.grace_until", scheme, schemes)
    is_early = bool(scheme.due_on or scheme.due_days_before_end)
    if not is_early and scheme.submission_opens is None:
        return
    for cycle in _list_cycles(scheme, schemes):
        grace_ends_on = cycle.grace_ends_on(cycle.due_on)
        closes_on = cycle.closes_on
        if is_early and grace_ends_on < cycle.ends_on:
            days = (cycle.ends_on - cycle.due_on).days
            reason = (
                f"hours held through {cycle.ends_on} count, but renewals would lapse after "
                f"{grace_ends_on}: write grace_days = {days} or more, or cycles that end on "
                "their due date, so that later hours count in the next one"
            )
            yield f"{key}.{_grace_key(scheme)}", reason
            return
        if closes_on and cycle.opens_on and not cycle.opens_on <= closes_on <= grace_ends_on:
            reason = (
                f"the submission of the cycle through {cycle.ends_on} would close on "
                f"{closes_on}, which is not between its opening on {cycle.opens_on} and the "
                f"end of the grace period on {grace_ends_on}"
            )
            yield f"{key}.submission_closes", reason
            return


def _check_grace(key: str, scheme: CycleScheme, schemes: Sequence[CycleScheme]) -> Problems:
    """The first day of a name after the due date can be nearly a year away."""
    if scheme.kind != "fixed" or scheme.grace_until is None:
        return
    for cycle in _list_cycles(scheme, schemes):
        ends_on = cycle.grace_ends_on(cycle.due_on)
        days = (ends_on - cycle.due_on).days
        if days > _LONG_GRACE:
            reason = (
                f"the grace period of the renewal that is due on {cycle.due_on} would end on "
                f"{ends_on}, {days} days later: write grace_days = 0 for no grace period, or "
                f"grace_days = {days} if so long a one is meant"
            )
            yield key, reason
            return


def _list_cycles(scheme: CycleScheme, schemes: Sequence[CycleScheme]) -> Iterator[Cycle]:
    """Cycles of a block with all the last days that they can have."""
    day, following = scheme.starts_from, schemes[schemes.index(scheme) + 1 :]
    until = following[0].starts_from if following else date.max
    if scheme.kind == "anniversary":
        for _ in range(_FOUR_YEARS):
            if cycle := cycle_containing((scheme,), day, day):
                yield cycle
            day += _DAY
        return
    for _ in range(_ENOUGH_CYCLES):
        cycle = common_cycle(schemes, day)
        if cycle is None or day >= until:
            return
        yield cycle
        day = cycle.ends_on + _DAY
    if following and (last := common_cycle(schemes, until - _DAY)):
        yield last


def _check_end(key: str, scheme: CycleScheme) -> Problems:
    """A fixed block must begin with a whole cycle."""
    starts_on, ends_on = whole_cycle(scheme, scheme.starts_from)
    if starts_on != scheme.starts_from:
        last = whole_cycle(scheme, scheme.starts_from, scheme.starts_from)[1]
        reason = (
            f"{scheme.ends_on} does not fit years = {scheme.years} and from = "
            f"{scheme.starts_from}: write {last}, or from = {starts_on} or "
            f"{ends_on + _DAY}, or add short_cycle, which says what the shortened "
            f"cycle through {ends_on} requires"
        )
        yield key, reason


def _check_change(key: str, earlier: CycleScheme, later: CycleScheme) -> Problems:
    """A change within a cycle would require all its hours of the part before the change."""
    if earlier.kind == "fixed":
        starts_on, ends_on = whole_cycle(earlier, later.starts_from)
        if starts_on == later.starts_from:
            return
        reason = (
            f"{later.starts_from} is within the cycle from {starts_on} to {ends_on}, so its "
            f"hours would be required twice: write {ends_on + _DAY}, or add short_cycle to the "
            "block before, which says what the shortened cycle requires"
        )
    else:
        reason = (
            f"anniversary cycles would be cut short on {later.starts_from}, and hours would be "
            "required twice: add short_cycle to the block before, which says what shortened "
            "cycles require"
        )
    yield key, reason


def _grace_key(scheme: CycleScheme) -> str:
    return "grace_days" if scheme.grace_until is None else "grace_until"
