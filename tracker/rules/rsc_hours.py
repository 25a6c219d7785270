"""RSC hours of an application: after a degree, within the best window, and what is inside them."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from tracker.rules.candidate import Candidate, Session
from tracker.rules.plan import Ask
from tracker.rules.providers import say_day
from tracker.rules.rsc_window import Weighed, Window, best_window, windows
from tracker.rules.standing import Outcome, Remark, Result
from tracker.rules.work import degree_day


class _Sorted(NamedTuple):
    """Sessions that may count, in order, and those that cannot, with their reasons.

    ``reviewed`` says why the former count only if the reviewers agree, if so.
    """

    fit: list[Session]
    remarks: list[Remark]
    reviewed: str


def judge_rsc(asks: Sequence[Ask], candidate: Candidate, as_of: date) -> Iterator[Result]:
    """Judge all that asks RSC hours; those that lie inside others share their window."""
    for ask in asks:
        if ask.rule.inside is None:
            group = [ask, *(a for a in asks if a.rule.inside == ask.id)]
            yield from _judge_group(group, as_of, _sort(ask, candidate))


def _judge_group(group: Sequence[Ask], as_of: date, found: _Sorted) -> Iterator[Result]:
    months = group[0].rule.window.months if group[0].rule.window else None
    required = [ask.amount for ask in group]
    weighed = [Weighed(s.held_on, tuple(_minutes(ask, s) for ask in group)) for s in found.fit]
    spans = list(windows(weighed, months)) if months else _everything(weighed, len(group))
    best = best_window(spans, required)
    counts = best.minutes if best else (0,) * len(group)
    is_short = any(counted < asked for counted, asked in zip(counts, required, strict=True))
    open_still = [w for w in spans if as_of <= w.ends_on] if months and is_short else []
    growing = best_window(open_still, required)
    closing = growing.ends_on if growing else None
    for ask, counted in zip(group, counts, strict=True):
        yield _result(ask, counted, best if months else None, closing, found)


def _result(
    ask: Ask, counted: int, window: Window | None, closing: date | None, found: _Sorted
) -> Result:
    short = max(0, ask.amount - counted)
    remarks, note = found.remarks, ""
    if window:
        note = f"{say_day(window.starts_on)} to {say_day(window.ends_on)}"
        remarks = remarks + [
            Remark(s.held_on, s.title, _minutes(ask, s), f"outside the best window, {note}")
            for s in found.fit
            if not window.starts_on <= s.held_on <= window.ends_on
        ]
    outcome = Outcome.SHORT if short else Outcome.REVIEW if found.reviewed else Outcome.MET
    note = "; ".join(filter(None, (note, found.reviewed)))
    closes_on = closing if short else None
    return Result(ask, ask.amount, counted, short, outcome, note, closes_on, tuple(remarks))


def _minutes(ask: Ask, session: Session) -> int:
    return session.topics.get(ask.topic, 0) if ask.topic else session.minutes


def _sort(ask: Ask, candidate: Candidate) -> _Sorted:
    window = ask.rule.window
    after = window.after if window else None
    since = degree_day(candidate, after, window.or_after if window else ())
    found = _Sorted([], [], since.reviewed if since else "")
    for session in sorted(candidate.sessions, key=lambda s: s.held_on):
        reason = ""
        if after and (since is None or session.held_on < since.day):
            awarded = f"awarded {say_day(since.day)}" if since else "none is on record"
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
