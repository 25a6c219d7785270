"""RSC hours of an application: the best window of months, which is the one that lacks least."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.application.candidate import Candidate, CandidateSession
from tracker.rules.application.work import DegreeDay, find_degree_day
from tracker.rules.counting import compare
from tracker.rules.plan import PlannedRequirement
from tracker.rules.reasons import Reason, because
from tracker.rules.requirement import WindowRule
from tracker.rules.standing import CountedItem, Remark, Result

_DAY = timedelta(days=1)


class WeightedSession(NamedTuple):
    """A session's day, and its minutes for each of the requirements that share the window."""

    held_on: date
    minutes: tuple[int, ...]


class RscWindow(NamedTuple):
    """A span that begins with a session, both days included, and the minutes within it."""

    starts_on: date
    ends_on: date
    minutes: tuple[int, ...]


def list_windows(sessions: Sequence[WeightedSession], months: int) -> Iterator[RscWindow]:
    """Each span of ``months`` that begins on a session's day; ``sessions`` in order of days.

    No other span holds more than one of these: moving its start to its first session loses
    nothing.
    """
    days = [session.held_on for session in sessions]
    # Running totals: what a window holds is the difference of two of them.
    columns = zip(*(session.minutes for session in sessions), strict=True)
    totals = [list(accumulate(column, initial=0)) for column in columns]
    end = 0
    for start, first in enumerate(days):
        if start and days[start - 1] == first:
            continue
        ends_on = last_day(first, months)
        end = bisect_right(days, ends_on, end)
        minutes = tuple([total[end] - total[start] for total in totals])
        yield RscWindow(first, ends_on, minutes)


# Sessions of many people fall on the same days.
@lru_cache(maxsize=8_192)
def last_day(first: date, months: int) -> date:
    """The last day of a span of ``months`` that begins on ``first``: the eve of the same day.

    If that month has no such day (February 29 two years on), the month's last day.
    """
    after = first + relativedelta(months=months)
    return after - _DAY if after.day == first.day else after


def best_window(windows: Iterable[RscWindow], required: Sequence[int]) -> RscWindow | None:
    """The window that lacks least of what is ``required``; of equals the fullest, then the last.

    None if there are no windows.
    """

    def rank(window: RscWindow) -> tuple[int, int, date]:
        short = 0
        for needed, minutes in zip(required, window.minutes, strict=True):
            short += max(0, needed - minutes)
        return -short, sum(window.minutes), window.starts_on

    return max(windows, key=rank, default=None)


class _EligibleSessions(NamedTuple):
    """Sessions that may count, in order, and remarks on those that cannot.

    ``review`` says why the sessions count only if the reviewers agree, if so.
    """

    sessions: list[CandidateSession]
    remarks: list[Remark]
    review: Reason | None


def judge_rsc(
    requirements: Sequence[PlannedRequirement], candidate: Candidate, as_of: date
) -> Iterator[Result]:
    """Judge all requirements of RSC hours; those inside another one share its window."""
    for outer in requirements:
        if outer.rule.inside is not None:
            continue
        group = [outer, *(r for r in requirements if r.rule.inside == outer.id)]
        eligible = _find_eligible_sessions(outer, candidate)
        if outer.rule.window and outer.rule.window.months:
            yield from _judge_window(group, eligible, outer.rule.window.months, as_of)
            continue
        for requirement in group:
            counted = sum(_minutes(requirement, session) for session in eligible.sessions)
            yield _result(requirement, counted, eligible, None)


def _judge_window(
    group: Sequence[PlannedRequirement], eligible: _EligibleSessions, months: int, as_of: date
) -> Iterator[Result]:
    required = [requirement.amount for requirement in group]
    weighted = []
    for session in eligible.sessions:
        minutes = tuple([_minutes(requirement, session) for requirement in group])
        weighted.append(WeightedSession(session.held_on, minutes))
    windows = list(list_windows(weighted, months))
    best = best_window(windows, required)
    open_window = best_window([w for w in windows if as_of <= w.ends_on], required)
    for index, requirement in enumerate(group):
        counted = best.minutes[index] if best else 0
        result = _result(requirement, counted, eligible, best)
        if result.short and open_window:
            result = result._replace(closes_on=open_window.ends_on)
        yield result


def _result(
    requirement: PlannedRequirement,
    counted: int,
    eligible: _EligibleSessions,
    window: RscWindow | None,
) -> Result:
    notes = []
    remarks = list(eligible.remarks)
    if window:
        days = {"starts_on": window.starts_on, "ends_on": window.ends_on}
        notes.append(because("window", **days))
        outside = because("outside_window", **days)
        for session in eligible.sessions:
            if not window.starts_on <= session.held_on <= window.ends_on:
                minutes = _minutes(requirement, session)
                remarks.append(Remark(session.held_on, session.title, minutes, outside))
    if eligible.review:
        notes.append(eligible.review)
    needs_review = eligible.review is not None
    items = []
    for session in eligible.sessions:
        minutes = _minutes(requirement, session)
        if minutes and (not window or window.starts_on <= session.held_on <= window.ends_on):
            items.append(CountedItem(session.held_on, session.title, minutes))
    result = compare(
        requirement, counted, needs_review=needs_review, notes=tuple(notes), remarks=remarks
    )
    return result._replace(counted_items=tuple(items))


def _minutes(requirement: PlannedRequirement, session: CandidateSession) -> int:
    if requirement.topic:
        return session.topics.get(requirement.topic, 0)
    return session.minutes


def _find_eligible_sessions(
    requirement: PlannedRequirement, candidate: Candidate
) -> _EligibleSessions:
    rule = requirement.rule.window
    sessions = sorted(candidate.sessions, key=lambda session: session.held_on)
    if rule is None:
        return _EligibleSessions(sessions, [], None)
    degree = find_degree_day(candidate, rule.after, rule.or_after)
    eligible = _EligibleSessions([], [], degree.review if degree else None)
    for session in sessions:
        reason = _find_exclusion(rule, degree, candidate, session.held_on)
        if reason is None:
            eligible.sessions.append(session)
        else:
            remark = Remark(session.held_on, session.title, session.minutes, reason)
            eligible.remarks.append(remark)
    return eligible


def _find_exclusion(
    rule: WindowRule, degree: DegreeDay | None, candidate: Candidate, day: date
) -> Reason | None:
    """Why a session on that day does not count."""
    if rule.after and degree is None:
        return because("no_degree", degree=rule.after)
    if degree and day < degree.day:
        return because("before_degree", degree=rule.after, awarded_on=degree.day)
    if rule.while_giving and not any(
        position.provides_rsc and position.starts_on <= day <= (position.ends_on or date.max)
        for position in candidate.positions
    ):
        return because("not_providing_rsc")
    return None
