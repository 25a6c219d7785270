"""Reminders about the way of a renewal: its submission window, days away, and a limited term. Pure.

The steps are the association's: for the window's last day those of a renewal's due date, for days
away and a limited term those of a membership's last day.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.cycles import Cycle
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.stages import SubmissionWindow, find_window
from tracker.rules.standing import Absence, Standing, Status

_DAY = timedelta(days=1)


class WayKind(StrEnum):
    """What such a reminder is about; the values are those of `notices.Kind`."""

    WINDOW_OPENS = "window opens"
    WINDOW_CLOSES = "window closes"
    ABSENCE_ENDS = "absence ends"
    TERM_ENDS = "term ends"


class WayNotice(NamedTuple):
    """What a reminder is about, the days from ``day`` on which it is due, and why it is skipped."""

    kind: WayKind
    subject_key: str
    day: date
    steps: tuple[int, ...]
    skipped: str | None = None


def list_window_steps(
    config: NoticeConfig, window: SubmissionWindow, due_on: date, *, has_last_day: bool
) -> Iterator[tuple[WayKind, date, tuple[int, ...]]]:
    """On which days from which day people hear of a window; due dates have reminders of their own.

    ``has_last_day``: the rulebook says when it closes, so that is not the end of the grace period.
    """
    yield WayKind.WINDOW_OPENS, window.opens_on, (0,)
    closes_on = window.closes_on
    if has_last_day and closes_on != due_on:
        earliest = (window.opens_on if closes_on < due_on else due_on) + _DAY
        steps = _list_steps_from(config.renewal.before, closes_on, earliest)
        yield WayKind.WINDOW_CLOSES, closes_on, steps


def list_way_notices(config: NoticeConfig, standing: Standing, as_of: date) -> Iterator[WayNotice]:
    """What an endorsee is reminded of about the window and days away of a renewal."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return
    yield from _list_window_notices(config, standing, cycle, due_on)
    if as_of <= cycle.ends_on:
        yield from _list_absence_notices(config, standing, as_of)
        yield from list_term_notices(config, standing)


def _list_window_notices(
    config: NoticeConfig, standing: Standing, cycle: Cycle, due_on: date
) -> Iterator[WayNotice]:
    has_window = cycle.opens_on is not None and cycle.opens_on > standing.facts.starts_on
    if standing.plan.is_submitted and has_window:
        window = find_window(cycle, due_on)
        skipped = _skip_window(standing)
        has_last_day = cycle.closes_on is not None
        for kind, day, steps in list_window_steps(
            config, window, due_on, has_last_day=has_last_day
        ):
            yield WayNotice(kind, cycle.starts_on.isoformat(), day, steps, skipped)


def _list_absence_notices(
    config: NoticeConfig, standing: Standing, as_of: date
) -> Iterator[WayNotice]:
    for absence in standing.facts.leaves:
        if absence.starts_on <= as_of and absence.ends_on != date.max:
            first = absence.starts_on + _DAY
            steps = _list_steps_from(config.membership.before, absence.ends_on, first)
            skipped = _skip_absence(absence, standing)
            kind = WayKind.ABSENCE_ENDS
            yield WayNotice(kind, absence.kind, absence.ends_on, steps, skipped)


def list_term_notices(config: NoticeConfig, standing: Standing) -> Iterator[WayNotice]:
    """What an endorsee is reminded of about the end of a limited term."""
    facts, plan = standing.facts, standing.plan
    category = plan.rulebook.categories.get(plan.category)
    if facts.ends_on is not None and category is not None and category.term_years:
        steps = tuple(-days for days in config.membership.before)
        yield WayNotice(WayKind.TERM_ENDS, "", facts.ends_on, steps)


def _list_steps_from(before: Iterable[int], day: date, earliest: date) -> tuple[int, ...]:
    return tuple(-days for days in before if day - days * _DAY >= earliest)


def _skip_window(standing: Standing) -> str | None:
    if standing.facts.submitted is not None:
        return "the renewal is submitted"
    if standing.status in (Status.MET, Status.EXCUSED):
        return "nothing is missing"
    return None


def _skip_absence(absence: Absence, standing: Standing) -> str | None:
    """Why nobody needs to hear that days away end: others follow, or nothing is missing."""
    next_day = absence.ends_on + _DAY
    if any(each.starts_on <= next_day <= each.ends_on for each in standing.facts.leaves):
        return "another one follows"
    return "every requirement is met" if standing.status is Status.MET else None
