"""RSC hours of an application: the best window of months, which is the one that lacks least."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
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


class RscWindow(NamedTuple):
    """A span that begins with a session, both days included, and the minutes within it."""

    starts_on: date
    ends_on: date
    minutes: tuple[int, ...]


def list_windows(
    days: Sequence[date],
    columns: Sequence[Sequence[int]],
    months: int,
    open_on: date = date.min,
) -> Iterator[RscWindow]:
    """Spans of ``months`` that begin on a session's day; whatever is required, the best is there.

    ``days`` are those of the sessions, in order, and each of ``columns`` has their minutes for one
    of the requirements that share the window. Windows that end before ``open_on`` are left out.

    No other span holds more than one that begins with a session: moving its start to its first
    session loses nothing. Nor does one that ends with the same session as the one before, but has
    fewer minutes.
    """
    # Running totals: what a window holds is the difference of two of them.
    totals = [list(accumulate(column, initial=0)) for column in columns]
    end = 0
    before: tuple[int, ...] = ()
    for start, first in enumerate(days):
        ends_on = last_day(first, months)
        if ends_on < open_on or (start and days[start - 1] == first):
            continue
        last_end, end = end, bisect_right(days, ends_on, end)
        minutes = tuple([total[end] - total[start] for total in totals])
        if end > last_end or minutes == before:
            yield RscWindow(first, ends_on, minutes)
            before = minutes
        elif end == len(days):
            return  # the rest are parts of this one


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
        pairs = zip(required, window.minutes, strict=True)
        short = sum(max(0, needed - minutes) for needed, minutes in pairs)
        return -short, sum(window.minutes), window.starts_on

    return max(windows, key=rank, default=None)


class _EligibleSessions(NamedTuple):
    """Sessions that may count, in order, and remarks on those that cannot.

    ``review`` says why the sessions count only if the reviewers agree, if so.
    """

    sessions: list[CandidateSession]
    remarks: list[Remark]
    review: Reason | None

    @property
    def days(self) -> list[date]:
        """The days of the sessions, in order."""
        return [session.held_on for session in self.sessions]

    def list_minutes(self, requirement: PlannedRequirement) -> list[int]:
        """What each session is worth for a requirement: all of it, or what is about its topic."""
        if requirement.topic:
            return [session.topics.get(requirement.topic, 0) for session in self.sessions]
        return [session.minutes for session in self.sessions]


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
            minutes = eligible.list_minutes(requirement)
            yield _result(requirement, sum(minutes), eligible, minutes, None)


def _judge_window(
    group: Sequence[PlannedRequirement], eligible: _EligibleSessions, months: int, as_of: date
) -> list[Result]:
    days = eligible.days
    required = [requirement.amount for requirement in group]
    columns = [eligible.list_minutes(requirement) for requirement in group]
    best = best_window(list_windows(days, columns, months), required)
    counted = best.minutes if best else [0] * len(group)
    results = []
    for requirement, count, minutes in zip(group, counted, columns, strict=True):
        results.append(_result(requirement, count, eligible, minutes, best))
    if not any(result.short for result in results):
        return results
    open_window = best_window(list_windows(days, columns, months, as_of), required)
    closes_on = open_window.ends_on if open_window else None
    return [result._replace(closes_on=closes_on) if result.short else result for result in results]


def _result(
    requirement: PlannedRequirement,
    counted: int,
    eligible: _EligibleSessions,
    minutes: Sequence[int],
    window: RscWindow | None,
) -> Result:
    """The result of counting so much; ``minutes`` are what each eligible session is worth."""
    notes = []
    remarks = list(eligible.remarks)
    if window:
        notes.append(because("window", starts_on=window.starts_on, ends_on=window.ends_on))
    if eligible.review:
        notes.append(eligible.review)
    items = []
    for session, worth in zip(eligible.sessions, minutes, strict=True):
        if window and not window.starts_on <= session.held_on <= window.ends_on:
            days = {"starts_on": window.starts_on, "ends_on": window.ends_on}
            outside = because("outside_window", **days)
            remarks.append(Remark(session.held_on, session.title, worth, outside))
        elif worth:
            items.append(CountedItem(session.held_on, session.title, worth))
    needs_review = eligible.review is not None
    result = compare(
        requirement, counted, needs_review=needs_review, notes=tuple(notes), remarks=remarks
    )
    return result._replace(counted_items=tuple(items))


def _find_eligible_sessions(
    requirement: PlannedRequirement, candidate: Candidate
) -> _EligibleSessions:
    rule = requirement.rule.window
    sessions = sorted(candidate.sessions, key=attrgetter("held_on"))
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
