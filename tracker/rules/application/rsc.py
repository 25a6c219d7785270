"""The best span of months for RSC hours: of all, the one that leaves least to do."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.formatting import format_date
from tracker.rules.application.candidate import Candidate, CandidateSession
from tracker.rules.application.work import degree_day
from tracker.rules.plan import PlannedRequirement
from tracker.rules.standing import Outcome, Remark, Result

_DAY = timedelta(days=1)


class Weighed(NamedTuple):
    """A session's day, and its minutes for each of the requirements that share the window."""

    held_on: date
    minutes: tuple[int, ...]


class Window(NamedTuple):
    """A span of ``months`` that begins with a session: both days inside; minutes for each."""

    starts_on: date
    ends_on: date
    minutes: tuple[int, ...]


def windows(sessions: Sequence[Weighed], months: int) -> Iterator[Window]:
    """Each span of ``months`` that begins on a session's day; ``sessions`` in order of days.

    No other span holds more than one of these: sliding one forward to its first session
    loses nothing.
    """
    days = [session.held_on for session in sessions]
    # Up to, and without, the session of that number: a window's sum is the difference of two.
    columns = zip(*(session.minutes for session in sessions), strict=True)
    sums = [list(accumulate(column, initial=0)) for column in columns]
    until = 0
    for number, first in enumerate(days):
        if number and days[number - 1] == first:
            continue
        ends_on = last_day(first, months)
        until = bisect_right(days, ends_on, until)
        yield Window(first, ends_on, tuple([s[until] - s[number] for s in sums]))


# Sessions of many people fall on the same days.
@lru_cache(maxsize=8_192)
def last_day(first: date, months: int) -> date:
    """The last day of a span of ``months`` that begins on ``first``: the eve of the same day.

    Where that month has no such day (February 29 two years on), its own last day.
    """
    after = first + relativedelta(months=months)
    return after - _DAY if after.day == first.day else after


def best_window(found: Iterable[Window], required: Sequence[int]) -> Window | None:
    """The window that lacks least of what is ``required``; of equals the fullest, then the last.

    None where there is none.
    """

    def rank(window: Window) -> tuple[int, int, date]:
        short = 0
        for asked, minutes in zip(required, window.minutes, strict=True):
            if minutes < asked:
                short += asked - minutes
        return -short, sum(window.minutes), window.starts_on

    return max(found, key=rank, default=None)


class _Sorted(NamedTuple):
    """Sessions that may count, in order, and those that cannot, with their reasons.

    ``reviewed`` says why the former count only if the reviewers agree, if so.
    """

    fit: list[CandidateSession]
    remarks: list[Remark]
    reviewed: str


def judge_rsc(
    requirements: Sequence[PlannedRequirement], candidate: Candidate, as_of: date
) -> Iterator[Result]:
    """Judge all that asks RSC hours; those that lie inside others share their window."""
    for requirement in requirements:
        if requirement.rule.inside is None:
            group = [requirement, *(a for a in requirements if a.rule.inside == requirement.id)]
            yield from _judge_group(group, as_of, _sort(requirement, candidate))


def _judge_group(
    group: Sequence[PlannedRequirement], as_of: date, found: _Sorted
) -> Iterator[Result]:
    months = group[0].rule.window.months if group[0].rule.window else None
    required = [requirement.amount for requirement in group]
    weighed = [
        Weighed(s.held_on, tuple(_minutes(requirement, s) for requirement in group))
        for s in found.fit
    ]
    spans = list(windows(weighed, months)) if months else _everything(weighed, len(group))
    best = best_window(spans, required)
    counts = best.minutes if best else (0,) * len(group)
    is_short = any(counted < asked for counted, asked in zip(counts, required, strict=True))
    open_still = [w for w in spans if as_of <= w.ends_on] if months and is_short else []
    growing = best_window(open_still, required)
    closing = growing.ends_on if growing else None
    for requirement, counted in zip(group, counts, strict=True):
        yield _result(requirement, counted, best if months else None, closing, found)


def _result(
    requirement: PlannedRequirement,
    counted: int,
    window: Window | None,
    closing: date | None,
    found: _Sorted,
) -> Result:
    short = max(0, requirement.amount - counted)
    remarks, note = found.remarks, ""
    if window:
        note = f"{format_date(window.starts_on)} to {format_date(window.ends_on)}"
        remarks = remarks + [
            Remark(s.held_on, s.title, _minutes(requirement, s), f"outside the best window, {note}")
            for s in found.fit
            if not window.starts_on <= s.held_on <= window.ends_on
        ]
    outcome = Outcome.SHORT if short else Outcome.REVIEW if found.reviewed else Outcome.MET
    note = "; ".join(filter(None, (note, found.reviewed)))
    closes_on = closing if short else None
    return Result(
        requirement, requirement.amount, counted, short, outcome, note, closes_on, tuple(remarks)
    )


def _minutes(requirement: PlannedRequirement, session: CandidateSession) -> int:
    return session.topics.get(requirement.topic, 0) if requirement.topic else session.minutes


def _sort(requirement: PlannedRequirement, candidate: Candidate) -> _Sorted:
    window = requirement.rule.window
    after = window.after if window else None
    since = degree_day(candidate, after, window.or_after if window else ())
    found = _Sorted([], [], since.reviewed if since else "")
    for session in sorted(candidate.sessions, key=lambda s: s.held_on):
        reason = ""
        if after and (since is None or session.held_on < since.day):
            awarded = f"awarded {format_date(since.day)}" if since else "none is on record"
            reason = f"it counts only after a {after}'s degree ({awarded})"
        elif window and window.while_giving and not _gave_rsc(candidate, session.held_on):
            reason = "no position on record had you give RSC to others on that day"
        if reason:
            remark = Remark(session.held_on, session.title, session.minutes, reason)
            found.remarks.append(remark)
        else:
            found.fit.append(session)
    return found


def _gave_rsc(candidate: Candidate, day: date) -> bool:
    return any(
        p.gives_rsc and p.starts_on <= day <= (p.ends_on or date.max) for p in candidate.positions
    )


def _everything(weighed: Sequence[Weighed], width: int) -> list[Window]:
    """All sessions as one window, where the rule sets none."""
    if not weighed:
        return []
    sums = tuple(sum(w.minutes[number] for w in weighed) for number in range(width))
    return [Window(weighed[0].held_on, weighed[-1].held_on, sums)]
